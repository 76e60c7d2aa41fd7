"""The sync daemon: this vessel's mesh and its gateways.

`daemon` runs the mesh from the vessel's files, `gateways` creates the gateways of `logboat.toml`,
`ahead_claims` checks what other vessels claim to have of our log. `daily_quotas` computes what each peer may
send in a day, and `state_writer` writes the live state.
"""
