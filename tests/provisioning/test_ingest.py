"""The files on a card are applied completely or not at all, and no file is lost."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioning.bundle import identity as identities
from provisioning.bundle.compose import compose
from provisioning.folder import FleetFolder
from provisioning.ingest.active_config import ActiveConfiguration
from sync.fleet import identity_files
from tests.net.certificates import NOW
from tests.provisioning import images
from tests.provisioning.bundles import (
    PASSPHRASE,
    SENSORS,
    VESSEL,
    Card,
    Cut,
    Cutter,
    bundle,
    content,
    put,
)

KEY = b"PRIVATE KEY"


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def secret_bytes(folder: Path) -> list[str]:
    return [name for name, each in content(folder).items() if KEY in each or name.endswith(".password")]


# The first start


def test_bundle_on_fat_is_applied_and_its_secrets_are_wiped(card: Card) -> None:
    put(card.fat, {**bundle(), "office.password": b"hunter-two\n"})
    outcome = card.start()
    assert outcome.problems == ()
    assert not outcome.generated
    assert identity_files.load(card.etc / "identity").vessel == "argo"
    assert card.force["logboat.toml"] == bundle()["vessel.toml"]
    assert card.force["office.password"] == b"hunter-two\n"
    assert secret_bytes(card.fat) == []
    assert sorted(content(card.fat)) == ["sensors.toml", "vessel.toml"]


def test_bundle_in_the_inbox_leaves_only_its_configuration_on_fat(card: Card) -> None:
    put(card.inbox, bundle())
    assert card.start().problems == ()
    assert identity_files.load(card.etc / "identity").vessel == "argo"
    assert not card.inbox.exists()
    assert content(card.fat) == {name: bundle()[name] for name in ("vessel.toml", "sensors.toml")}


def test_identity_folder_without_a_manifest_is_read(card: Card) -> None:
    old = {name: each for name, each in bundle().items() if name.startswith("identity/")}
    del old["identity/radio.key"]
    put(card.fat, old)
    assert card.start().problems == ()
    assert identity_files.load(card.etc / "identity").vessel == "argo"
    assert card.force["logboat.toml"] == b'[vessel]\nid = "argo"\n'
    assert secret_bytes(card.fat) == []


def test_vessel_without_a_bundle_has_a_generated_name_until_one_arrives(card: Card) -> None:
    outcome = card.start()
    assert outcome.generated
    assert b'id = "vessel-123456"' in card.force["logboat.toml"]
    assert content(card.fat) == {"vessel.toml": card.force["logboat.toml"]}
    assert card.start().generated
    put(card.fat, bundle())
    outcome = card.start()
    assert (outcome.problems, outcome.generated) == ((), False)
    assert card.force["logboat.toml"] == bundle()["vessel.toml"]


def test_identity_alone_names_an_unnamed_vessel(card: Card) -> None:
    card.start()
    put(card.fat, {name: each for name, each in bundle().items() if name.startswith("identity/")})
    outcome = card.start()
    assert (outcome.problems, outcome.generated) == ((), False)
    assert card.force["logboat.toml"] == b'[vessel]\nid = "argo"\n'
    assert (card.fat / "vessel.toml").read_bytes() == card.force["logboat.toml"]


def test_nothing_is_written_when_nothing_has_changed(card: Card) -> None:
    put(card.fat, bundle())
    card.start()
    before, opened = content(card.etc), card.opened
    times = {path: path.stat().st_mtime_ns for path in card.etc.rglob("*")}
    assert card.start().taken == ()
    assert (content(card.etc), card.opened) == (before, opened)
    assert {path: path.stat().st_mtime_ns for path in card.etc.rglob("*")} == times


# Editing on a laptop


@pytest.fixture
def argo(card: Card) -> Card:
    """Return argo's card after its first start."""
    put(card.inbox, bundle())
    card.start()
    return card


def test_edited_file_is_applied(argo: Card) -> None:
    (argo.fat / "sensors.toml").write_text(SENSORS.format(27))
    outcome = argo.start()
    assert (outcome.problems, outcome.taken) == ((), ("sensors.toml",))
    assert argo.force["sensors.toml"] == SENSORS.format(27).encode()
    assert (argo.etc / "before" / "sensors.toml").read_text() == SENSORS.format(17)


