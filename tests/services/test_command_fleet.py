"""The commands `logboat fleet …` create a fleet's folder and the identities of its vessels."""

import io
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioning.folder import FleetFolder, WrittenCard
from sync.fleet import identity_files, users
from tests.net.certificates import NOW

from .appliance import Appliance, Outcome, logboat

__all__ = ["logboat"]  # a fixture

PASSPHRASE = "four words and more"


@pytest.fixture
def north(logboat: Appliance) -> Path:
    """Return the folder of a fleet, whose passphrase is in a file beside the folder."""
    (logboat.root / "passphrase").write_text(PASSPHRASE + "\n")
    folder = logboat.root / "north"
    assert run(logboat, "init", folder, "--name", "north").status == 0
    return folder


def run(logboat: Appliance, action: str, folder: Path, *more: str) -> Outcome:
    return logboat("fleet", action, str(folder), *more, "--passphrase-file", str(logboat.root / "passphrase"))


def test_fleet_is_created_and_a_vessel_added(logboat: Appliance, north: Path) -> None:
    added = run(logboat, "add", north, "argo", "--name", "SY Argo", "--mmsi", "211234560")
    place = north / "vessels/argo/identity"
    assert (added.status, added.err) == (0, "")
    assert added.lines[0].startswith("argo added to fleet north, valid until ")
    assert added.lines[1] == f"next: describe the vessel in vessel.toml and sensors.toml in {place.parent}"
    assert added.lines[2] == f"then: logboat fleet card {north} argo --image IMAGE --to DEVICE"
    assert added.lines[3] == f"or manually: copy {place} to its appliance, as /etc/logboat/identity"
    assert identity_files.load(place).vessel == "argo"
    listed = logboat("fleet", "list", str(north))
    assert listed.lines[1].split() == ["vessel", "name", "MMSI", "expires", "certificate", "card"]
    assert listed.lines[2].split()[:4] == ["argo", "SY", "Argo", "211234560"]


