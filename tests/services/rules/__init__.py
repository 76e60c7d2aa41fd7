"""Tests of what alarm rules remember, and of how it is computed again."""