@pytest.mark.parametrize("emptied", [b"", b"\r\n", b"\0" * 512])
@pytest.mark.parametrize("name", ["sensors.toml", "vessel.toml", "office.password"])
def test_file_emptied_by_a_power_cut_is_not_applied(argo: Card, name: str, emptied: bytes) -> None:
    before = argo.force
    (argo.fat / name).write_bytes(emptied)
    for _ in range(2):
        outcome = argo.start()
        assert (len(outcome.problems), outcome.taken, argo.force) == (1, (), before)
        assert (argo.fat / name).read_bytes() == emptied
        assert f"{name}" in argo.problems
    put(argo.fat, {name: {**bundle(), "office.password": b"secret"}[name]})
    assert argo.start().problems == ()
    assert argo.problems == ""


@pytest.mark.parametrize("name", ["vessel.pem", "vessel.key", "fleet.pem", "radio.key"])
@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"[" * 100_000, b"-----BEGIN CERTIFICATE-----\nMAA=\n"])
def test_damaged_identity_is_reported(argo: Card, name: str, content: bytes) -> None:
    before = argo.force
    found = {key: each for key, each in bundle().items() if key.startswith("identity/")}
    put(argo.fat, {**found, f"identity/{name}": content})
    outcome = argo.start()
    assert (argo.force, outcome.taken) == (before, ())
    assert "identity" in argo.problems


def test_vessel_without_sensors_reports_it(argo: Card) -> None:
    (argo.fat / "sensors.toml").write_text("# nothing is wired yet\n")
    argo.start()
    assert "write no_sensors = true if nothing is wired" in argo.problems
    assert argo.force["sensors.toml"] == SENSORS.format(17).encode()
    (argo.fat / "sensors.toml").write_text("# nothing is wired yet\nno_sensors = true\n")
    outcome = argo.start()
    assert (outcome.problems, outcome.taken) == ((), ("sensors.toml",))


def test_bundle_without_sensors_keeps_those_in_force(argo: Card) -> None:
    put(argo.inbox, {name: each for name, each in bundle().items() if name != "sensors.toml"})
    assert argo.start().problems == ()
    assert argo.force["sensors.toml"] == SENSORS.format(17).encode()


def test_windows_line_ends_and_byte_order_mark_are_accepted(argo: Card) -> None:
    edited = b"\xef\xbb\xbf" + SENSORS.format(27).replace("\n", "\r\n").encode()
    (argo.fat / "sensors.toml").write_bytes(edited)
    assert argo.start().problems == ()
    assert argo.force["sensors.toml"] == (argo.fat / "sensors.toml").read_bytes() == edited


@pytest.mark.parametrize(
    "name",
    [
        "sensors.toml~",
        ".sensors.toml.swp",
        "._sensors.toml",
        "sensors (1).toml",
        "sensors.toml.bak",
        ".DS_Store",
    ],
)
def test_files_left_by_editors_do_no_harm(argo: Card, name: str) -> None:
    before = argo.force
    (argo.fat / name).write_bytes(b"\0 not TOML")
    outcome = argo.start()
    assert (outcome.problems, outcome.taken, argo.force) == ((), (), before)
    assert (argo.fat / name).exists()


def test_file_names_may_be_in_upper_case(argo: Card) -> None:
    (argo.fat / "sensors.toml").rename(argo.fat / "SENSORS.TOML")
    (argo.fat / "SENSORS.TOML").write_text(SENSORS.format(27))
    assert argo.start().taken == ("sensors.toml",)


def test_invalid_file_leaves_the_old_one_in_force_and_is_reported_with_its_place(argo: Card) -> None:
    before = argo.force
    wrong = SENSORS.format(5) + "colour = 1\n"
    (argo.fat / "sensors.toml").write_text(wrong)
    (argo.fat / "vessel.toml").write_text(VESSEL.format("argo", "Good"))
    outcome = argo.start()
    assert [(found.line, found.key) for found in outcome.problems] == [(4, "pin"), (6, "colour")]
    assert argo.force == before
    assert 'sensors.toml, line 4, sensor "float": pin\n    5 is used by the power light' in argo.problems
    assert "line 6" in argo.problems
    assert b"\r\n" in (argo.fat / "PROBLEMS.txt").read_bytes()
    assert (argo.fat / "sensors.toml").read_text() == wrong
    assert argo.start().problems == outcome.problems
    (argo.fat / "sensors.toml").write_text(SENSORS.format(27))
    assert argo.start().taken == ("logboat.toml", "sensors.toml")
    assert argo.problems == ""


