"""Support archives without secrets: `logboat bundle`.

- `secrets`: removes secrets, which must not leave the vessel, from text
- `contents`: the files in the archive
- `archive`: packs these files into one
"""
