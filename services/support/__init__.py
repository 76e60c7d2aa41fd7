"""One archive for whoever helps, secrets removed: `logboat bundle`.

- `secrets`: what must not leave the vessel, and how it is taken out of a text (pure)
- `contents`: what goes in
- `archive`: the parts as one file
"""
