"""A real Sync Gateway for tests and manual trials, described in README.md in this folder.

- `program`: builds Sync Gateway once from its published Go module
- `gateway`: runs a gateway, and controls its databases, users, sessions and documents
- `__main__`: runs a gateway for manual trials
"""
