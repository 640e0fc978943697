"""What photographs of one lesion on both sides of a split do to the figures: see __main__."""
