"""Tests of the card's image.

Tests marked `image` boot it in QEMU: `make image-test`, which takes many minutes.

- `guest`: a virtual machine in QEMU, controlled over SSH
- `card`: copies of an image for guests: with a vessel's files, or larger than the image
- `gpiosim`: a simulated GPIO chip inside a guest, controlled from outside
"""
