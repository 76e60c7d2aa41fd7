"""The card's image: builds files that can be flashed from the data in `image/`. Runs as root, on Debian.

- `recipe`: reads and checks the data in `image/` for a board on a base
- `build_cache`: a cache of earlier results, by a digest of all their inputs
- `tools`: runs external tools, and reports their output, their duration and their failures
- `roots`: Debian roots by mmdebstrap: the base of an image, and the tools that make its file systems
- `official`: an official Raspberry Pi OS image as the base
- `lock`: compares the versions of a base's packages with the locked ones
- `wheels`: Python packages for the target, without running anything of the target
- `system`: the root's tree: base, our files, Python, units, dates
- `bootfiles`: the files of the selector and of the boot partitions
- `firmware`: the rules of Raspberry Pi's firmware, checked on the files of the image
- `layout`: the partitions' positions
- `disk`: file systems and the table, in one file, without mounting anything
- `sbom`: the contents of an image: SBOM, manifest, Raspberry Pi Imager's list
- `outputs`: compressed image, block map, digests; all of them, or none
- `build`: runs all of these steps in order

`make image` runs `python -m provisioning.image`; see its `--help`.
"""
