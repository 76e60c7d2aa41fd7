"""PROBLEMS.txt lists each file on a card that is probably meant for Logboat but is not used."""

import re
from pathlib import Path

import pytest

from provisioning.image.bootfiles import _HELLO
from provisioning.starter_files import starter_file
from sensors.toml.toml_file import FileProblem
from tests.provisioning.bundles import SENSORS, VESSEL, Card, bundle, put

RENAMED = (
    "this file was not used, because its name is not {0}\n"
    "    Move {0} to another folder. Rename this file to {0}."
)


@pytest.fixture
def argo(tmp_path: Path) -> Card:
    """Return argo's card after its first start. Its first partition is the folder `bootfs`."""
    (tmp_path / "bootfs").mkdir()
    card = Card(tmp_path / "bootfs")
    card.etc, card.inbox = tmp_path / "etc", tmp_path / "inbox"
    put(card.inbox, bundle())
    assert card.start().problems == ()
    (card.fat / "README.txt").write_text(_HELLO)
    for name in ("vessel.toml", "sensors.toml"):
        (card.fat / f"{name}.example").write_text(starter_file(name))
    (card.fat.parent / "autoboot.txt").write_text("[all]\n")
    assert (card.start().problems, card.problems) == ((), "")
    return card


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("sensors.toml.txt", "sensors.toml"),
        ("Sensors.toml.toml", "sensors.toml"),
        ("SENSORS.TOM", "sensors.toml"),
        ("SENSOR~1.TOM", "sensors.toml"),
        ("sensor.toml", "sensors.toml"),
        ("sensors.toml.rtf", "sensors.toml"),
        ("sensors", "sensors.toml"),
        ("VESSEL.TXT", "vessel.toml"),
        ("logboat.toml", "vessel.toml"),
    ],
)
def test_file_with_almost_the_right_name_is_reported(argo: Card, name: str, meant: str) -> None:
    before = argo.force
    (argo.fat / name).write_text(SENSORS.format(27))
    outcome = argo.start()
    assert (outcome.taken, argo.force) == ((), before)
    [problem] = outcome.unused
    assert problem.file.name == name
    assert argo.problems.startswith(
        "Logboat did not use these files on this card. All other files are in use.\n"
    )
    assert f"\n{name.strip()}" in argo.problems
    assert RENAMED.format(meant) in argo.problems
    assert ("File name extensions" in argo.problems) == name.lower().endswith(".txt")
    (argo.fat / name).rename(argo.fat / meant)
    (argo.fat / meant).write_text(
        {"sensors.toml": SENSORS.format(27), "vessel.toml": VESSEL.format("argo", "A")}[meant]
    )
    assert (argo.start().problems, argo.problems) == ((), "")


def test_case_of_a_name_does_not_matter(argo: Card) -> None:
    (argo.fat / "sensors.toml").rename(argo.fat / "Sensors.TOML")
    (argo.fat / "Sensors.TOML").write_text(SENSORS.format(27))
    outcome = argo.start()
    assert (outcome.taken, outcome.problems) == (("sensors.toml",), ())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "office.password.txt",
            "its name does not end with .password\n    Rename this file to office.password.",
        ),
        ("office.pem.txt", "its name does not end with .pem\n    Rename this file to office.pem."),
        ("yacht.csv.txt", "its name does not end with .csv\n    Rename this file to yacht.csv."),
        ("my office.password", "its name contains characters other than letters, digits and -._"),
    ],
)
def test_file_that_a_configuration_cannot_name_is_reported(argo: Card, name: str, said: str) -> None:
    (argo.fat / name).write_text("secret\n")
    argo.start()
    assert f"{name}\n    this file was not used, because {said}" in argo.problems


@pytest.mark.parametrize(
    "name", ["vessel.toml", "SENSORS.TOML", "sensors.toml.txt", "office.password", "bundle.json"]
)
def test_file_beside_the_folder_is_reported(argo: Card, name: str) -> None:
    (argo.fat.parent / name).write_text("x")
    [problem] = argo.start().unused
    said = "this file was not used, because it is beside the folder logboat instead of in logboat"
    assert str(problem) == f"{name}: {said}. Move it into the folder logboat."
    assert said in argo.problems


