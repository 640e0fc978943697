"""Harmonic and plain convolutions with 5 to 80 images a class, on GEM's splits or drawn ones."""
