"""Tests of the message layer and of checkpoints."""
