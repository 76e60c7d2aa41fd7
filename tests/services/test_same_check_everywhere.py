"""`config check`, `fleet card` and the boot report the same mistakes in the same words."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from provisioning.bundle import contents
from services.config.readiness import EXAMPLE_HASH, EXAMPLE_SSH_KEY
from tests.net.certificates import NOW
from tests.provisioning import images
from tests.provisioning.bundles import Card, put

from .appliance import Appliance, Outcome, logboat
from .test_command_fleet import north, run

__all__ = ["logboat", "north"]  # fixtures

VESSEL: Final = '[vessel]\nid = "argo"\nname = "SY Argo"\nmmsi = 211234560\n'
SENSORS: Final = '[[sensor]]\nid = "float"\nkind = "switch"\npin = {}\npath = "bilge.main.highWater"\n'
REPLAY: Final = (
    '[[sensor]]\nid = "volts"\nkind = "replay"\nfile = "{}"\npath = "electrical.batteries.1.voltage"\n'
)
ROWS: Final = "time,path,value\n0,electrical.batteries.1.voltage,12.4\n"
OFFICE: Final = '[[gateway]]\nname = "office"\nkind = "couchbase"\nurl = "wss://a.example:4984/x"\n'

Fault = Callable[[Path], object]


def vessel(more: str) -> Fault:
    return lambda place: (place / "vessel.toml").write_text(VESSEL + more)


def sensors(text: str) -> Fault:
    return lambda place: (place / "sensors.toml").write_text(text)


def files(**named: str) -> Fault:
    """Return a function that writes these files. In argument names, `_` stands for `.`, and `__` for `/`."""

    def write(place: Path) -> None:
        for name, text in named.items():
            (place / name.replace("__", "/").replace("_", ".")).write_text(text)

    return write


def both(*faults: Fault) -> Fault:
    def all_of_them(place: Path) -> None:
        for fault in faults:
            fault(place)

    return all_of_them


def in_subfolder(place: Path) -> None:
    (place / "recordings").mkdir()
    (place / "recordings/yacht.csv").write_text(ROWS)
    sensors(REPLAY.format("recordings/yacht.csv"))(place)


SEEN_AT_BOOT: Final[dict[str, tuple[Fault, str]]] = {
    "syntax": (vessel("[network\n"), "vessel.toml:5"),
    "unknown key": (sensors(SENSORS.format(17) + "colour = 1\n"), "sensors.toml:6"),
    "pin of a light": (
        both(vessel("[lights]\npower = 17\n"), sensors(SENSORS.format(17))),
        "17 is used by the power light",
    ),
    "pin of a default light": (sensors(SENSORS.format(5)), "5 is used by the power light"),
    "no password": (
        vessel(f'{OFFICE}user = "a"\npassword_file = "o.password"\n'),
        'gateway "office", password_file: there is no file "o.password" in the same folder',
    ),
    "no certificate of a CA": (
        vessel(f'{OFFICE}ca = "office-ca.pem"\n'),
        'ca: there is no file "office-ca.pem" in the same folder',
    ),
    "no client certificate": (
        vessel(f'{OFFICE}certificate = "office.pem"\nkey = "office.key"\n'),
        'key: there is no file "office.key" in the same folder. Add the file; its name must end with .key',
    ),
    "no session": (vessel(f'{OFFICE}session_file = "o.password"\n'), "session_file: there is no file"),
    "empty password": (
        both(vessel(f'{OFFICE}user = "a"\npassword_file = "o.password"\n'), files(o_password="")),
        "o.password: the file is empty, perhaps because of a power cut while it was written",
    ),
    "empty line before the password": (
        both(vessel(f'{OFFICE}user = "a"\npassword_file = "o.password"\n'), files(o_password="\nsecret\n")),
        'o.password: the first line is empty, but password_file of gateway "office" refers to this line',
    ),
    "CA that is not PEM": (
        both(vessel(f'{OFFICE}ca = "ca.pem"\n'), files(ca_pem="nothing")),
        'ca.pem: this is not a PEM file, as ca of gateway "office" needs it',
    ),
    "empty file that nothing names": (files(spare_pem="\n"), "spare.pem: the file is empty"),
    "no recording": (sensors(REPLAY.format("yacht.csv")), "file yacht.csv does not exist"),
    "recording without rows for the path": (
        both(
            sensors(REPLAY.format("yacht.csv")),
            files(yacht_csv=ROWS.replace("batteries.1", "batteries.2")),
        ),
        "sensors.toml:4",
    ),
    "example of an SSH key": (
        vessel(f'[network]\nssh_keys = ["ssh-ed25519 {EXAMPLE_SSH_KEY} crew@argo"]\n'),
        "this is still the template's example value",
    ),
    "example of a password's hash": (
        vessel(f'[[user]]\nname = "bridge"\npassword_hash = "{EXAMPLE_HASH}"\n'),
        "this is still the template's example value",
    ),
    "empty configuration": (files(vessel_toml=""), "vessel.toml: the file is empty"),
    "no sensor": (sensors("# nothing yet\n"), "no sensor is described"),
    "another id": (
        files(vessel_toml='[vessel]\nid = "argos"\n'),
        'id: the id is "argos", but the certificate is for "argo". Write: id = "argo"',
    ),
    "large recording": (
        lambda place: (place / "long.csv").write_bytes(bytes(17_000_000)),
        "long.csv: the file is larger than 16000 kB",
    ),
    "damaged key": (files(identity__vessel_key="x"), "identity: "),
    "damaged radio key": (
        files(identity__radio_key="short"),
        "radio.key: this is not a valid radio password",
    ),
}
"""Mistakes that are also reported at each boot, each with a part of the message."""
SEEN_ASHORE: Final[dict[str, tuple[Fault, str]]] = {
    "another vessel's MMSI": (
        files(vessel_toml=VESSEL.replace("211234560", "211234561")),
        "mmsi: 211234561 is also the MMSI of brigid, in vessels/brigid/vessel.toml",
    ),
    "another vessel's name": (
        files(vessel_toml=VESSEL.replace("SY Argo", "sy  brigid")),
        'name: "sy  brigid" is also the name of brigid, in vessels/brigid/vessel.toml',
    ),
    "another vessel's id": (
        files(vessel_toml=VESSEL.replace('"argo"', '"brigid"')),
        'id: "brigid" is also the id of brigid, in vessels/brigid/vessel.toml',
    ),
    "no configuration": (
        lambda place: (place / "vessel.toml").unlink(),
        'with the lines [vessel] and id = "argo"',
    ),
    "recording in a subfolder": (in_subfolder, '"recordings/yacht.csv" would not be copied to a card'),
    "password with another extension": (
        both(vessel(f'{OFFICE}user = "a"\npassword_file = "o.txt"\n'), files(o_txt="secret\n")),
        '"o.txt" would not be copied to a card',
    ),
}
"""Mistakes that can be detected only in the fleet's folder."""


