"""Benchmarks, which print and never assert: `make bench`. Each module's `main` prints a table."""
