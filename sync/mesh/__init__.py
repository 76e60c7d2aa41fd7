"""Vessels that find each other, and keep one link with each.

- `interfaces`, `interface_watch`: what this machine has of interfaces and addresses, and when that changes
- `sightings`: what a vessel says of itself on the network, and the table of those that were seen
- `hearing`: from which addresses a name was announced
- `answers`: what was heard of a name, read with suspicion
- `discovery`: DNS-SD over multicast: says what we are, sees who else is there
- `plan`: which vessels to have links with, and who dials (pure)
- `greeting`, `membership`: who is at the other end, and what they may do here
- `streams`, `whereabouts`: the two connections of a link, and where to make them
- `outward`, `inward`: links that we dial, links that others dialled
- `routes`, `clones`: which way documents come; two computers with one identity (pure)
- `manager`: brings all this together, in one look at the whole after another
- `report`: what it is doing, for those who look at it
"""
