"""The phases of alarms, their silences, and which alarms are audible."""