def test_bundle_beside_the_folder_is_reported(argo: Card) -> None:
    put(argo.fat.parent, bundle("brigid"))
    names = [problem.file.name for problem in argo.start().unused]
    assert names == ["bundle.json", "identity", "sensors.toml", "vessel.toml"]
    assert "this folder was not used, because it is beside the folder logboat" in argo.problems


def test_folder_in_the_folder_is_reported(argo: Card) -> None:
    (argo.fat / "logboat").mkdir()
    (argo.fat / "logboat/sensors.toml").write_text(SENSORS.format(27))
    argo.start()
    assert "because it is in logboat/logboat instead of in logboat" in argo.problems
    put(argo.fat / "logboat", bundle())
    argo.start()
    assert argo.problems.count("logboat/logboat") == 1
    assert "the bundle is in a subfolder" in argo.problems


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wpa_supplicant.conf", "Logboat reads its networks from vessel.toml\n    Write below [network]"),
        ("userconf.txt", "people log in with SSH keys\n    Write your public key below [network]"),
        ("userconf", "people log in with SSH keys"),
        ("wpa_supplicant.conf.txt", "Logboat reads its networks from vessel.toml"),
        ("custom.toml.txt", "its name is not custom.toml\n    Rename this file to custom.toml."),
        ("network-config.txt", "its name is not network-config\n    Rename this file to network-config."),
    ],
)
def test_file_of_raspberry_pi_os_is_reported(argo: Card, name: str, said: str) -> None:
    (argo.fat.parent / name).write_text("")
    assert len(argo.start().unused) == 1
    assert f"{name}\n    this file was not used, because {said}" in argo.problems


@pytest.mark.parametrize("name", ["custom.toml", "network-config", "user-data", "firstrun.sh"])
def test_empty_file_of_raspberry_pi_imager_is_explained_but_is_not_a_fault(argo: Card, name: str) -> None:
    (argo.fat.parent / name).write_text("")
    outcome = argo.start()
    assert (outcome.problems, outcome.unused) == ((), ())
    assert f"{name}\n    this file is empty, so it has no effect\n    Write it again" in argo.problems


@pytest.mark.parametrize("name", ["ssh", "ssh.txt"])
def test_file_that_enables_ssh_is_explained_but_is_not_a_fault(argo: Card, name: str) -> None:
    (argo.fat.parent / name).write_text("")
    outcome = argo.start()
    assert (outcome.problems, outcome.unused) == ((), ())
    assert f"{name}\n    this file has no effect, because SSH is always enabled\n    Delete" in argo.problems
    (argo.fat.parent / name).unlink()
    argo.start()
    assert argo.problems == ""


@pytest.mark.parametrize(
    "name", ["vessel.toml", "sensors.toml", "office.password", "office.pem", "yacht.csv"]
)
def test_empty_file_is_reported(argo: Card, name: str) -> None:
    (argo.fat / name).write_bytes(b"")
    assert len(argo.start().problems) == 1
    assert argo.problems.startswith("Logboat could not apply the files on this card.\n")
    assert f"{name}\n" in argo.problems
    assert "Write the file again" in argo.problems or "Add a [[sensor]]" in argo.problems


def test_identity_of_another_vessel_is_reported(argo: Card, tmp_path: Path) -> None:
    before = argo.force
    other = {name: each for name, each in bundle("brigid", number=7).items() if name.startswith("identity/")}
    put(argo.fat, other)
    assert argo.start().taken == ()
    assert argo.force == before
    assert "identity\n    the identity belongs to fleet 'north'" in argo.problems


def test_backups_and_other_peoples_files_are_not_reported(argo: Card) -> None:
    for name in (
        *("sensors.toml~", "sensors.toml.bak", "sensors.toml.old", "sensors (1).toml", "sensors-2024.toml"),
        *("._sensors.toml", ".sensors.toml.swp", "notes.txt", "photo.jpg", "vessel.pdf", "PROBLEMS.txt~"),
    ):
        (argo.fat / name).write_text("x")
        (argo.fat.parent / name).write_text("x")
    assert (argo.start().problems, argo.problems) == ((), "")


