"""Documents that are too large for the receiver are rejected individually. All others are replicated."""

import json
from pathlib import Path
from typing import Any

import pytest

from sync import blip
from sync.replication import messages
from sync.store import Database
from tests.peer.rig import databases

from .test_replicator import Followed, listening, url
from .wire import run

SMALL: dict[str, Any] = {"limits": blip.APPLIANCE, "message_limits": messages.APPLIANCE}
MANY_VALUES = {"values": [1] * 70_000}
LONG = {"text": "x" * 1_100_000}
HONEST: dict[str, dict[str, Any]] = {
    "longest document": {"text": "sail" * 64_000},
    "most numbers": {"values": list(range(1000, 1000 + 50_000))},
    "readings": {"samples": [[number * 1000, number / 7] for number in range(10_000)]},
}


def fill(database: Database, too_large: dict[str, Any]) -> None:
    database.put("too-large", too_large)
    for number in range(500):
        database.put(f"small-{number}", {"number": number})
    for name, body in HONEST.items():
        database.put(name, body)


@pytest.mark.parametrize("too_large", [MANY_VALUES, LONG], ids=["values", "bytes"])
def test_pushed_documents_that_are_too_large_are_refused(tmp_path: Path, too_large: dict[str, Any]) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            fill(ours, too_large)
            async with listening({"log": theirs}, **SMALL) as listener:
                followed = Followed(ours, url(listener), pull=False)
                status = await followed.replicator.run()
                assert status.problem is None
                assert followed.replicator.failures["too-large"].code == 413
                assert status.progress.pushed == 500 + len(HONEST)
            assert theirs.get("too-large") is None
            assert {name: theirs.get(name).body for name in HONEST} == json.loads(json.dumps(HONEST))  # type: ignore[union-attr]

    run(main())


@pytest.mark.parametrize("too_large", [MANY_VALUES, LONG], ids=["values", "bytes"])
def test_pulled_documents_that_are_too_large_are_refused(tmp_path: Path, too_large: dict[str, Any]) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            fill(theirs, too_large)
            async with listening({"log": theirs}) as listener:
                followed = Followed(ours, url(listener), push=False, **SMALL)
                status = await followed.replicator.run()
                assert status.problem is None
                assert followed.replicator.failures["too-large"].code == 413
                assert status.progress.pulled == 500 + len(HONEST)
                again = Followed(ours, url(listener), push=False, **SMALL)
                assert (await again.replicator.run()).progress.pulled == 0

    run(main())
