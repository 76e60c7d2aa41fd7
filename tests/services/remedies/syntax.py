"""Mistakes that make a file invalid TOML, and mistakes in the name or position of a key."""

from .cases import Case

ALARM = 'alarm = { when = "active", for = "10 s", severity = "alarm", text = "Water" }'
SPLIT = ALARM.replace(", for", ",\n  for")
TWO = f'{ALARM}\nalarm = {{ when = "inactive", severity = "warn" }}'
LIST = f'alarm = [{ALARM.removeprefix("alarm = ")}, {{ when = "inactive", severity = "warn" }}]'
HEADER = '[[sensor.alarm]]\nwhen = "active"\nseverity = "alarm"'
WIFI = 'wifi = [{ ssid = "marina", password = "correct horse", hidden = true }]'
ETHERNET = 'ethernet = { address = "192.168.1.10/24", gateway = "192.168.1.1" }'
NBSP = "\N{NO-BREAK SPACE}"

SYNTAX = [
    Case(ALARM, TWO, LIST),
    Case(ALARM, SPLIT),
    Case(ALARM, ALARM.replace(" }", ", }")),
    Case(ALARM, ALARM.replace(" }", "")),
    Case(ALARM, ALARM.replace(" }", ', severity = "warn" }')),
    Case("pin = 17", "pin = GPIO17"),
    Case("pin = 17", "pin 17"),
    Case("pin = 17", "pin: 17"),
    Case("pin = 17", f"pin ={NBSP}17"),
    Case("pin = 17", "pin = 17;"),
    Case("pin = 17", "pin = 17\npin = 17"),
    Case("pin = 17", "pin = 17\n// the float", "pin = 17\n# the float"),
    Case('kind = "switch"', "kind = switch"),
    Case('kind = "switch"', "kind = «switch»"),
    Case('kind = "switch"', "kind = ''switch''"),
    Case('kind = "switch"', 'kind = "switch'),
    Case('kind = "switch"', "kind = 'switch", "kind = 'switch'"),
    Case('kind = "switch"', 'kind = """switch"'),
    Case('kind = "switch"', 'kind = "switch" a float', 'kind = "switch" # a float'),
    Case('debounce = "50 ms"', "debounce = 50 ms"),
    Case('debounce = "50 ms"', "debounce = 50 msec"),
    Case('debounce = "50 ms"', "debounce = 50,5 ms", 'debounce = "50.5 ms"'),
    Case("valid = [0.5, 2.9]", "valid = [0.5, 2.9"),
    Case("pulses_per_unit = 12", "pulses per_unit = 12"),
    Case("pulses_per_unit = 12", "pulses_per_unit = 12,5", "pulses_per_unit = 12.5"),
    Case("pulses_per_unit = 12", "pulses_per_unit = 1,200", "pulses_per_unit = 1200"),
    Case("address = 0x76", "address = 0X76"),
    Case(WIFI, WIFI.replace("true", "True")),
    Case(WIFI, WIFI.replace('"correct horse"', "12345678,9"), WIFI.replace("correct horse", "12345678,9")),
    Case("[vessel]", "[vessel"),
    Case("[vessel]", "[?vessel]"),
    Case("[[gateway]]", "[[gateway]"),
    Case("[listener]", "[listener]\n[listener]"),
    Case('name = "Argo"', 'name = "C:\\argo"', "name = 'C:\\argo'"),
    Case('name = "Argo"', 'name = "C:\\users"', "name = 'C:\\users'"),
    Case('name = "Argo"', 'name = "Ar\x07go"', chosen="Argo"),
    Case('name = "Argo"', "name = 2026-02-30", 'name = "2026-02-30"'),
    Case(
        ETHERNET,
        f'{ETHERNET}\nethernet.dns = ["192.168.1.1"]',
        ETHERNET.replace(" }", ', dns = ["192.168.1.1"] }'),
        chosen="dns",
    ),
]
"""Mistakes that make a file invalid TOML."""

KEYS = [
    Case("pin = 17", "pni = 17"),
    Case("pin = 17", "Pin = 17"),
    Case("pin = 17", "# pin"),
    Case("pin = 17", 'pin = 17\nvolume = "50 l"', "pin = 17"),
    Case("pin = 17", 'pin = 17\nrate = "5 Hz"', "pin = 17"),
    Case("pin = 17", "pin = 17\nno_sensors = true", "pin = 17"),
    Case(ALARM, 'severity = "alarm"\n' + ALARM.replace('severity = "alarm", ', "")),
    Case(ALARM, ALARM.replace('severity = "alarm", ', "")),
    Case(ALARM, ALARM.replace('when = "active", ', "")),
    Case(ALARM, ALARM.replace('when = "active"', "above = 1"), chosen="active"),
    Case(ALARM, ALARM.replace(" }", ", pin = 17 }")),
    Case(ALARM, HEADER.replace("[[sensor.alarm]]", "[alarm]"), HEADER),
    Case(ALARM, HEADER.replace("[[sensor.alarm]]", "[[alarm]]"), HEADER),
    Case(ALARM, f"{ALARM}\n[lights]\npower = 0", ALARM),
    Case('[[sensor]]\nid = "bilge-float"', 'id = "bilge-float"\n[[sensor]]'),
    Case("pulses_per_unit = 12", "# none"),
    Case("pulses_per_unit = 12", "pulses-per-unit = 12"),
    Case("poles = 12", "pols = 12"),
    # the vessel's configuration
    Case("[mesh]", "[Mesh]"),
    Case("[retention]", "[[retention]]"),
    Case("[[gateway]]", "[gateway]"),
]
"""Mistakes in the name or position of a key."""
