"""The MQTT gateway: the fleet's documents as messages of a broker.

- `configuration`, `options`, `limits`: the settings of a gateway, those that people choose, and its constants
- `vessels`, `topics`, `messages`, `presentation`, `homeassistant`, `signalk`: conversion of documents to
  messages (no I/O)
- `feed`, `lanes`, `cursor`: what is to be sent, in which order, and the progress
- `retained_messages`, `repairs`: what the broker retains, and how to correct it
- `signs_of_life`, `presence`, `presence_publisher`: which sensors and vessels are recording now, and
  publishing that
- `outbox`: messages in flight, and their outcome (no socket)
- `client`, `subscriptions`, `broker_errors`, `non_brokers`: a connection, received messages, errors
- `gateway`: keeps a connection, and publishes everything on it
"""
