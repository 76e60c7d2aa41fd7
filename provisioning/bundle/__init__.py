"""A bundle: all files that make a card one vessel's.

- `contents`: the files of a bundle, and its versions; reads any version
- `identity`: checks whether an identity may be put in force on a vessel
- `compose`: makes a bundle from the fleet's folder
"""
