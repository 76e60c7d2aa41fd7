"""The mesh: discovery of other vessels, and one link with each neighbour.

- `interfaces`, `interface_watch`: this machine's interfaces and addresses, and their changes
- `sightings`: the advertisement of a vessel, and the table of received advertisements (sightings)
- `mdns_sources`: the addresses from which a name was announced
- `dns_sd_records`: parser of untrusted DNS-SD records
- `discovery`: advertises this vessel and discovers others, with DNS-SD over multicast
- `link_plan`: the vessels to have links with, and the vessel that dials each link
- `appliance_headers`, `membership`: the identity of a peer, and its permissions on this vessel
- `link_streams`, `vessel_endpoint`: the two connections of a link, and how to connect to a vessel
- `candidates`, `probing`: the endpoints at which a vessel may be reached, and the search for the right one
- `link_dialler`: starts and ends the links that this vessel dials
- `outbound_link`, `inbound_link`: links that this vessel dials, and links that other vessels dial
- `routes`, `route_messages`: the routes by which documents arrive, and messages that announce these routes
- `duplicate_identities`: detection of two boards with the same identity
- `traffic`: records of the documents received over links, and announcements of routes to neighbours
- `manager`: the mesh of one vessel, which uses all of these
- `link_state`, `report`: the current state of the mesh, as shown to users
"""