@pytest.fixture
def place(logboat: Appliance, north: Path) -> Path:
    """Return argo's folder in a fleet of two vessels, with valid files."""
    run(logboat, "add", north, "argo", "--name", "SY Argo", "--mmsi", "211234560")
    run(logboat, "add", north, "brigid", "--name", "SY Brigid", "--mmsi", "211234561")
    sensors(SENSORS.format(17))(north / "vessels/argo")
    return north / "vessels/argo"


def card_of(logboat: Appliance, place: Path) -> Outcome:
    to = ("--image", str(images.image()), "--to", str(logboat.root / "card.img"), "--yes")
    return run(logboat, "card", place.parent.parent, place.name, *to)


def problems(text: str) -> list[str]:
    """Return the lines that describe problems in the output of a command."""
    rows = (line for line in text.splitlines() if ". " in line.partition(": ")[2])
    return sorted(row for row in rows if not row.startswith("not checked"))


@pytest.mark.parametrize("what", [*SEEN_AT_BOOT, *SEEN_ASHORE])
def test_config_check_and_fleet_card_find_the_same(logboat: Appliance, place: Path, what: str) -> None:
    fault, said = (SEEN_AT_BOOT | SEEN_ASHORE)[what]
    fault(place)
    card = card_of(logboat, place)
    assert (card.status, not (logboat.root / "card.img").exists()) == (1, True)
    assert said in card.err
    expected = problems(card.err.partition("because of these problems:\n")[2])
    assert expected
    both_files = (str(place / "vessel.toml"), str(place / "sensors.toml"))
    for given in ([str(place)], both_files, both_files[:1], both_files[1:]):
        checked = logboat("config", "check", *given)
        assert (checked.status, problems(checked.out)) == (2, expected), given
    whole = logboat("config", "check", str(place.parent.parent))
    assert whole.status == 2
    assert set(expected) <= set(problems(whole.out))


