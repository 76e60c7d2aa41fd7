"""A vessel with a new card gets its own history back from the fleet."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioning.bundle.compose import compose
from provisioning.folder import FleetFolder
from services.demo.vessel import Daemon, DemoVessel, make
from sync.documents import DocumentType
from sync.fleet import identity_files
from tests.polling import wait_until
from tests.ports import free_port
from tests.provisioning.bundles import PASSPHRASE, Card, put

from .commands import logboat

SENSOR = """\
[[sensor]]
id = "rpm"
kind = "simulated"
model = "engine"
path = "propulsion.main.revolutions"
rate = "20 Hz"
window = "10 s"
"""


def until(what: str, holds: Callable[[], object], *vessels: DemoVessel) -> None:
    def holds_and_all_run() -> object:
        for vessel in vessels:
            vessel.check()
        return holds()

    wait_until(holds_and_all_run, what)


def aboard(root: Path, folder: FleetFolder, name: str) -> DemoVessel:
    """Simulate the first boot of a new card, which applies the card's bundle, and return the vessel."""
    root.mkdir()
    card = Card(root)
    put(card.inbox, compose(folder, name, now=datetime.now(UTC)))
    assert card.start(datetime.now(UTC)).problems == ()
    vessel = make(root, name, identity=card.etc / "identity", port=free_port(), sensors=frozenset({"rpm"}))
    (vessel.folder / "sensors.toml").write_text(SENSOR)
    return vessel


def readings(vessel: DemoVessel, of: str) -> set[str]:
    database = vessel.database()
    if database is None:
        return set()
    return {document.id for document in database.documents(f"{DocumentType.READING}:{of}:")}


@contextmanager
def running(*vessels: DemoVessel) -> Iterator[None]:
    for vessel in vessels:
        for daemon in (Daemon.RECORDER, Daemon.SYNC):
            vessel.start(daemon)
    try:
        yield
    finally:
        for vessel in vessels:
            vessel.kill()
            vessel.close()


def verify(vessel: DemoVessel) -> dict[str, Any]:
    places = ["--config", vessel.folder / "logboat.toml", "--data", vessel.folder / "data"]
    done = logboat("verify", "--vessel", "argo", "--json", *map(str, places))
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_history_of_a_failed_card_is_restored_beside_the_new_log(tmp_path: Path) -> None:
    folder = FleetFolder.create(
        tmp_path / "north", fleet=f"t-{os.getpid()}", passphrase=PASSPHRASE, now=datetime.now(UTC)
    )
    authority = folder.unlock(PASSPHRASE)
    for name in ("argo", "brigid"):
        folder.add(authority, name, now=datetime.now(UTC))
    argo, brigid = aboard(tmp_path / "1", folder, "argo"), aboard(tmp_path / "2", folder, "brigid")
    argo.configure(static=(f"wss://127.0.0.1:{brigid.port}",))
    with running(argo, brigid):
        until("brigid has argo's", lambda: readings(brigid, "argo"), argo, brigid)
        argo.kill()
        argo.close()
        known = readings(brigid, "argo")
        shutil.rmtree(argo.folder)  # the card has failed, with its store and its key

        before = identity_files.load(argo.identity)
        folder.renew(authority, "argo", now=datetime.now(UTC))
        again = aboard(tmp_path / "3", folder, "argo")
        again.configure(static=(f"wss://127.0.0.1:{brigid.port}",))
        after = identity_files.load(again.identity)
        assert before.vessel == after.vessel
        assert before.tls.certificate != after.tls.certificate
        with running(again):
            until("its old log is back", lambda: readings(again, "argo") >= known, again, brigid)
            until("the new one is at brigid", lambda: readings(brigid, "argo") - known, again, brigid)
            logs = {document_id.split(":")[3] for document_id in readings(again, "argo")}
            assert len(logs) == 2
    for vessel in (again, brigid):
        found = verify(vessel)
        [report] = found["vessels"]
        by_log = {sensor["log"]: sensor for sensor in report["sensors"]}
        assert set(by_log) == logs
        for sensor in by_log.values():
            assert sensor["last"] > 0
            assert sensor["repeated"]["samples"] == 0
            assert sensor["missing"]["samples"] == 0
