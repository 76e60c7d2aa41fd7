"""Services: the daemons and the `logboat` command.

The recorder, in the order in which data flows:

- `recorder/`: accepts samples, raises alarms, and makes samples durable
- `journal/`: the recorder's own database, in which samples first become durable
- `clocks/`: the accuracy of the system clock, and boots whose clocks contradict each other
- `documents/`: writes the journal's samples to documents, and removes documents when the card is full
- `mirror/`: second copies of the vessel's own documents
- `recovery/`: checks and repairs the stores after damage

The other daemons, and the parts that all daemons share:

- `syncd/`: the sync daemon, with the mesh and the gateways
- `lights/`: the LEDs and their daemon
- `boot/`: the work that an appliance does at each boot
- `config/`: the configuration files
- `state/`: the states that daemons publish in the run directory
- `logs/`: logging by the daemons
- `system/`: interfaces to the machine: systemd, processes, control sockets

Views for people and programs:

- `history/`: samples, alarms and completeness, read from documents
- `terminal/`, `screens/`: formatting for terminals; the text of `status` and `logboat top`
- `doctor/`, `bundle/`: health checks; the support archive
- `cli/`, `console/`, `schemas/`: the commands of `logboat`, their shared parts, and the JSON schemas of their
  output
- `demo/`: an end-to-end demonstration on one machine: a fleet records and exchanges its data
"""
