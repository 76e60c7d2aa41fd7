"""Gateways: ways ashore. What the fleet has recorded is forwarded by whichever vessel gets there first.

- `policy`: what goes to a gateway, when, and how fast; `ways`: by which interface it is reached
- `couchbase`: a gateway that replicates; `way`: one replication of it; `dialling`: when each connects;
  `judging`: what went wrong
- `mqtt`: a gateway that is a broker
- `forwarded`: what is ashore; `progress`: what waits
- `enduring`: lets a gateway go on after an error
- `report`: what a gateway does just now, for those who look at it
"""
