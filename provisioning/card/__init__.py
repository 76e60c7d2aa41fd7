"""A card: an image written to a device or a file, and one vessel's bundle on it. No mounting, no loop device.

- `tools`: running what others have made (mtools, debugfs, lsblk)
- `partitions`: where the partitions of a card or an image are
- `target`: whether something may be overwritten: removable, not mounted, large enough
- `writing`: the image onto the target, sparse, read back, bootable only when all of it is there
- `filling`: a bundle into the data partition, or onto FAT
- `make`: all of it, in its order
- `growing`: the data partition to the end of the card, at the first start
"""
