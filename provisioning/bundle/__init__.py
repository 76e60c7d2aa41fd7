"""A bundle: everything that makes a card one vessel's.

- `contents`: which files there are, and their versions; reads any of them
- `identity`: whether an identity may be put in force on a vessel
- `compose`: makes one from the fleet's folder
"""
