"""Images as arrays: decoding, hair, phantoms, resizing. Needs no torch."""
