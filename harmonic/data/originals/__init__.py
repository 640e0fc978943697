"""What the published images are known by."""
