"""Gateways: ways ashore. What the fleet has recorded is forwarded by whichever vessel gets there first.

- `report`: what a gateway does just now, for those who look at it
"""
