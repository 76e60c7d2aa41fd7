"""Support archives without secrets: `logboat bundle`.

- `secrets`: the secrets that must not leave the vessel, and their removal from a text (pure)
- `contents`: the parts of the archive
- `archive`: the parts as one file
"""
