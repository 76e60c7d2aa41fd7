"""Text on a terminal: formats, colours and tables of any width."""
