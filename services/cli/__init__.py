"""The commands of `logboat`, one module for each group; `services.cli.main` finds and calls them.

- `options`: options that every command accepts
- `status`, `sensors`, `peers`: the current state; `top`: a live view of everything
- `log/`, `alarms`, `silence`, `notes`, `verify`: recorded data
- `config`, `boot`, `daemons`: configuration, an appliance's boot, the daemons
- `db/`: operations on any document store, and its replication over the network
- `maintenance`: makes an appliance's root file system temporarily writable
- `doctor`, `lights`, `outputs`, `bundle`: health checks, the lights, outputs such as sirens, the support
  archive
- `handbook`: shows pages from the handbook
- `fleet/`: vessel identities, cards and password hashes, for the fleet's operator

Code that commands share is in `services.console`. The lists that commands print are in `services.screens`.

A module has two functions for each command, `<name>_arguments(parser)` and `<name>(args, world)`. It is
imported only when its command runs, so that `logboat` starts fast on a small machine.
"""
