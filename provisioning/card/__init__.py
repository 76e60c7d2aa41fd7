"""Writes cards without mounting them: an image to a device or file, and then a vessel's bundle.

- `tools`: runs external tools (mtools, debugfs, lsblk)
- `partitions`: finds the partitions of a card or an image
- `present_card`: reads what a card contains before it is changed
- `target`: checks whether a target may be overwritten: removable, not mounted, large enough
- `image_writing`: writes the image without its empty ranges, reads it back, and makes the card bootable last
- `free_space`: checks that a bundle fits on the FAT partition
- `bundle_writing`: writes a bundle to the data partition or to the FAT partition
- `make`: runs these steps in order
- `partition_growth`: grows the data partition to the end of the card, at the first start of the appliance
"""
