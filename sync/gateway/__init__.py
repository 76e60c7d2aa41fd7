"""Gateways: forwarding of the fleet's records ashore, by whichever vessel connects first.

- `policy`: which documents are forwarded to a gateway, when, and how fast; `egress_interface`: the interface
  through which the gateway is reached
- `couchbase`: a gateway that replicates; `gateway_replication`: one of its replications; `connection_timing`:
  when each replication connects; `problem_classification`: the states that problems cause
- `mqtt`: a gateway that is an MQTT broker
- `forwarded`: the documents that have been forwarded; `progress`: those that are still waiting
- `task_errors`: handling of errors, after which a gateway continues
- `report`: the current state of a gateway, for people
"""
