"""The commands of `python -m studies`; see harmonic.commands for a module's form."""
