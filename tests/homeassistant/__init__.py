"""A real Home Assistant, with its MQTT integration, shows a vessel of real daemons and a real broker."""
