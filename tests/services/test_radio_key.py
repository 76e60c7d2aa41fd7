"""The next radio key is distributed from the operator's folder through the mesh to the permitted radios."""

import json
import os
import secrets
import shutil
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioning.authority import Authority
from provisioning.bundle.compose import compose
from provisioning.folder import FleetFolder
from provisioning.networks.radio import radio, rekeyed
from services.boot.radio_key import DUE, RadioKeyChoice, RadioKeyWatch, in_force
from services.state import boot_state
from sync import documents
from sync.documents import RADIO_KEY
from sync.fleet import identity_files, radio_key
from sync.fleet.errors import RadioKeyError
from sync.fleet.identity_names import RADIO_STATEMENT
from sync.fleet.revocations import serial_text
from sync.store import Database
from tests.net.certificates import NOW
from tests.polling import wait_until
from tests.provisioning.bundles import SENSORS, VESSEL, content, put
from tests.provisioning.operator import PASSPHRASE

from .syncing import SyncProcess
from .test_boot import NETWORK, Pi
from .test_units import MOST_EXPOSED, analyze

OVERLAP = timedelta(days=14)


class Operator:
    """A fleet's folder with its unlocked certificate authority, as the fleet's operator uses them."""

    def __init__(self, path: Path, now: datetime) -> None:
        name = f"test-{secrets.token_hex(4)}"  # other tests use loopback too
        self.folder = FleetFolder.create(path, fleet=name, passphrase=PASSPHRASE, now=now)
        self.authority: Authority = self.folder.unlock(PASSPHRASE)
        self.now = now

    def add(self, *vessels: str) -> None:
        for vessel in vessels:
            self.folder.add(self.authority, vessel, now=self.now)

    def rekey(self, begins: datetime) -> str:
        """Change the radio key, and return the new one."""
        self.folder.change_radio_key(self.authority, now=self.now, begins=begins)
        statement = self.folder.radio_key
        assert statement is not None
        return (self.folder.path / f"radio-{statement.number}.key").read_text().strip()

    def give(self, vessel: str, to: Path) -> None:
        """Copy the vessel's identity folder, as it is now, to the path `to`."""
        shutil.copytree(self.folder.identity(vessel), to, dirs_exist_ok=True)

    @property
    def key(self) -> str:
        return (self.folder.path / "radio.key").read_text().strip()

    @property
    def statement(self) -> Path:
        return self.folder.path / RADIO_STATEMENT


# Through the mesh


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path / "fleet", datetime.now(UTC))


@pytest.fixture
def vessels(tmp_path: Path, operator: Operator) -> Iterator[dict[str, SyncProcess]]:
    """Yield the vessels argo, brigid and careen.

    Their identities were made before the radio key was changed.
    """
    names = ("argo", "brigid", "careen")
    operator.add(*names)
    with (
        SyncProcess(tmp_path / "argo", vessel="argo") as argo,
        SyncProcess(tmp_path / "brigid", vessel="brigid") as brigid,
        SyncProcess(tmp_path / "careen", vessel="careen") as careen,
    ):
        found = dict(zip(names, (argo, brigid, careen), strict=True))
        for name, process in found.items():
            operator.give(name, process.identity)
        yield found


def has(process: SyncProcess, number: int) -> dict[str, object]:
    """Wait until a vessel has the radio key statement with this number. Return its report on the key."""
    told = process.until(lambda state: (state.get("radioKey") or {}).get("number") == number)["radioKey"]
    assert isinstance(told, dict)
    return told


def choice(process: SyncProcess, now: datetime) -> RadioKeyChoice | None:
    """Return the radio key that the vessel would use if it booted at this time."""
    identity = identity_files.load(process.identity)
    return in_force(identity, process.identity, process.folder / "data", now)


def stored(process: SyncProcess) -> int:
    path = process.folder / "data" / "log.db"
    with Database.open(path, policy=documents.POLICY) as store:
        found = store.get(RADIO_KEY)
        return 0 if found is None else int(found.body["number"])


