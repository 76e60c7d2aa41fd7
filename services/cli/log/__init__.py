"""`logboat log`: shows recorded readings, and adds readings by hand."""
