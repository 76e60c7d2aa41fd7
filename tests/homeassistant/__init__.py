"""Tests with a real Home Assistant, which shows data that real daemons publish through a real broker."""
