"""Tests of the card's image. Those marked `image` boot it in QEMU: `make image-test`, many minutes.

- `guest`: a machine in QEMU, controlled over SSH
- `card`: copies of an image for guests: with a vessel's files, larger, or with lost writes as in a power cut
- `gpiosim`: a GPIO chip inside a guest, driven from outside
"""
