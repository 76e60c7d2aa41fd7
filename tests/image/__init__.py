"""Tests of the card's image. Those marked `image` boot it in QEMU: `make image-test`, many minutes.

- `guest`: a virtual machine in QEMU, controlled over SSH
- `card`: copies of an image for guests: with a vessel's files, larger, or with writes lost in a power cut
- `gpiosim`: a simulated GPIO chip inside a guest, driven from outside
"""
