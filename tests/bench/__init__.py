"""Benchmarks, which `make bench` runs. The function `main` of each module measures and prints a table."""
