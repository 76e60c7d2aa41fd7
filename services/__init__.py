"""Services: the daemons and the `logboat` command.

The recorder, in the order in which data flows:

- `intake`, `alarms`: decide which samples are recorded, under which number, and when a value is an alarm
  (pure)
- `batch`, `journalfile`, `journal`: one commit, and the file that makes commits durable
- `recording`: numbers samples and commits them
- `windows`, `records`: build the contents of documents (pure)
- `documenter`, `shares`, `retention`, `library`: write documents from the journal; divide scarce space
  between vessels; free space; run all of this on a thread
- `timekeeping`, `machine`, `identity`: the accuracy of the clock and its floor; the board; the ids of the
  log, the boot and the run
- `fleetidentity`: the key that signs boots, if the vessel belongs to a fleet
- `view`, `livestate`, `systemd`, `control`: the state that the recorder publishes, and the socket that
  accepts requests
- `recorder`: the daemon

Shared by all daemons:

- `logs/`: one line for each log record, and copies of errors on the card; `ends`: daemons that exit
  repeatedly
- `loading`, `version`: keep imports cheap, because a slow board needs long to start
- `thresholds`: the limits at which conditions are reported; `processes`: checks whether a process is alive

The mesh:

- `meshing`: the sync daemon; `folderwatch`: notices changes of its identity's files; `clocknote`: stores its
  time floor
- `allowances`: how much each user and vessel may send in a day
- `meshstate`: the state that the sync daemon publishes

After damage:

- `spans`: the range of numbers that a document covers, whatever it contains; retention uses it too
- `storecheck`, `unseen`, `salvage`, `rescue`: find damage and truncated write-ahead logs, read what is still
  readable, and turn it into documents

Configuration:

- `settings`, `settingkeys`, `configuration`: read `logboat.toml` into settings
- `lastgood`, `configcheck`: the configuration that stays in force after a mistake; the report of `config
  check`

Views for people, made from documents and live state:

- `shapes`, `agreement`, `timeline`, `boots`: decode documents; compare clocks; find the time of a sample from
  its boots
- `history`, `current`, `episodes`, `openalarms`: samples, current values, alarms, and the alarms that still
  need attention
- `verify`: finds missing data and the reason for it
- `liveness`, `live`, `livesync`, `livelights`: whether a daemon is alive, and the state published by the
  recorder, the sync daemon and the lights
- `summary`, `present`, `columns`: the text of `status`; formatting for people, on any screen
- `troubles`: the common faults as lights, `status` and doctor show them, and what to do
- `schemas/`: JSON schemas of the output for programs
- `command`, `commands/`: the `logboat` command; `top/`: its live view; `demo/`: the main purpose, end to end;
  `ulid`: ids of notes
"""
