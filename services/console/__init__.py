"""Code shared by commands and screens: errors, the environment, the selected store, JSON output."""
