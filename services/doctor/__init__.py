"""The doctor: many small checks of an appliance, each with an observation, its reason and a cure.

- `findings`: the result of a check
- `context`: the input of the checks: files below a root, live states, the output of commands; tests pass
  their own
- `wiring`, `hardware`, `card`, `network`, `daemons`, `recording`: the checks, by subject
- `checks`: the table of all checks
"""
