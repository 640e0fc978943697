"""A trained network in one file: what it says, its seal, and its two forms."""
