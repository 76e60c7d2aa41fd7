"""The recorder: the daemon that writes samples to durable batches and documents.

`daemon` starts the components. `acceptance` numbers a sensor's samples, and passes them to the sensor's alarm
rules (`services.alarms.rules`). `rules` reconstructs the state of those rules after a restart. `group_commit`
makes samples durable. `floor_store` stores the time floor between runs. `writer_thread` owns the document
store. `ended_alarms` clears the alarms of earlier logs in that store. `log_identity` determines the ids of
the log and boot, and `disk_budget` reserves space on the card. `state_writer` writes the live state, and
`durability_feed` reports each durable sample to tests.
"""
