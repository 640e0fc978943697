"""The commands of `python -m harmonic`: a module each, found by being here.

A module has one function for others, `add(commands)`: it adds the command's parser to the
subparsers and sets its default `run`, a function of the parsed options. Modules import what they
work with when the command runs, so `python -m harmonic --help` needs the standard library alone.
"""
