"""Gateways: forwarding of the fleet's records ashore, by whichever vessel connects first.

- `policy`: what goes to a gateway, when, and how fast; `egress_interface`: the interface by which it is
  reached
- `couchbase`: a gateway that replicates; `gateway_replication`: one of its replications; `connection_timing`:
  when each connects; `problem_classification`: the meaning of problems
- `mqtt`: a gateway that is an MQTT broker
- `forwarded`: what has been forwarded; `progress`: what is still waiting
- `task_errors`: lets a gateway continue after an error
- `report`: the current state of a gateway, for people
"""
