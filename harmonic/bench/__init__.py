"""What `python -m harmonic bench` measures with; here, not in benchmarks/, for the wheel."""
