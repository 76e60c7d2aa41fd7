"""`logboat fleet`: manages a fleet's identities and cards, on the operator's machine."""
