"""Benchmarks, which print results and assert nothing: `make bench`. Each module's `main` prints a table."""
