"""Tests of the replication protocol's messages and of checkpoints."""
