"""Thousands of damaged and hostile files: each is answered, or refused in one line, and quickly."""
