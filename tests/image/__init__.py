"""Tests of the card's image.

Tests marked `image` boot it in QEMU: `make image-test`, which takes many minutes.

- `guest`: a virtual machine in QEMU, controlled over SSH
- `card`: copies of an image for guests, to which files can be added
- `gpiosim`: a simulated GPIO chip in a guest, controlled by the test
"""
