"""Support archives without secrets: `logboat bundle`.

- `secrets`: removes from a text the secrets that must not leave the vessel
- `contents`: the files in the archive
- `archive`: packs these files into one
"""
