"""The mesh: vessels that find each other, and keep one link with each neighbour.

- `interfaces`, `interface_watch`: this machine's interfaces and addresses, and their changes
- `sightings`: the advertisement of a vessel, and the table of received advertisements
- `mdns_sources`: the addresses from which a name was announced
- `dns_sd_records`: reading of untrusted DNS-SD records
- `discovery`: DNS-SD over multicast: advertises this vessel, and finds others
- `link_plan`: which vessels to have links with, and which side dials
- `appliance_headers`, `membership`: the identity of a peer, and what it may do here
- `link_streams`, `vessel_endpoint`: the two connections of a link, and how to connect to a vessel
- `candidates`, `probing`: the places where a vessel may be, and finding the right one
- `link_dialler`: when links are dialled, and when they are closed
- `outbound_link`, `inbound_link`: links that we dial, and links that others dial
- `routes`, `route_messages`: the routes of documents, and their announcement to neighbours
- `duplicate_identities`: detection of two computers with one identity
- `traffic`: documents that arrive over links, and the routes announced to neighbours
- `manager`: the mesh of one vessel, which uses all of these
- `link_state`, `report`: the current state of the mesh, for people
"""