def test_statement_copied_to_one_vessel_reaches_the_others_and_each_decrypts_its_part(
    vessels: dict[str, SyncProcess], operator: Operator
) -> None:
    argo, brigid, careen = vessels.values()
    before = operator.key
    operator.folder.revoke(operator.authority, "careen", now=operator.now)
    after = operator.rekey(operator.now + OVERLAP)
    assert operator.key == before != after
    for process in (argo, brigid):
        process.start()
        process.until(lambda state: state.get("port"))
        assert process.state()["radioKey"] is None
    shutil.copy(operator.statement, argo.identity)
    for process in (argo, brigid):
        told = has(process, 1)
        assert (told["hasPart"], told["hasBegun"]) == (True, False)
        assert process.state()["problems"] == []
        day = f"{operator.now + OVERLAP:%Y-%m-%d}"
        assert f"the radio key changes on {day}" in process.logboat("peers").stdout
        assert f"the radio key changes on {day}" in process.logboat("status").stdout
        assert choice(process, operator.now) == RadioKeyChoice(before, "1 before")
        assert choice(process, operator.now + OVERLAP) == RadioKeyChoice(after, "1 after")
        kept = process.folder / "data" / RADIO_STATEMENT
        assert after not in kept.read_text()
        assert kept.stat().st_mode & 0o007 == 0
    # The revoked vessel gets a copy of the file, but no part of the file is encrypted for that vessel.
    shutil.copy(operator.statement, careen.identity)
    assert choice(careen, operator.now + OVERLAP) is None
    whole = identity_files.load_radio_key(careen.identity, operator.folder.root)
    assert whole is not None
    identity = identity_files.load(careen.identity)
    for vessel in vessels:
        with_its_name = radio_key.RadioKey(
            1,
            whole[1].issued,
            whole[1].begins,
            tuple(
                radio_key.SealedKeys("careen", serial_text(identity.tls.certificate.serial_number), p.sealed)
                for p in whole[1].parts
                if p.vessel == vessel
            ),
        )
        if vessel != "careen":
            with pytest.raises(RadioKeyError):
                radio_key.open_passwords(with_its_name, identity.tls, vessel="careen", fleet=identity.fleet)
    careen.start()
    found = careen.until(lambda state: (state.get("radioKey") or {}).get("number") == 1)
    assert not found["radioKey"]["hasPart"]
    assert any(
        "the fleet's new radio key was not encrypted for this vessel" in words for words in found["problems"]
    )
    assert "the fleet's new radio key was not encrypted for this vessel" in careen.logboat("peers").stdout


def test_absent_vessel_gets_the_statement_over_another_network_and_changes_its_key_permanently(
    vessels: dict[str, SyncProcess], operator: Operator
) -> None:
    argo, brigid, _ = vessels.values()
    first = operator.key
    operator.rekey(operator.now + OVERLAP)
    old = operator.statement.read_bytes()
    now = operator.now
    operator.give("brigid", brigid.identity)
    second = operator.rekey(now)  # effective at once, while argo is away
    operator.give("brigid", brigid.identity)
    assert (brigid.identity / "radio.key").read_text().strip() == second
    assert choice(argo, now) is None  # argo uses the file that it has always had
    assert (argo.identity / "radio.key").read_text().strip() == first
    for process in (argo, brigid):
        process.start()
    told = has(argo, 2)
    assert (told["hasPart"], told["hasBegun"]) == (True, True)
    assert choice(argo, now) == RadioKeyChoice(second, "2 after")
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    assert choice(argo, long_ago) == RadioKeyChoice(second, "2 before"), (
        "no clock is needed for what holds at once"
    )
    # An earlier statement arrives again, in a file, and is not passed on.
    (argo.identity / RADIO_STATEMENT).write_bytes(old)
    argo.stop()
    argo.start()
    argo.until(lambda state: state.get("radioKey"))
    assert argo.state()["radioKey"]["number"] == 2
    assert stored(argo) == stored(brigid) == 2
    assert choice(argo, now) == RadioKeyChoice(second, "2 after")


def test_stored_statement_is_valid_after_loss_of_the_store(
    vessels: dict[str, SyncProcess], operator: Operator
) -> None:
    argo = vessels["argo"]
    operator.rekey(operator.now)
    shutil.copy(operator.statement, argo.identity)
    argo.start()
    has(argo, 1)
    argo.stop()
    (argo.identity / RADIO_STATEMENT).unlink()
    for path in (argo.folder / "data").glob("log.db*"):
        path.unlink()
    argo.start()
    has(argo, 1)
    assert stored(argo) == 1


