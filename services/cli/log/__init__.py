"""`logboat log`: recorded readings for people, and readings added by hand."""
