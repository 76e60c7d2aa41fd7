"""Tests of the satellite receiver as a source of time."""
