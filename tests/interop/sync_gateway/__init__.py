"""A real Sync Gateway, for tests and for manual trials: see README.md in this folder.

- `program`: the gateway's program, which is built once from its published Go module
- `gateway`: a running gateway, with its databases, users, sessions and documents
- `__main__`: a gateway for manual trials
"""
