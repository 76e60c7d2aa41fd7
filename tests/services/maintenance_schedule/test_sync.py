"""Crews that record the same service while their vessels are apart see the same state once these have met."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.console.stores import open_store
from tests.polling import wait_until
from tests.services import documents as build
from tests.services.syncing import Fleet, SyncProcess

from .builders import OIL, H, hours, vessel

HOURS_ONLY = replace(OIL, or_every=None)


@contextmanager
def linked(*vessels: SyncProcess) -> Iterator[None]:
    """Let the vessels exchange their documents within this context."""
    for each in vessels:
        each.start()
    try:
        yield
    finally:
        for each in vessels:
            assert each.stop() == 0


def said(boat: SyncProcess, *arguments: str) -> dict[str, Any]:
    """Run `logboat service` about argo on a vessel, and return what it prints as JSON."""
    done = boat.logboat("service", *arguments, "--vessel", "argo", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def records(boat: SyncProcess) -> set[str]:
    path = boat.folder / "data" / "log.db"
    if not path.exists():
        return set()
    with open_store(path) as database:
        return {document.id for document in database.documents() if not document.id.startswith("fleet:")}


@pytest.mark.wall_clock
def test_two_crews_record_one_service_while_apart_and_then_agree(tmp_path: Path) -> None:
    fleet = Fleet()
    with SyncProcess(tmp_path / "argo") as argo:
        fleet.identity(argo.identity)
        link = f'[mesh]\nstatic = ["wss://127.0.0.1:{argo.port}"]\n'
        with SyncProcess(tmp_path / "brigid", vessel="brigid", toml=link) as brigid:
            fleet.identity(brigid.identity, "brigid")
            build.store(argo.folder / "data" / "log.db", vessel(HOURS_ONLY), hours(300))
            with linked(argo, brigid):
                wait_until(
                    lambda: {"vessel:argo", "equipment:argo:main-hours"} <= records(brigid),
                    "brigid has argo's plan and running hours",
                )
            said(argo, "done", "engine-oil", "--at", "290")
            said(brigid, "done", "engine oil", "--at", "295", "--by", "ben")
            assert [said(boat)["services"][0]["run"]["since"] for boat in (argo, brigid)] == [10 * H, 5 * H]
            with linked(argo, brigid):
                wait_until(lambda: len(records(argo)) == len(records(brigid)) == 4, "both have both records")
                assert said(argo) == said(brigid)
                assert said(argo)["services"][0]["run"]["since"] == 5 * H
                said(brigid, "done", "engine-oil", "--at", "280")  # ben's 295 h were a mistake
                wait_until(lambda: len(records(argo)) == 5, "the correction has arrived")
                assert said(argo) == said(brigid)
                assert said(argo)["services"][0]["run"]["since"] == 20 * H
