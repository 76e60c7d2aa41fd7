"""Provisioning: what makes a Raspberry Pi a vessel of its fleet, on the operator's machine.

- `authority`: the fleet's certificate authority: what it issues and revokes
- `files`: writing files and folders whole, or not at all
- `folder`: the fleet's folder, which holds the authority and every vessel's identity
- `errors`: what can be wrong with that
- `bundle`: everything that makes a card one vessel's, from the fleet's folder
- `card`: writing it, with or without an image
- `takein`: what the appliance makes of it at its start
- `networks`, `overlays`: what follows from the configuration: profiles, lines in config.txt
- `places`: names of places on a card
- `imager`: what Raspberry Pi Imager was asked for
"""
