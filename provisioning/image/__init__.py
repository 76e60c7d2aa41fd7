"""Builds the image of a card, as files that can be flashed, from the data in `image/`; needs root and Debian.

- `recipe`: reads and checks the data in `image/` for a board on a base
- `build_cache`: a cache of earlier results, each under a digest of all its inputs
- `tools`: runs external tools, and reports their output, their duration and their failures
- `roots`: Debian root trees made by mmdebstrap: the base of an image, and a root with the tools that build it
- `official`: an official Raspberry Pi OS image as the base
- `lock`: compares the versions of a base's packages with the locked ones
- `wheels`: Python packages for the target, without running any of the target's programs
- `system`: the tree of the image's root: base, Logboat's files, Python, units, dates
- `bootfiles`: the files of the selector and boot partitions
- `firmware`: the rules of Raspberry Pi's firmware, checked against the files of the image
- `layout`: the positions of the partitions
- `disk`: file systems and partition table, in one file, without mounting anything
- `licenses`: licences as SPDX identifiers, SPDX expressions and names
- `copyright_files`: the licences of Debian packages, from their copyright files
- `sbom`: descriptions of an image's contents: SBOM, manifest, entry for Raspberry Pi Imager
- `outputs`: compressed image, block map, digests; all of them or none
- `release`: the condition that an image must meet to be published
- `build`: runs all of these steps in order

`make image` runs `python -m provisioning.image`; see its `--help`.
"""
