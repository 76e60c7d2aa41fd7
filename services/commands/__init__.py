"""The commands of `logboat`, one module for each group; `services.command` finds and calls them.

- `options`: what every command can be told
- `common`: what commands share: errors, the store, whose vessel this is, JSON
- `status`, `sensors`, `peers`: what is so now; `top`: all of it, live
- `log` (`logview`, `logadd`), `alarms`, `notes`, `verify`: what is on record
- `config`, `boot`, `daemons`, `db`: set-up, an appliance's start, the daemons, the store itself
- `maintenance`: an appliance's root, writable for a while
- `doctor`, `lights`, `bundle`: what is wrong, what is shown, what a helper needs
- `dbsync` (`dbrun`), `dbserve`: the store, over the network
- `fleet` (`fleetcard`): the operator's: identities of vessels, their cards, hashes of passwords

A module has two functions for each command, `<name>_arguments(parser)` and `<name>(args, world)`; it is
imported only when its command runs, so that `logboat` starts fast on a small machine.
"""
