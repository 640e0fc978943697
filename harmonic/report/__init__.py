"""The report of a run: its files read, checked against each other, and shown on one page."""
