"""The layer of messages, and checkpoints."""
