"""Gateways, each of which forwards the fleet's records ashore through whichever vessel connects first.

- `policy`: the documents to forward to a gateway, the times and the rates; `egress_interface`: the network
  interface through which the gateway is reached
- `couchbase`: a gateway that replicates; `gateway_replication`: one of its replications; `connection_timing`:
  the times at which replications connect; `problem_classification`: the states that problems cause
- `mqtt`: a gateway to an MQTT broker
- `forwarded`: the documents that have been forwarded; `progress`: counters of documents that still wait
- `task_errors`: handling of errors, after which a gateway continues
- `report`: the current state of a gateway, for display
"""
