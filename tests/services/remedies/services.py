"""Mistakes in the services that fall due."""

from .cases import Case

IMPELLER = 'name = "Pump impeller"\nsensor = "pump-hours"'
EVERY = 'every = "250 h"\nor_every = "12 months"'
WARN = 'warn_before = "25 h"'
PARTS = 'text = "Impeller 09-1027B"'
RIGGING = 'every = "5 years"'
LAST = "last_done = 2026-05-14"

SERVICES = [
    # the id
    Case('name = "Standing rigging"', 'name = "Standing rigging', 'name = "Standing rigging"'),
    Case('id = "rigging"', 'id = "pump-impeller"', 'id = "rigging"', chosen="rigging"),
    Case(
        'id = "rigging"\nname = "Standing rigging"',
        'name = "Τεστ"',
        'name = "Τεστ"\nid = "engine-oil"',
        at='name = "Τεστ"',
    ),
    # intervals
    Case(RIGGING, "", 'every = "12 months"', at="[[service]]"),
    Case(RIGGING, "every = 5", 'every = "5 days"'),
    Case(RIGGING, 'every = "yearly"', 'every = "12 months"'),
    Case(RIGGING, 'every = "5 yers"'),
    Case(RIGGING, 'every = "5 kg"', 'every = "5 years"'),
    Case(RIGGING, 'every = "0.5 years"', 'every = "182 days"', chosen="182"),
    Case(RIGGING, 'every = "0 days"', 'every = "1 day"'),
    Case(RIGGING, 'every = "50 years"', 'every = "20 years"'),
    Case(RIGGING, "months = 12", 'every = "12 months"'),
    Case(EVERY, 'hours = 250\nor_every = "12 months"', EVERY),
    Case(EVERY, 'every = "250 h"\nor_every = "500 h"', EVERY),
    Case(EVERY, 'every = "6 months"\nor_every = "12 months"', 'every = "6 months"\nor_every = "250 h"'),
    # the sensor that counts
    Case(IMPELLER, 'name = "Pump impeller"', IMPELLER, at="[[service]]", chosen='= "pump-hours"'),
    Case(IMPELLER, IMPELLER.replace("hours", "huors"), IMPELLER),
    Case(IMPELLER, IMPELLER.replace("hours", "starts"), IMPELLER),
    Case(IMPELLER, IMPELLER.replace("pump-hours", "coolant"), IMPELLER),
    Case(RIGGING, f'{RIGGING}\nsensor = "pump-hours"', RIGGING),
    # the warning and the last service
    Case(WARN, 'warn_before = "250 h"', 'warn_before = "249 h"', chosen="249"),
    Case(WARN, 'warn_before = "12 months"', 'warn_before = "11 months"', chosen="11"),
    Case(f"{RIGGING}\n{LAST}", f'{RIGGING}\nwarn_before = "25 h"', f'{RIGGING}\nwarn_before = "30 days"'),
    Case(
        f"{EVERY}\n{WARN}",
        'every = "250 h"\nwarn_before = "30 days"',
        f'every = "250 h"\n{WARN}',
    ),
    Case(LAST, 'last_done = "14.05.2026"', LAST),
    # keys of a sensor
    Case(PARTS, 'description = "Impeller 09-1027B"', PARTS),
    Case(PARTS, f'{PARTS}\nkind = "service"', PARTS),
    Case(PARTS, f'{PARTS}\npath = "bilge.main.pump"', PARTS),
    Case(PARTS, f'{PARTS}\nseverity = "warn"', PARTS),
    Case(PARTS, f'{PARTS}\nalarm = {{ when = "active", severity = "warn" }}', PARTS),
]
"""Mistakes in the keys of `[[service]]`."""