def test_invalid_statement_is_reported_and_does_not_stop_the_mesh(
    vessels: dict[str, SyncProcess], operator: Operator
) -> None:
    argo = vessels["argo"]
    (argo.identity / RADIO_STATEMENT).write_text("{")
    argo.start()
    found = argo.until(lambda state: state.get("port") and state["problems"])
    assert f"{RADIO_STATEMENT}: the content is not JSON" in found["problems"][0]
    operator.rekey(operator.now)
    shutil.copy(operator.statement, argo.identity)
    has(argo, 1)
    argo.until(lambda state: state.get("port") and not state["problems"])


def test_radio_with_another_key_is_requested_to_change_it(
    vessels: dict[str, SyncProcess], operator: Operator
) -> None:
    argo = vessels["argo"]
    argo.config.write_text(
        argo.config.read_text() + '[network]\ncountry = "DE"\nvessel_radio = { mode = "mesh", channel = 6 }\n'
    )
    (argo.folder / "run").mkdir()
    boot_state.write(argo.folder / "run", boot_state.BootState())
    operator.rekey(operator.now)
    shutil.copy(operator.statement, argo.identity)
    due = argo.folder / "run" / DUE
    argo.start()
    argo.until(lambda state: state.get("port"))
    wait_until(due.exists, lambda: argo.log)
    assert due.read_text() == "1 after\n"


def test_change_is_requested_again_for_an_unchanged_radio_and_reported_after_a_while(
    vessels: dict[str, SyncProcess], operator: Operator, tmp_path: Path
) -> None:
    run, data, due = tmp_path / "run", tmp_path / "data", tmp_path / "run" / DUE
    data.mkdir()
    operator.rekey(operator.now + OVERLAP)
    operator.give("argo", vessels["argo"].identity)
    folder, clock = vessels["argo"].identity, [1000.0]
    with Database.open(data / "log.db", policy=documents.POLICY) as database:

        def watch(*, has_radio: bool = True) -> RadioKeyWatch:
            return RadioKeyWatch(
                identity_files.load(folder),
                folder=folder,
                data=data,
                run=run,
                database=database,
                has_radio=has_radio,
                clock=lambda: clock[0],
            )

        def asks(of: RadioKeyWatch, now: datetime) -> str | None:
            due.unlink(missing_ok=True)
            of.attend(now)
            return due.read_text().strip() if due.exists() else None

        watched = watch()
        assert asks(watched, operator.now) is None, "no appliance, and no start"
        boot_state.write(run, boot_state.BootState())
        assert asks(watch(has_radio=False), operator.now + OVERLAP) is None
        assert asks(watched, operator.now) == "1 before"
        boot_state.write(run, boot_state.BootState(radio_key="1 before"))
        assert asks(watched, operator.now) is None
        assert asks(watched, operator.now + OVERLAP) == "1 after"
        clock[0] += 100
        assert asks(watched, operator.now + OVERLAP) is None
        assert watched.problems == []
        clock[0] += 100
        assert asks(watched, operator.now + OVERLAP) is None
        assert "the radio does not yet use the key" in watched.problems[0]
        clock[0] += 100
        assert asks(watched, operator.now + OVERLAP) == "1 after"
        boot_state.write(run, boot_state.BootState(radio_key="1 after"))
        assert asks(watched, operator.now + OVERLAP) is None
        assert watched.problems == []
        assert asks(watched, operator.now) == "1 before", "a clock that ran ahead is set right"


# At boot


