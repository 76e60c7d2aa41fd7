"""The mesh: vessels that find each other, and keep one link with each neighbour.

- `interfaces`, `interface_watch`: this machine's interfaces and addresses, and their changes
- `sightings`: the advertisement of a vessel, and the table of those that were seen
- `mdns_sources`: the addresses from which a name was announced
- `dns_sd_records`: received records about a name, read with suspicion
- `discovery`: DNS-SD over multicast: advertises this vessel, and finds others
- `link_plan`: which vessels to have links with, and which side dials (pure)
- `appliance_headers`, `membership`: the identity of a peer, and what it may do here
- `link_streams`, `vessel_endpoint`: the two connections of a link, and where to make them
- `candidates`, `probing`: the places where a vessel may be, and finding the right one
- `link_dialler`: when links are dialled, and when they are given up
- `outbound_link`, `inbound_link`: links that we dial, and links that others dialled
- `routes`, `duplicate_identities`: the routes of documents; two computers with one identity (pure)
- `traffic`: documents that arrive over links, and the routes announced to neighbours
- `manager`: combines all this, in repeated passes over the whole state
- `report`: the current state, for people
"""
