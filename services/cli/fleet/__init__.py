"""`logboat fleet`: a fleet's identities and cards, on the operator's machine."""
