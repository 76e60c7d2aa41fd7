"""The doctor: many small checks of the appliance. Each reports an observation, its cause and a remedy.

- `findings`: the result of a check
- `context`: the input for the checks, such as files below a root directory, live states and command output
- `wiring`, `hardware`, `card`, `network`, `daemons`, `outputs`, `recording`: the checks, one module for each
  subject
- `checks`: the table of all checks
"""
