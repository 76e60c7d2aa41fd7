"""The commands of `logboat`, one module for each group; `services.cli.main` finds and calls them.

- `options`: options that every command takes
- `common`: shared parts of the commands: errors, the store, the choice of the vessel, JSON
- `status`, `sensors`, `peers`: the current state; `top`: all of it, live
- `log` (`log_view`, `log_add`), `alarms`, `notes`, `verify`: recorded data
- `config`, `boot`, `daemons`, `db`: configuration, an appliance's boot, the daemons, the store itself
- `maintenance`: makes an appliance's root writable for a while
- `doctor`, `lights`, `bundle`: faults, what the lights show, an archive for support
- `db_sync` (`db_run`), `db_serve`: replication of the store over the network
- `fleet` (`fleet_card`): for the operator: identities of vessels, their cards, hashes of passwords

A module has two functions for each command, `<name>_arguments(parser)` and `<name>(args, world)`. It is
imported only when its command runs, so that `logboat` starts fast on a small machine.
"""
