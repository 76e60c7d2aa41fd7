"""Provisioning: sets up a Raspberry Pi as a vessel of a fleet.

- `authority`: the fleet's certificate authority, which issues and revokes certificates
- `files`: writes files and folders completely, or not at all
- `starter_files`: configuration files with comments and examples, for new vessels
- `folder`: the fleet's folder, which contains the authority and every vessel's identity
- `fleet_duplicates`: finds vessels of a fleet with the same id, name or MMSI
- `removal`: removes a vessel from a fleet's folder, and keeps its files
- `backup`: the fleet's folder in one encrypted file
- `errors`: the exceptions of this package
- `bundle`: the files for one vessel's card, made from the fleet's folder
- `card`: writes a bundle to a card, with or without an image
- `image`: builds the card's image
- `ingest`: checks a bundle when the appliance starts, and applies it
- `networks`, `overlays`: the network profiles and the lines of config.txt that a configuration requires
- `card_folders`: names of folders on a card
- `imager`: reads the settings that Raspberry Pi Imager wrote to a card
"""
