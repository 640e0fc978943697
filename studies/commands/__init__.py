"""The commands of `python -m studies`, one module each; see harmonic.commands for their form."""
