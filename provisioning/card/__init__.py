"""A card: an image written to a device or a file, and one vessel's bundle on it. No mounting, no loop device.

- `tools`: runs external tools (mtools, debugfs, lsblk)
- `partitions`: finds the partitions of a card or an image
- `target`: checks whether a target may be overwritten: removable, not mounted, large enough
- `image_writing`: writes the image to the target, sparse, reads it back, and makes it bootable last
- `bundle_writing`: puts a bundle into the data partition, or onto FAT
- `make`: runs all of these steps in order
- `partition_growth`: grows the data partition to the end of the card, at the first start
"""