class Aboard:
    """The appliance argo, and the fleet's folder ashore."""

    def __init__(self, root: Path) -> None:
        self.pi = Pi(root / "pi")
        self.operator = Operator(root / "fleet", NOW)
        self.operator.add("argo")
        place = self.operator.folder.place("argo")
        (place / "vessel.toml").write_text(VESSEL.format("argo", "Argo") + NETWORK)
        (place / "sensors.toml").write_text(SENSORS.format(17))
        self.pi.radio("wlan0", "phy0")
        self.pi.radio("wlan1", "phy1")

    def bundle(self) -> dict[str, bytes]:
        return dict(compose(self.operator.folder, "argo", now=NOW))

    def networks(self, now: datetime = NOW) -> tuple[str, str]:
        """Run `logboat boot networks` at this time, and return the radio key with its description."""
        boot = self.pi.boot()
        boot.now = now
        found = boot.join()
        assert found.problems == ()
        return self.key, found.radio_key

    def rekey(self, now: datetime = NOW) -> tuple[list[str], tuple[str, str]]:
        """Run `logboat boot radio` at this time.

        Return the commands that were run, and the radio key with its description.
        """
        boot = self.pi.boot()
        boot.now = now
        self.pi.ran.clear()
        found = boot.rekey()
        assert found.problems == ()
        return list(self.pi.ran), (self.key, found.radio_key)

    @property
    def key(self) -> str:
        text = (self.pi.places.radio / "supplicant.conf").read_text()
        [line] = [line for line in text.splitlines() if "sae_password" in line]
        return line.split('"')[1]


@pytest.fixture
def aboard(tmp_path: Path) -> Aboard:
    found = Aboard(tmp_path)
    put(found.pi.places.inbox, found.bundle())
    assert found.pi.start().problems == ()
    assert found.key == found.operator.key
    return found


def test_radio_is_set_up_with_the_key_valid_at_the_time(aboard: Aboard) -> None:
    before = aboard.operator.key
    after = aboard.operator.rekey(NOW + OVERLAP)
    shutil.copy(aboard.operator.statement, aboard.pi.places.data)
    assert aboard.networks() == (before, "1 before")
    assert aboard.networks(NOW + OVERLAP) == (after, "1 after")
    assert boot_state.read(aboard.pi.places.run).radio_key == "1 after"
    third = aboard.operator.rekey(NOW + 2 * OVERLAP)
    shutil.copy(aboard.operator.statement, aboard.pi.places.data)
    assert aboard.networks(NOW + 2 * OVERLAP) == (third, "2 after")


RESTART = "systemctl try-restart logboat-radio.service"


def test_running_radio_is_restarted_only_if_its_key_changes(
    aboard: Aboard,
) -> None:
    places = aboard.pi.places
    before, text = aboard.key, (places.radio / "supplicant.conf").read_text()
    everything = content(aboard.pi.root)
    assert aboard.rekey() == ([], (before, ""))
    after = aboard.operator.rekey(NOW + OVERLAP)
    shutil.copy(aboard.operator.statement, places.data)
    assert aboard.rekey() == ([], (before, "1 before"))
    assert aboard.rekey(NOW + OVERLAP) == ([RESTART], (after, "1 after"))
    assert (places.radio / "supplicant.conf").read_text() == text.replace(before, after)
    assert (places.radio / "supplicant.conf").stat().st_mode & 0o777 == 0o600
    assert aboard.rekey(NOW + OVERLAP) == ([], (after, "1 after"))
    changed = {name for name, now in content(aboard.pi.root).items() if everything.get(name) != now}
    assert changed == {"radio/supplicant.conf", "run/boot.json", f"data/{RADIO_STATEMENT}"}
    assert aboard.networks(NOW + OVERLAP) == (after, "1 after")


def test_ad_hoc_radio_changes_its_key_too() -> None:
    made = radio(mode="adhoc", fleet="north", key="a key", channel=1, interface="wlan1", country="DE")
    again = radio(mode="adhoc", fleet="north", key=r"\1 \g<0>", channel=1, interface="wlan1", country="DE")
    assert rekeyed(made.text, r"\1 \g<0>") == again.text


def test_failed_restart_of_a_radio_is_reported_and_requested_again(aboard: Aboard) -> None:
    before = aboard.key
    after = aboard.operator.rekey(NOW)
    shutil.copy(aboard.operator.statement, aboard.pi.places.data)
    aboard.pi.broken = {"systemctl"}
    found = aboard.pi.boot().rekey()
    assert found.problems == ("the networks' radio key could not be set up: systemctl: broken",)
    assert (aboard.key, found.radio_key) == (before, "")
    aboard.pi.broken = set()
    assert aboard.rekey() == ([RESTART], (after, "1 after"))
    assert boot_state.read(aboard.pi.places.run).problems == ()


