"""Tests of the SD card's image.

`make image-test` runs the tests marked `image`, which boot the image in QEMU and take many minutes.

- `guest`: a virtual machine in QEMU, controlled over SSH
- `card`: copies of the image for virtual machines, to which files can be added
- `gpiosim`: a simulated GPIO chip in a guest, controlled by the test
"""
