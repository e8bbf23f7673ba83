"""Real worker processes on real stores under real faults, counted: `python -m tests.chaos`, `make chaos`."""
