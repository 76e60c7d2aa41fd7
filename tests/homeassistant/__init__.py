"""Tests with a real Home Assistant, which shows the data of a real vessel's daemons through a real broker."""