def test_lost_folder_is_restored_from_its_backup(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    packed, again = logboat.root / "north.backup", logboat.root / "again"
    made = run(logboat, "backup", north, "--to", str(packed))
    assert made.lines[0].startswith(f"fleet north saved to {packed}, encrypted with its passphrase (")
    assert packed.stat().st_mode & 0o777 == 0o600
    restored = run(logboat, "restore", again, "--from", str(packed))
    assert restored.lines == [f"fleet north restored in {again}: argo"]
    assert run(logboat, "add", again, "brigid").status == 0
    taken = run(logboat, "restore", north, "--from", str(packed))
    assert taken.status == 1
    assert taken.err.endswith("this path already exists and is not an empty folder; specify a new folder\n")
    missing = run(logboat, "restore", logboat.root / "other", "--from", "nowhere")
    assert missing.status == 1
    assert "nowhere" in missing.err


def test_new_radio_key_is_not_given_to_a_revoked_vessel(logboat: Appliance, north: Path) -> None:
    for vessel in ("argo", "brigid"):
        run(logboat, "add", north, vessel)
    before = (north / "radio.key").read_bytes()
    told = run(logboat, "revoke", north, "argo")
    assert f"to change the radio key: logboat fleet rekey {north}" in told.out
    said = run(logboat, "rekey", north, "--now")
    assert said.status == 0
    assert said.lines[:2] == [
        "the radio of fleet north has a new key, for 1 vessel",
        "argo is revoked and does not receive the new key",
    ]
    assert "restart logboat-networks logboat-radio" in said.out
    after = (north / "vessels/brigid/identity/radio.key").read_bytes()
    assert after != before
    assert (north / "vessels/argo/identity/radio.key").read_bytes() == before


def test_next_radio_key_is_used_in_two_weeks_or_at_a_given_time(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    before = (north / "vessels/argo/identity/radio.key").read_bytes()
    said = run(logboat, "rekey", north)
    later = datetime.fromtimestamp(logboat.clock.utc, UTC) + timedelta(days=14)
    assert said.lines[0] == (
        f"the radio of fleet north gets a new key on {later:%Y-%m-%d %H:%M} UTC, for 1 vessel"
    )
    assert str(north / "radio-key.json") in said.lines[1]
    assert (north / "vessels/argo/identity/radio.key").read_bytes() == before
    assert (north / "vessels/argo/identity/radio-key.json").exists()
    told = run(logboat, "rekey", north, "--from", "2999-05-15T12:00+02:00", "--json").json
    assert (told["number"], told["from"], told["vessels"]) == (2, "2999-05-15T10:00:00Z", ["argo"])
    for wrong in ("tomorrow", "2026-13-01", "0001-01-01T00:00+14:00"):
        refused = run(logboat, "rekey", north, "--from", wrong)
        assert (refused.status, "--from" in refused.err) == (2, True)
    both = run(logboat, "rekey", north, "--from", "2999-01-01", "--now")
    assert (both.status, "not allowed with" in both.err) == (2, True)
    logboat.secrets = ["the wrong one"]
    wrong_one = logboat("fleet", "rekey", str(north))
    assert (wrong_one.status, "the passphrase is wrong" in wrong_one.err) == (1, True)
    assert run(logboat, "rekey", north, "--json").json["number"] == 3


def test_revoked_and_renewed_vessels_are_shown_in_the_list(logboat: Appliance, north: Path) -> None:
    for vessel in ("argo", "brigid"):
        run(logboat, "add", north, vessel)
    revoked = run(logboat, "revoke", north, "argo", "--reason", "card stolen", "--json")
    assert (revoked.json["vessel"], revoked.json["number"]) == ("argo", 1)
    found = logboat("fleet", "list", str(north), "--json").json
    assert found["vessels"][0]["standing"].endswith("(card stolen)")
    assert found["vessels"][1]["standing"].startswith("valid for ")
    assert identity_files.load(north / "vessels/brigid/identity").trust.revocations.number == 1
    renewed = run(logboat, "renew", north, "argo", "--json").json
    found = logboat("fleet", "list", str(north), "--json").json
    assert [c["current"] for c in found["vessels"][0]["certificates"]] == [True, False]
    assert found["vessels"][0]["certificates"][0]["serial"] == renewed["serial"]


def test_renewal_is_advised_for_a_certificate_that_expires_soon(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    logboat.clock.utc += 1750 * 86_400
    assert logboat("fleet", "list", str(north)).lines[-1].endswith("valid for 74 days: renew it  none yet")
    logboat.clock.utc += 100 * 86_400
    assert logboat("fleet", "list", str(north)).lines[-1].endswith("EXPIRED: renew it  none yet")


def test_passphrase_is_requested_twice_for_a_new_fleet(logboat: Appliance) -> None:
    folder = logboat.root / "south"
    logboat.secrets = [PASSPHRASE, "another"]
    made = logboat("fleet", "init", str(folder), "--name", "south")
    assert (made.status, made.err) == (2, "logboat: the two entries differ; nothing was changed\n")
    assert not folder.exists()
    logboat.secrets = [PASSPHRASE, PASSPHRASE]
    assert logboat("fleet", "init", str(folder), "--name", "south").status == 0
    logboat.secrets = ["the wrong one"]
    wrong = logboat("fleet", "add", str(folder), "argo")
    assert wrong.status == 1
    assert "the passphrase is wrong" in wrong.err
    logboat.secrets = [PASSPHRASE]
    assert logboat("fleet", "add", str(folder), "argo").status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["init", "north", "--name", "north"], 1, "not an empty folder"),
        (["init", "new", "--name", "North"], 2, "is not a valid fleet name"),
        (["init", "new"], 2, "--name"),
        (["add", "north", "Argo"], 2, "is not a valid vessel name"),
        (["add", "north", "argo", "--mmsi", "12"], 2, "nine digits"),
        (["add", "north", "argo", "--name", "a\x07b"], 2, "printable"),
        (["add", "nowhere", "argo"], 1, "logboat fleet init"),
        (["renew", "north", "argo"], 2, "no vessel 'argo'; its vessels: none"),
        (["revoke", "north", "argo"], 2, "no vessel 'argo'"),
        (["list", "nowhere"], 1, "logboat fleet init"),
    ],
)
def test_mistakes_are_reported_before_a_passphrase_is_requested(
    logboat: Appliance, north: Path, arguments: list[str], status: int, why: str
) -> None:
    action, folder, *more = arguments
    done = logboat("fleet", action, str(logboat.root / folder), *more)
    assert done.status == status
    assert why in done.err


