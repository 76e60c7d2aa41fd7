"""The MQTT gateway: the fleet's documents as messages of a broker.

- `configuration`, `limits`: what a gateway is told; its numbers
- `vessels`, `topics`, `messages`, `homeassistant`, `signalk`: a document as messages (pure)
- `feed`, `lanes`, `cursor`: what is to be sent, in which order, and how far that has come
- `standing`, `repairs`: what the broker retains; what of that is to be put right
- `signs`, `presence`, `attendance`: which sensors and vessels are recorded just now; what is said of that
- `outbox`: what is on its way, and what becomes of it (no socket)
- `client`, `listening`, `troubles`, `strangers`: a connection, what is heard on it, what goes wrong
- `gateway`: keeps a connection, and has all of that go out on it
"""
