"""The vessel's networks, made anew at each start from the configuration.

- `adapters`: what this machine's radios can, and which of them does what
- `profiles`: a network as NetworkManager's keyfile
- `radio`: the link between vessels, as wpa_supplicant's configuration
- `firewall`: on which interfaces SSH and the listener are open
- `plan`: all of a vessel's profiles, and what there is no adapter for
"""
