"""The phases of alarms, and which alarms are audible."""
