"""The card's image: from the data in `image/` to files that can be flashed. Run as root, on Debian.

- `recipe`: what `image/` says of a board on a base, typed and checked
- `keeping`: what was made before is kept, by a digest of all that it was made of
- `tools`: tools outside Python: what they say, how long they take, and which of them failed
- `roots`: Debian roots by mmdebstrap: the base of an image, and the tools that make its file systems
- `official`: an official Raspberry Pi OS image as the base
- `lock`: which versions of packages a base has, and whether these are the ones it should have
- `wheels`: Python packages for the target, without running anything of the target
- `system`: the root's tree: base, our files, Python, units, dates
- `bootfiles`: what lies on the selector and on the boot partitions
- `firmware`: the rules of Raspberry Pi's firmware, checked on what was made
- `layout`: where partitions are
- `disk`: file systems and the table, in one file, without mounting anything
- `bill`: what is in an image: SBOM, manifest, Raspberry Pi Imager's list
- `outputs`: compressed image, block map, digests; there whole, or not at all
- `build`: all of that, in its order

`python -m provisioning.image --help` is what `make image` runs.
"""