def test_broken_toml_and_a_missing_password_are_reported_for_the_cards_file(argo: Card) -> None:
    before = argo.force
    gateway = '[[gateway]]\nname = "office"\nkind = "couchbase"\nurl = "wss://a.example:4984/x"\nuser = "a"\n'
    (argo.fat / "vessel.toml").write_text(
        VESSEL.format("argo", "Argo") + gateway + 'password_file = "office.password"\n'
    )
    argo.start()
    assert 'vessel.toml, line 9, gateway "office": password_file' in argo.problems
    assert "must end with .password" in argo.problems
    (argo.fat / "vessel.toml").write_text("[vessel\nid = argo\n")
    argo.start()
    assert "vessel.toml, line 1" in argo.problems
    assert argo.force == before


def test_change_over_ssh_is_copied_to_the_card_and_not_undone_by_a_stale_copy(argo: Card) -> None:
    changed = SENSORS.format(22).encode()
    (argo.etc / "sensors.toml").write_bytes(changed)
    assert argo.start().taken == ()
    assert argo.force["sensors.toml"] == (argo.fat / "sensors.toml").read_bytes() == changed
    (argo.etc / "sensors.toml").write_bytes(b"awry")
    argo.start()
    assert (argo.fat / "sensors.toml").read_bytes() == changed


def test_vessel_id_that_differs_from_the_certificates_is_refused(argo: Card) -> None:
    (argo.fat / "vessel.toml").write_text(VESSEL.format("brigid", "Brigid"))
    argo.start()
    assert "[vessel]: id" in argo.problems
    assert 'Write: id = "argo"' in argo.problems


# Wrong cards


