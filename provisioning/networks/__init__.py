"""The vessel's networks, made at each start from the configuration.

- `adapters`: the capabilities of this machine's radios, and the role of each
- `profiles`: a network as NetworkManager's keyfile
- `radio`: the link between vessels, as wpa_supplicant's configuration
- `firewall`: the interfaces on which SSH and the listener are open
- `plan`: all of a vessel's profiles, and the functions for which there is no adapter
"""
