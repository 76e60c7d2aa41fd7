"""The MQTT gateway, which publishes the fleet's documents as MQTT messages on a broker.

- `keys`: the keys of `logboat.toml` for MQTT gateways
- `configuration`, `limits`: a validated configuration, and constants
- `vessels`, `topics`, `messages`, `presentation`, `homeassistant`, `signalk`: conversion of documents to
  messages (no I/O)
- `feed`, `lanes`, `cursor`: the documents to send (grouped in lanes), their order, and the progress of
  sending them
- `silence_watch`: the alarms that are silenced
- `retained_messages`, `repairs`: the messages that the broker retains, and their correction
- `signs_of_life`, `presence`, `presence_publisher`: detection and publication of which sensors and vessels
  are recording
- `outbox`: messages in flight, and their outcomes (no I/O)
- `client`, `subscriptions`, `broker_errors`, `non_brokers`: a connection, its received messages, and errors
- `commands`: acknowledgements that arrive from the broker
- `gateway`: maintains a connection, and publishes the documents on it
"""
