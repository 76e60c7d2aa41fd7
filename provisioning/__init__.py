"""Provisioning: the fleet's identities, a card's bundle, the image pipeline."""
