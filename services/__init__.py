"""Services: the daemons and the `logboat` command.

The recorder, in the order in which data flows:

- `intake`, `alarms`: which samples are recorded, under which number; when a value is an alarm (pure)
- `batch`, `journalfile`, `journal`: what one commit makes durable, and the file that holds it
- `recording`: numbers samples and commits them
- `windows`, `records`: what documents hold (pure)
- `documenter`, `shares`, `retention`, `library`: follows the journal with documents; whose go when there is
  no room; makes room; the thread that does
- `timekeeping`, `machine`, `identity`: what the clock is worth, and its floor; which board; which log, boot
  and run
- `fleetidentity`: what boots are signed with, if the vessel is of a fleet
- `view`, `livestate`, `systemd`, `control`: what the recorder tells, and how people reach it
- `recorder`: the daemon

What all daemons share:

- `logs/`: one line a record, errors kept; `ends`: which of them end again and again
- `loading`, `version`: what spares a slow board time at a start
- `thresholds`: from when on something is told; `processes`: whether a process lives

The mesh:

- `meshing`: the sync daemon; `folderwatch`: whether its identity's files have changed; `clocknote`: its
  time floor, kept
- `allowances`: how much each user and vessel may bring in a day
- `meshstate`: what it tells of itself

After damage:

- `spans`: which numbers a document stands for, whatever it holds; retention asks it, too
- `storecheck`, `unseen`, `salvage`, `rescue`: what is broken, or cut off a write-ahead log; what can still be
  read of it; documents of that

Configuration:

- `settings`, `settingkeys`, `configuration`: `logboat.toml` into settings
- `lastgood`, `configcheck`: what stays in force after a mistake; what `config check` says

What people look at, from documents and live state:

- `shapes`, `agreement`, `timeline`, `boots`: documents decoded; which clocks agree; when it was, by which
  boots
- `history`, `current`, `episodes`, `openalarms`: samples, values, alarms, those that still need somebody
- `verify`: what is missing, and why
- `liveness`, `live`, `livesync`, `livelights`: whether a daemon lives, and its own word: the recorder's, the
  sync daemon's, the lights'
- `summary`, `present`, `columns`: what `status` says; how things are written for people, on any screen
- `troubles`: the usual ones, with the words of lights, `status` and doctor, and what to do
- `schemas/`: what is written for programs
- `command`, `commands/`: the `logboat` command; `top/`: its live view; `demo/`: the main job, end to end;
  `ulid`: ids of notes
"""