@pytest.mark.parametrize("what", SEEN_AT_BOOT)
def test_boot_finds_the_same_as_config_check(
    logboat: Appliance, place: Path, tmp_path: Path, what: str
) -> None:
    fault, said = SEEN_AT_BOOT[what]
    fault(place)
    (tmp_path / "boot").mkdir()
    card = Card(tmp_path / "boot")
    if what == "large recording":
        shutil.copytree(place, card.fat, dirs_exist_ok=True)
    else:
        put(card.fat, contents.read(place).files)
    found = [problem for problem in card.start(max(NOW, NOW)).problems if problem.text]
    assert any(said.partition(". ")[0].rpartition(": ")[2] in str(problem) for problem in found)
    checked = problems(logboat("config", "check", str(place)).out)
    assert sorted(problem.text for problem in found) == sorted(
        problem.text for problem in found if any(problem.text in line for line in checked)
    )


def test_good_files_are_good_everywhere(logboat: Appliance, place: Path) -> None:
    both(
        vessel(f'{OFFICE}user = "a"\npassword_file = "o.password"\n'),
        files(o_password="secret\n"),
        sensors(SENSORS.format(17) + REPLAY.format("yacht.csv")),
        files(yacht_csv=ROWS),
    )(place)
    checked = logboat("config", "check", str(place))
    assert (checked.status, "not checked" in checked.out) == (0, False)
    assert card_of(logboat, place).status == 0
    whole = logboat("config", "check", str(place.parent.parent))
    assert (whole.status, whole.lines[-1]) == (0, "no sensors are configured, so nothing will be recorded")


def test_expired_certificate_is_reported_by_both(logboat: Appliance, place: Path) -> None:
    logboat.clock.utc += 6 * 365 * 86400
    card, checked = card_of(logboat, place), logboat("config", "check", str(place))
    assert (card.status, checked.status) == (1, 2)
    assert problems(card.err) == problems(checked.out) != []
    assert "logboat fleet renew argo" in checked.out


def test_file_alone_says_what_was_not_checked(logboat: Appliance) -> None:
    config, wired = logboat.root / "alone/vessel.toml", logboat.root / "lone/sensors.toml"
    for path, text in ((config, VESSEL), (wired, SENSORS.format(17))):
        path.parent.mkdir()
        path.write_text(text)
    checked = logboat("config", "check", str(config))
    assert checked.status == 0
    not_checked = [
        (
            "vessel.toml: whether the id matches the vessel's certificate, because this folder contains none"
            " (only vessels of a fleet have one)"
        ),
        "vessel.toml: whether sensors use the pins of lights, because this folder contains no sensors.toml",
    ]
    assert checked.lines[-2:] == [f"not checked: {each}" for each in not_checked]
    assert logboat("config", "check", str(config), "--json").json["notChecked"] == not_checked
    assert "defaults, because this folder has no vessel.toml" in logboat("config", "check", str(wired)).out


def test_mistakes_of_another_vessel_are_said_not_to_be_compared(logboat: Appliance, place: Path) -> None:
    (place.parent / "brigid/vessel.toml").write_text("[vessel\n")
    checked = logboat("config", "check", str(place / "vessel.toml"))
    assert checked.status == 0
    assert "not checked: vessel.toml: whether brigid has the same id, name or MMSI" in checked.out


def test_renamed_folder_of_a_vessel_is_reported(logboat: Appliance, place: Path) -> None:
    moved = place.rename(place.with_name("argo2"))
    checked = logboat("config", "check", str(moved))
    assert checked.status == 2
    assert 'the certificate is for "argo", but the folder is named "argo2"' in checked.out
    assert problems(card_of(logboat, moved).err) == problems(checked.out)


def test_folder_without_configuration_is_reported(logboat: Appliance) -> None:
    (logboat.root / "empty").mkdir()
    checked = logboat("config", "check", str(logboat.root / "empty"))
    assert (checked.status, "neither vessel.toml nor sensors.toml" in checked.out) == (2, True)


def test_files_on_a_card_are_checked_through_its_mount_point(logboat: Appliance, place: Path) -> None:
    card = logboat.root / "bootfs"
    put(card / "logboat", contents.read(place).files)
    (card / "config.txt").write_text("")
    checked = logboat("config", "check", str(card))
    assert problems(checked.out) == []
    (card / "logboat/vessel.toml").write_text(VESSEL.replace('"argo"', '"argos"'))
    checked = logboat("config", "check", str(card))
    assert (checked.status, 'but the certificate is for "argo"' in checked.out) == (2, True)
    (card / "sensors.toml").write_text(SENSORS.format(17))
    assert "because it is beside the folder logboat" in logboat("config", "check", str(card)).out
