"""Support archives without secrets: `logboat bundle`.

- `secrets`: removes secrets from text, because they must not leave the vessel
- `contents`: the files in the archive
- `archive`: packs these files into a single file
"""
