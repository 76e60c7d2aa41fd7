"""The doctor: many small questions about an appliance, each with what was seen, why it matters, what to do.

- `findings`: an answer
- `patient`: what is asked: files below a root, live states, commands; tests hand in others
- `header`, `hardware`, `card`, `network`, `daemons`, `record`: the questions, by what they are about
- `checks`: the table of all
"""
