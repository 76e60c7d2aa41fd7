"""A bundle: all files for the card of one vessel, in a folder.

- `contents`: defines the files in a bundle and its versions, and reads bundles of any version
- `identity`: checks whether an identity may be applied on a vessel
- `compose`: makes a bundle from the fleet's folder
"""
