"""Formats, colours and tables for text on a terminal of any width."""
