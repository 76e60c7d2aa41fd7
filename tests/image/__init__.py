"""Tests of the card's image. Those marked `image` boot it in QEMU: `make image-test`, many minutes.

- `guest`: a machine in QEMU, and what can be asked of it
- `card`: copies of an image for guests: with a vessel's files, larger, or forgetful as a card in a power cut
- `gpiosim`: a GPIO chip inside a guest, driven from outside
"""
