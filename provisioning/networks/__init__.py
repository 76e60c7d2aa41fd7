"""The vessel's networks, set up at each start from the configuration.

- `adapters`: the capabilities of this machine's radios, and the role of each
- `ssid`: names of networks, as text and as bytes
- `profiles`: networks as keyfiles for NetworkManager
- `joined`: profiles of the Wi-Fi networks to join
- `radio`: the radio link between vessels, as a configuration for wpa_supplicant
- `firewall`: the interfaces on which SSH and the listener are open
- `plan`: all of a vessel's profiles, and the functions that lack an adapter
"""
