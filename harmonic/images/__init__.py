"""Images as arrays: decoding, hair, resizing. Needs no torch."""