def test_short_passphrase_is_refused(logboat: Appliance) -> None:
    (logboat.root / "passphrase").write_text("short")
    made = run(logboat, "init", logboat.root / "south", "--name", "south")
    assert (made.status, "12 characters" in made.err) == (2, True)


def test_password_is_hashed(logboat: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("harbour-master\n"))
    made = logboat("fleet", "password")
    assert made.status == 0
    assert users.verify(made.out.strip(), "harbour-master")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert logboat("fleet", "password").status == 2


def test_passphrase_is_requested_without_echo_at_a_terminal(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = [str(Path(sys.executable).with_name("logboat")), "fleet", "init", str(tmp_path / "north")]
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command, "--name", "north"], stdin=theirs, stdout=subprocess.PIPE
    ) as process:
        os.close(theirs)
        shown = b""
        for prompt in (b"root key: ", b"Repeat it: "):
            while not shown.endswith(prompt):
                shown += os.read(ours, 1000)
            os.write(ours, PASSPHRASE.encode() + b"\n")
        assert process.stdout is not None
        said = process.stdout.read()
        process.wait(60)
    os.close(ours)
    assert PASSPHRASE.encode() not in shown
    assert process.returncode == 0, said
    assert (tmp_path / "north/fleet.key").exists()


def test_vessel_with_the_name_or_mmsi_of_another_is_not_added(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo", "--name", "SY Argo", "--mmsi", "211234560")
    other = "vessels/argo/vessel.toml"
    for arguments, said in (
        (("--mmsi", "211234560"), f"211234560 is also the MMSI of argo, in {other}"),
        (("--name", "sy argo"), f'"sy argo" is also the name of argo, in {other}'),
        (("--name", "MY Argo"), None),
    ):
        added = run(logboat, "add", north, "brigid", *arguments, "--json")
        assert (added.status, (north / "vessels/brigid").exists()) == ((1, False) if said else (0, True))
        assert (said or "") in added.err
    again = run(logboat, "add", north, "argo")
    assert (again.status, "argo already belongs to fleet 'north'" in again.err) == (1, True)


def test_vessel_is_added_although_the_file_of_another_contains_mistakes(
    logboat: Appliance, north: Path
) -> None:
    run(logboat, "add", north, "argo")
    (north / "vessels/argo/vessel.toml").write_text("[vessel\n")
    added = run(logboat, "add", north, "brigid", "--mmsi", "211234560")
    assert added.status == 0
    assert f"not compared with argo, because {north}/vessels/argo/vessel.toml contains mistakes" in added.err
    listed = logboat("fleet", "list", str(north))
    assert (listed.status, f"logboat config check {north}/vessels/argo" in listed.lines[-1]) == (0, True)
    assert run(logboat, "revoke", north, "argo").status == 0


def test_vessel_added_by_mistake_is_removed_and_its_files_are_kept(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    run(logboat, "add", north, "brigd", "--mmsi", "211234560")
    key = (north / "vessels/brigd/identity/vessel.key").read_bytes()
    logboat.answers = ["no"]
    assert run(logboat, "remove", north, "brigd").err.endswith("nothing was removed\n")
    logboat.answers = ["yes"]
    removed = run(logboat, "remove", north, "brigd")
    assert removed.status == 0
    place = next((north / "removed").iterdir())
    assert removed.lines[:2] == [
        f"brigd was removed from fleet north; its files are in {place}",
        "revoked 1 certificate of brigd: revocation list number 1",
    ]
    assert (place / "identity/vessel.key").read_bytes() == key
    listed = logboat("fleet", "list", str(north), "--json").json
    assert ([vessel["id"] for vessel in listed["vessels"]], listed["revocations"]) == (["argo"], 1)
    assert identity_files.load(north / "vessels/argo/identity").trust.revocations.number == 1
    assert run(logboat, "add", north, "brigid", "--mmsi", "211234560").status == 0
    for number in (2, 3):  # the same id again, on the same day
        assert run(logboat, "add", north, "brigd").status == 0
        assert run(logboat, "remove", north, "brigd", "--yes").status == 0
        assert (north / "removed" / f"{place.name}-{number}/vessel.toml").is_file()
    assert run(logboat, "backup", north, "--to", str(logboat.root / "b")).status == 0
    restored = run(logboat, "restore", logboat.root / "n", "--from", str(logboat.root / "b"))
    assert restored.lines == [f"fleet north restored in {logboat.root / 'n'}: argo, brigid"]
    assert (logboat.root / "n/removed" / place.name / "identity/vessel.key").read_bytes() == key


def test_vessel_with_a_card_is_removed_only_after_its_certificate_was_revoked(
    logboat: Appliance, north: Path
) -> None:
    run(logboat, "add", north, "argo")
    serial = logboat("fleet", "list", str(north), "--json").json["vessels"][0]["certificates"][0]["serial"]
    FleetFolder(north).note_card("argo", WrittenCard(serial, NOW, "/dev/sdb"))
    refused = run(logboat, "remove", north, "argo", "--yes")
    assert refused.status == 1
    assert "argo has a card, written on 2026-05-01 (/dev/sdb)" in refused.err
    assert refused.err.endswith(f"first revoke its certificates: logboat fleet revoke {north} argo\n")
    assert run(logboat, "revoke", north, "argo").status == 0
    removed = logboat("fleet", "remove", str(north), "argo", "--yes")  # needs no passphrase
    assert (removed.status, len(removed.lines)) == (0, 1)
    unknown = run(logboat, "remove", north, "argo", "--yes")
    assert (unknown.status, "has no vessel 'argo'; its vessels: none" in unknown.err) == (2, True)


def test_interrupted_removal_is_completed_by_the_same_command(
    logboat: Appliance, north: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(logboat, "add", north, "argo")
    with monkeypatch.context() as patched:
        patched.setattr("provisioning.removal._free", lambda *_: north / "fleet.pem/x")
        assert run(logboat, "remove", north, "argo", "--yes").status == 1
    assert (north / "vessels/argo/vessel.toml").is_file()
    assert run(logboat, "remove", north, "argo", "--yes").status == 0
    assert logboat("fleet", "list", str(north), "--json").json["vessels"] == []


def _lose(north: Path, names: tuple[str, ...]) -> None:
    for name in names:
        path = north / "vessels/argo" / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@pytest.mark.parametrize("lost", [("identity/vessel.pem",), ("identity", "certificates")])
def test_vessel_without_a_certificate_does_not_hide_the_others_and_can_be_renewed(
    logboat: Appliance, north: Path, lost: tuple[str, ...]
) -> None:
    for vessel in ("argo", "brigid"):
        assert run(logboat, "add", north, vessel).status == 0
    _lose(north, lost)
    listed = logboat("fleet", "list", str(north))
    assert "issue a new certificate with `logboat fleet renew`" in listed.out
    assert "brigid" in listed.out
    assert "not finished" not in listed.out
    assert run(logboat, "add", north, "cygnet").status == 0
    assert run(logboat, "revoke", north, "cygnet").status == 0
    assert run(logboat, "renew", north, "argo").status == 0
    listed = logboat("fleet", "list", str(north))
    assert listed.out.count("valid for") == 2
    current = identity_files.load(north / "vessels/argo/identity")
    assert current.trust.revocations.number == 1


def test_vessel_without_a_certificate_is_removed(logboat: Appliance, north: Path) -> None:
    assert run(logboat, "add", north, "argo").status == 0
    _lose(north, ("identity", "certificates"))
    assert "argo: it has no certificate" in run(logboat, "revoke", north, "argo").err
    assert run(logboat, "remove", north, "argo", "--yes").status == 0
    assert "no vessels yet" in logboat("fleet", "list", str(north)).out
