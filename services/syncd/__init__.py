"""The sync daemon, which runs this vessel's mesh and its gateways.

`daemon` runs the mesh, `gateways` creates the gateways configured in `logboat.toml`, and `ahead_claims`
checks other vessels' claims about this vessel's log. `daily_quotas` computes how much each peer may send per
day, and `state_writer` writes the live state.
"""
