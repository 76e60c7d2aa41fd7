"""The demo: a simulated fleet on one machine, with real processes, files and TLS.

Each vessel has a recorder and a sync daemon. The vessels find each other over the loopback interface, record
readings, and replicate them to each other. One vessel has no network for a while, and only one vessel has a
link to the shore. At the end, the demo proves, from the stores alone, that all stores have the same content
and that no sample is missing. It also proves that the stores contain all samples that the recorders reported
as durable, and that all documents have arrived ashore.

Modules, in the order in which they are needed:

- `vessel_sensors`: the sensors of the demo's vessels, and the recording that the first vessel plays
- `vessel`: one vessel's files and processes
- `fleet`: names, identities and addresses of all vessels
- `shore`: an office and a broker, to which one vessel has a link
- `progress`: the output while the demo runs
- `store_differences`: compares stores while they are being written
- `supervisor`: restarts daemons that exit, in a demo that keeps running
- `scenario`: the sequence of events
- `proof`: compares the stores with what was recorded
- `summary`: prints the result of the proof
- `command`: implements `logboat demo`
"""
