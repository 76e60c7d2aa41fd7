"""The demo: the appliance's main job on this machine, with a fleet of real processes, real files, real TLS.

Each vessel has a recorder and a sync daemon. They find each other over the loopback interface, record, and
pass on what they record; one of them has no network for a while, and one alone has a link to the shore. In
the end the demo proves from the stores alone that all hold the same, that nothing is missing, that they hold
what the recorders had told was durable, and that all of it is ashore. Modules, in the order in which they are
needed:

- `aboard`: the sensors of the demo's vessels, and the recording that the first one plays
- `vessel`: one vessel's files and processes
- `fleet`: names, identities and addresses of all
- `shore`: an office and a broker, to which one vessel has a link
- `progress`: what is to be seen meanwhile
- `stores`: how the stores stand to each other while they are written to (pure)
- `keeping`: where it stays, whatever ends is started again
- `course`: what happens when
- `proof`: what the stores hold, against what was recorded (pure)
- `summary`: what is printed of that
- `command`: `logboat demo`
"""