def test_unused_files_are_listed_after_the_mistakes(argo: Card) -> None:
    (argo.fat / "sensors.toml").write_text(SENSORS.format(5))
    (argo.fat / "vessel.txt").write_text("x")
    (argo.fat.parent / "ssh").write_text("")
    argo.start()
    rows = argo.problems.splitlines()
    assert rows[0] == "Logboat could not apply the files on this card."
    either = rows.index("Logboat did not use these files either.")
    assert [row for row in rows[either:] if row and row[0] != " "][1:3] == ["vessel.txt", "ssh"]


def test_card_without_its_folder_is_examined_too(argo: Card) -> None:
    for path in argo.fat.iterdir():
        path.unlink()
    argo.fat.rmdir()
    (argo.fat.parent / "sensors.toml").write_text(SENSORS.format(27))
    argo.start()
    assert "beside the folder logboat" in argo.problems


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPeJZTmR1Ka0SbjVXKvnvGmnFm8Wkh2lbpBEjTFgp0H skipper@laptop"


def follow(card: Card, problem: FileProblem) -> None:
    """Do exactly what a problem's remedy says. `…` in the remedy stands for a value of the user's own."""
    remedy = problem.remedy
    while remedy:
        if match := re.match(r"Move (\S+) to another folder\. ?", remedy):
            (problem.file.parent / match[1]).rename(card.fat.parent.parent / match[1])
        elif match := re.match(r"Rename this file to (\S+)\.(?: Windows .*)?$", remedy):
            problem.file.rename(problem.file.parent / match[1])
        elif match := re.match(r"Rename it, here and in the configuration\.", remedy):
            problem.file.rename(problem.file.parent / problem.file.name.replace(" ", "-"))
        elif match := re.match(r"Move it into the folder (\S+)\.", remedy):
            problem.file.rename(card.fat.parent / match[1] / problem.file.name)
        elif match := re.match(r"Write below \[network\] in (\S+): (.*) and (.*)\. ", remedy):
            lines = f"{match[2]}\n{match[3]}".replace(
                'ssid = "…", password = "…"', "ssid = 'a', password = 'secret 99'"
            )
            with (card.fat.parent / match[1]).open("a") as file:
                file.write(f"[network]\n{lines}\n")
        elif match := re.match(r"Write your public key below \[network\] in (\S+): (.*)\. ", remedy):
            with (card.fat.parent / match[1]).open("a") as file:
                file.write(f"[network]\n{match[2].replace('…', KEY)}\n")
        elif match := re.match(r"Then delete this file\.", remedy):
            problem.file.unlink()
        else:
            pytest.fail(f"nobody can follow {remedy!r}")
        remedy = remedy[match.end() :]


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("logboat/sensors.toml.txt", SENSORS.format(27)),
        ("logboat/SENSORS.TOM", SENSORS.format(27)),
        ("logboat/vessel.txt", VESSEL.format("argo", "Argo")),
        ("logboat/logboat.toml", VESSEL.format("argo", "Argo")),
        ("logboat/office.password.txt", "secret\n"),
        ("logboat/my office.password", "secret\n"),
        ("logboat/logboat/sensors.toml", SENSORS.format(27)),
        ("sensors.toml", SENSORS.format(27)),
        ("vessel.toml", VESSEL.format("argo", "Argo")),
        ("wpa_supplicant.conf", "network={}\n"),
        ("userconf.txt", "pi:x\n"),
        ("custom.toml.txt", 'config_version = 1\n[system]\nhostname = "argo"\n'),
    ],
)
def test_remedy_in_the_message_about_an_unused_file_leads_to_a_good_card(
    argo: Card, place: str, text: str
) -> None:
    (argo.fat / "vessel.toml").write_text(VESSEL.format("argo", "Argo"))
    (argo.fat / "sensors.toml").write_text(SENSORS.format(17))
    assert argo.start().problems == ()
    path = argo.fat.parent / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    [problem] = argo.start().unused
    follow(argo, problem)
    outcome = argo.start()
    assert (outcome.problems, outcome.unused, argo.problems) == ((), (), "")
