"""Vessels that find each other, and keep one link with each.

- `interfaces`, `interface_watch`: what this machine has of interfaces and addresses, and when that changes
- `sightings`: what a vessel says of itself on the network, and the table of those that were seen
- `hearing`: from which addresses a name was announced
- `discovery`: DNS-SD over multicast: says what we are, sees who else is there
"""