def without(found: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    return {key: each for key, each in found.items() if key != name}


WRONG: dict[str, tuple[Callable[[], Mapping[str, bytes]], str]] = {
    "a missing key": (
        lambda: without(bundle(), "identity/vessel.key"),
        "identity/vessel.key: the file is listed in bundle.json but missing",
    ),
    "a damaged key": (
        lambda: {**bundle(), "identity/vessel.key": b"x"},
        "does not match its digest in bundle.json",
    ),
    "a missing key, no manifest": (
        lambda: without(without(bundle(), "identity/vessel.key"), "bundle.json"),
        "vessel.key missing",
    ),
    "another's key": (
        lambda: without(
            {**bundle(), "identity/vessel.key": bundle(number=2)["identity/vessel.key"]}, "bundle.json"
        ),
        "identity",
    ),
    "an expired identity": (lambda: bundle(number=3, valid_for=timedelta(days=-10)), "logboat fleet renew"),
    "an identity of another fleet": (
        lambda: bundle(fleet="south"),
        "to fleet 'south', but this vessel belongs to fleet",
    ),
    "an identity of another fleet of that name": (
        lambda: bundle(number=4),
        "a different fleet with the same name",
    ),
    "a manifest that is none": (lambda: {**bundle(), "bundle.json": b"{"}, "bundle.json: not JSON"),
    "a bundle from the future": (
        lambda: {**bundle(), "bundle.json": b'{"version": 3}'},
        "has version 3, but this image reads 1 and 2",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_bundle_destroys_nothing(argo: Card, what: str) -> None:
    make, said = WRONG[what]
    before = argo.force
    put(argo.fat, make())
    on_card = content(argo.fat)
    outcome = argo.start()
    assert outcome.problems
    assert said in argo.problems
    assert argo.force == before
    assert {name: each for name, each in content(argo.fat).items() if name != "PROBLEMS.txt"} == on_card


def test_another_vessels_identity_is_refused(argo: Card, tmp_path: Path) -> None:
    folder = FleetFolder.create(tmp_path / "f", fleet="f", passphrase="four words and more", now=NOW)
    authority = folder.unlock("four words and more")
    for vessel in ("argo", "brigid"):
        folder.add(authority, vessel, now=NOW)
    present = identities.load(folder.identity("argo"))
    [(text, _)] = identities.objections(folder.identity("brigid"), present=present, now=NOW)
    assert text == "the identity belongs to vessel brigid, but this is vessel argo"


def test_second_bundle_on_a_card_is_refused(card: Card) -> None:
    put(card.inbox, bundle())
    put(card.fat, bundle("brigid"))
    card.start()
    assert "bundles of two different vessels, of argo in" in card.problems
    assert "identity/vessel.key" not in card.force
    assert content(card.fat).keys() >= bundle("brigid").keys()
    assert content(card.inbox) == bundle()


def test_bundle_on_the_card_has_priority_over_one_in_the_inbox(card: Card) -> None:
    """The bundle in the inbox may be one that the appliance has already rejected."""
    put(card.inbox, bundle(number=3, valid_for=timedelta(days=-10)))
    assert card.start().generated
    assert "logboat fleet renew" in card.problems
    put(card.fat, bundle())
    outcome = card.start()
    assert (outcome.problems, outcome.generated) == ((), False)
    assert card.force["identity/vessel.key"] == bundle()["identity/vessel.key"]
    assert not card.inbox.exists()
    assert secret_bytes(card.fat) == []


def test_problems_are_written_to_the_card_even_if_the_folder_is_missing(card: Card) -> None:
    card.fat.rmdir()
    put(card.inbox, bundle(number=3, valid_for=timedelta(days=-10)))
    card.start()
    assert "logboat fleet renew" in card.problems


def test_bundles_in_subfolders_are_reported(card: Card) -> None:
    put(card.fat / "argo", bundle())
    put(card.fat / "brigid", bundle("brigid"))
    card.start()
    assert "logboat/argo and logboat/brigid: the bundle is in a subfolder" in card.problems
    assert content(card.fat / "argo") == bundle()


def test_read_only_card_is_applied_and_reported(card: Card) -> None:
    put(card.fat, bundle())
    card.read_only = True
    outcome = card.start()
    assert identity_files.load(card.etc / "identity").vessel == "argo"
    assert "Read-only file system" in str(outcome.problems[0])
    assert "lock switch" in str(outcome.problems[0])
    card.read_only = False
    assert card.start().problems == ()
    assert secret_bytes(card.fat) == []


def test_new_identity_on_a_card_with_a_wipe_pending_is_not_wiped(card: Card) -> None:
    put(card.fat, bundle())
    card.read_only = True
    card.start()
    card.read_only = False
    put(card.fat, bundle(fleet="south"))
    card.start()
    assert content(card.fat).keys() >= {"identity/vessel.key", "identity/vessel.pem"}
    assert "to fleet 'south'" in card.problems


@pytest.mark.parametrize("year", [1970, 2026])
def test_card_is_applied_although_the_clock_is_slow(card: Card, year: int) -> None:
    put(card.fat, bundle())
    assert card.start(max(datetime(year, 1, 1, tzinfo=UTC), NOW)).problems == ()


def test_inbox_that_a_daemon_could_have_created_is_not_trusted(card: Card, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", bundle())
    card.inbox.symlink_to(tmp_path / "elsewhere")
    outcome = card.start()
    assert "does not belong to root" in str(outcome.problems[0])
    assert "identity/vessel.key" not in card.force


def test_a_renewed_identity_on_a_card_replaces_the_old_one(card: Card, tmp_path: Path) -> None:
    folder = FleetFolder.create(tmp_path / "f", fleet="f", passphrase="four words and more", now=NOW)
    authority = folder.unlock("four words and more")
    folder.add(authority, "argo", now=NOW)
    put(card.inbox, compose(folder, "argo", now=NOW))
    card.start()
    old = identity_files.load(card.etc / "identity")
    folder.renew(authority, "argo", now=NOW)
    put(card.fat, compose(folder, "argo", now=NOW))
    outcome = card.start()
    assert (outcome.problems, outcome.taken) == ((), ("identity",))
    assert identity_files.load(card.etc / "identity").tls.certificate != old.tls.certificate
    assert secret_bytes(card.fat) == []
    assert not (card.etc / ".identity.old").exists()


def test_newer_revocations_survive_an_older_bundle(argo: Card) -> None:
    statement = json.loads((argo.etc / "identity/revocations.json").read_bytes())
    assert statement["number"] == 0
    again = {name: each for name, each in bundle().items() if name.startswith("identity/")}
    (argo.etc / "identity/revocations.json").write_bytes(b"newer, as far as this goes")
    put(argo.fat, again)
    assert argo.start().taken == ()
    assert argo.force["identity/revocations.json"] == b"newer, as far as this goes"
    assert secret_bytes(argo.fat) == []


def test_newer_revocations_of_a_bundle_are_applied_before_it_is_wiped(card: Card, tmp_path: Path) -> None:
    folder = FleetFolder.create(tmp_path / "north", fleet="north", passphrase=PASSPHRASE, now=NOW)
    authority = folder.unlock(PASSPHRASE)
    folder.add(authority, "argo", now=NOW)
    folder.add(authority, "brigid", now=NOW)
    put(card.inbox, compose(folder, "argo", now=NOW))
    assert card.start().problems == ()
    folder.revoke(authority, "brigid", now=NOW)
    put(card.fat, compose(folder, "argo", now=NOW))
    assert card.start().taken == ("identity",)
    assert [each.vessel for each in identity_files.load(card.etc / "identity").trust.revocations.entries] == [
        "brigid"
    ]
    assert not (card.fat / "identity").exists()


def test_unreadable_revocations_are_reported_and_kept(argo: Card) -> None:
    found = {name: each for name, each in bundle().items() if name.startswith("identity/")}
    put(argo.fat, {**found, "identity/revocations.json": b"[" * 100_000})
    assert argo.start().taken == ()
    assert "identity" in argo.problems
    assert (argo.fat / "identity/revocations.json").exists()


def test_wiped_secrets_are_removed_from_the_medium_itself(tmp_path: Path) -> None:
    """The test searches the raw image of a file system for secrets that were wiped while it was mounted."""
    images.need_tools()
    raw, mount = tmp_path / "raw", tmp_path / "mount"
    mount.mkdir()
    with raw.open("wb") as file:
        file.truncate(4 * 2**20)
    images.run("mke2fs", "-q", "-t", "ext2", str(raw))
    command = ["mount", "-o", "loop", str(raw), str(mount)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no loop devices here, or not root")
    try:
        card = Card(mount)
        put(card.fat, {**bundle(), "office.password": b"hunter-two\n"})
        card.etc = tmp_path / "etc"
        subprocess.run(["sync", "-f", str(mount)], check=True)
        before = raw.read_bytes()
        assert card.start().problems == ()
    finally:
        subprocess.run(["umount", str(mount)], check=True)
    after = raw.read_bytes()
    for name in ("identity/vessel.key", "identity/radio.key"):
        assert bundle()[name] in before
        assert bundle()[name] not in after
    assert b"hunter-two" not in after


# Power cuts


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable fsync to save time, because these tests simulate power cuts without a real medium."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def first(card: Card) -> None:
    put(card.fat, {**bundle(), "office.password": b"hunter-two\n"})


def from_inbox(card: Card) -> None:
    put(card.inbox, bundle())


def renewed(card: Card) -> None:
    """Apply a card at boot, and then replace the configuration, sensors, identity and radio key on it."""
    put(card.fat, {**bundle()})
    card.start()
    (card.fat / "sensors.toml").write_text(SENSORS.format(27))
    (card.fat / "vessel.toml").write_text(VESSEL.format("argo", "Renamed"))
    put(card.fat, {"identity/" + name: bundle()["identity/" + name] for name in (*IDENTITY, "fleet.pem")})
    put(card.fat, {"identity/radio.key": b"another-radio-key\n"})


IDENTITY = ("vessel.pem", "vessel.key", "revocations.json")


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("prepare", [first, from_inbox, renewed])
def test_power_may_fail_at_each_step(
    prepare: Callable[[Card], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    whole = Card(tmp_path / "whole")
    prepare(whole)
    whole.start()
    new = whole.force
    cutter = Cutter()
    cutter.install(monkeypatch)
    for steps in range(200):
        root = tmp_path / str(steps)
        root.mkdir()
        cutter.left = None
        card = Card(root)
        prepare(card)
        cutter.left = steps
        try:
            card.start()
        except Cut:
            pass
        else:
            break
        cutter.left = None
        held = {**content(card.fat), **card.force, **content(card.etc), **content(root)}
        assert any(KEY in each for each in held.values())  # the key is never lost
        outcome = card.start()
        assert outcome.problems == ()
        assert card.force == new, f"cut at step {steps}"
        assert secret_bytes(card.fat) == []
        assert not card.inbox.exists()
    assert steps > 15


@pytest.mark.usefixtures("no_waiting")
def test_change_is_complete_after_a_power_cut(argo: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut, the files in use are either all old or all new."""
    old = argo.force
    (argo.fat / "sensors.toml").write_text(SENSORS.format(27))
    (argo.fat / "vessel.toml").write_text(VESSEL.format("argo", "New"))
    cutter = Cutter()
    cutter.install(monkeypatch)
    seen = set()
    for steps in range(60):
        cutter.left = steps
        try:
            argo.start()
        except Cut:
            cutter.left = None
            ActiveConfiguration(argo.etc).recover()
            seen.add(is_new := argo.force["sensors.toml"] != old["sensors.toml"])
            assert (argo.force["logboat.toml"] != old["logboat.toml"]) is is_new
            continue
        break
    assert seen == {False, True}