def test_without_a_radio_or_an_identity_there_is_nothing_to_change(aboard: Aboard) -> None:
    aboard.operator.rekey(NOW)
    shutil.copy(aboard.operator.statement, aboard.pi.places.data)
    (aboard.pi.places.radio / "supplicant.conf").unlink()
    aboard.pi.ran.clear()
    found = aboard.pi.boot().rekey()
    assert (found.problems, found.radio_key, aboard.pi.ran) == ((), "1 after", [])
    shutil.rmtree(aboard.pi.places.etc / "identity")
    found = aboard.pi.boot().rekey()
    assert (found.problems, aboard.pi.ran) == ((), [])


# Units of systemd

SYSTEM = Path(__file__).parents[2] / "image/files/usr/lib/systemd/system"


def unit(name: str, key: str) -> list[str]:
    lines = (SYSTEM / name).read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def test_path_unit_starts_the_service_that_sets_up_the_key() -> None:
    assert unit("logboat-rekey.path", "PathChanged") == [f"/run/logboat/{DUE}"]
    assert unit("logboat-rekey.path", "PathExists") == [], "a file that stays would start it for ever"
    assert unit("logboat-rekey.service", "ExecStart") == ["/usr/bin/logboat boot radio"]
    enabled = tomllib.loads((SYSTEM.parents[4] / "services.toml").read_text())["enable"]
    assert "logboat-rekey.path" in enabled
    assert "[Install]" not in (SYSTEM / "logboat-rekey.service").read_text(), "no start waits for it"


@pytest.mark.parametrize("name", ["logboat-rekey.path", "logboat-rekey.service"])
def test_units_are_valid_for_systemd(name: str, tmp_path: Path) -> None:
    for path in SYSTEM.glob("logboat-rekey.*"):
        (tmp_path / path.name).write_text(path.read_text().replace("/usr/bin/logboat", "/bin/true"))
    done = analyze("verify", "--man=no", str(tmp_path / name))
    assert [line for line in done.stderr.splitlines() if name in line] == []


def test_unit_is_confined() -> None:
    path = str(SYSTEM / "logboat-rekey.service")
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_card_can_contain_the_statement_and_an_older_card_does_not_undo_it(aboard: Aboard) -> None:
    old = aboard.bundle()
    after = aboard.operator.rekey(NOW)
    new = aboard.bundle()
    assert f"identity/{RADIO_STATEMENT}" in new
    for found in (new, old):
        put(aboard.pi.places.card, found)
        assert aboard.pi.start().problems == ()
        assert aboard.key == after
        kept = aboard.pi.places.etc / "identity" / RADIO_STATEMENT
        assert json.loads(kept.read_bytes())["number"] == 1


def test_bundle_with_an_invalid_statement_is_refused(aboard: Aboard) -> None:
    before = aboard.key
    aboard.operator.rekey(NOW)
    broken = aboard.bundle()
    broken[f"identity/{RADIO_STATEMENT}"] = b'{"number": 1}'
    del broken["bundle.json"]
    put(aboard.pi.places.card, broken)
    [problem] = aboard.pi.start().problems
    assert "not signed by the fleet's CA" in problem
    assert aboard.key == before


@pytest.mark.parametrize("what", ["nothing", "damaged", "foreign", "pipe", "link", "long", "folder"])
def test_radio_is_set_up_whatever_is_in_the_statements_place(
    aboard: Aboard, what: str, tmp_path: Path
) -> None:
    """Root reads the statement from the data folder, to which the unprivileged daemons can write."""
    path = aboard.pi.places.data / RADIO_STATEMENT
    if what == "damaged":
        path.write_bytes(b"\xff{")
    elif what == "foreign":
        south = Operator(tmp_path / "south", NOW)
        south.add("argo")
        south.rekey(NOW)
        shutil.copy(south.statement, path)
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "link":
        aboard.operator.rekey(NOW)
        path.symlink_to(aboard.operator.statement)
    elif what == "long":
        path.write_bytes(b" " * 500_000)
    elif what == "folder":
        path.mkdir()
    own = (aboard.pi.places.etc / "identity" / "radio.key").read_text().strip()
    assert aboard.networks() == (own, "")
