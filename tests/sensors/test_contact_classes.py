"""In Home Assistant, a contact has the device class that the contact's Signal K path implies."""

import pytest

from sensors import signalk_paths
from sensors.contact_classes import contact_class

CLASSES = {
    *("battery_charging", "carbon_monoxide", "door", "gas", "moisture", "motion", "opening", "power"),
    *("problem", "running", "smoke", "tamper", "vibration", "window"),
}
"""Device classes of binary sensors in Home Assistant's documentation that fit an active contact."""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("bilge.main.highWater", "moisture"),
        ("bilge.main.pump.state", "running"),
        ("propulsion.main.state", "running"),
        ("propulsion.main.waterInFuel", None),
        ("security.hatch.state", "opening"),
        ("security.saloonSmoke.state", "smoke"),
        ("security.companionway-door.state", "door"),
        ("security.engineRoom.state", "opening"),
        ("security.galley.gas.state", "gas"),
        ("security.CO.state", "carbon_monoxide"),
        ("electrical.ac.shore.available", "power"),
        ("electrical.chargers.1.charging", "battery_charging"),
        ("tanks.freshWater.main.empty", None),
        ("notifications.engine", "problem"),
        ("notifications.fire", "smoke"),
        ("a.b", None),
        ("", None),
    ],
)
def test_path_implies_a_device_class(path: str, expected: str | None) -> None:
    assert contact_class(path) == expected


@pytest.mark.parametrize(
    "path", [path for path, meta in signalk_paths.TABLE.items() if meta.units == signalk_paths.CONTACT]
)
def test_every_known_path_of_a_contact_has_a_device_class(path: str) -> None:
    assert contact_class(path.replace("*", "main")) in CLASSES
