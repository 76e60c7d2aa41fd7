"""Benchmarks, printed and never asserted: `make bench`. Each module's `main` prints a table."""
