"""A real Sync Gateway, for tests and for trying things by hand: see README.md beside this file.

- `program`: the gateway's program, built once from its published Go module
- `gateway`: a gateway that runs, its databases, users, sessions and documents
- `__main__`: one to try things with
"""
