"""Checkpoints and notes of guests and crew never cause the removal of a vessel's readings."""

import json
from functools import partial
from pathlib import Path

from services.console.stores import open_store
from services.documents import retention
from sync.blip.frames import FrameKind
from sync.documents import POLICY, reading_prefix
from sync.store import Database
from sync.store.checkpoints import LARGEST, MOST_BYTES
from tests.services import documents as build

from .attacker import Begun, Facts, Target
from .intruder import Intruder
from .siege import CREW, GUEST, MEMORY_MIB, Size, besieged

BUDGET = 12_000_000
OLD = "oldlog"
READINGS = 300


def filled(data: Path) -> None:
    """Store readings of the vessel from an earlier log."""
    data.mkdir(parents=True, exist_ok=True)
    with Database.open(data / "log.db", policy=POLICY) as database, database.transaction():
        build.write(database, build.boot(1, log=OLD))
        for number in range(READINGS):
            document_id, body = build.reading(*range(10), first=10 * number + 1, log=OLD)
            database.put(document_id, body | {"padding": "x" * 10_000})


def kept(data: Path) -> int:
    with open_store(data / "log.db") as database:
        return database.count(reading_prefix("argo", "rpm", OLD))


async def hoard(target: Target, begun: Begun, *, count: int) -> Facts:
    """Store many large checkpoints as a guest, and many large notes as a crew member."""
    guest, crew = await Intruder.enter(target, GUEST), await Intruder.enter(target, CREW)
    begun()
    sizes = (256 * 1024 - 100, LARGEST - 100)
    for number in range(count):
        body = b'{"remote":"%s"}' % (b"x" * sizes[number % 2])
        asked = guest.ask({"Profile": "setCheckpoint", "client": f"cp-{number}"}, body, compressed=True)
        await guest.answered(asked)
        text = b'{"type":"note","vessel":"argo","channels":["notes"],"text":"%s"}' % (b"x" * 200_000)
        note = {"Profile": "rev", "id": f"note:argo:{number:026d}", "rev": "1-abc", "sequence": "1"}
        asked = crew.ask(note, text, compressed=True)
        await crew.answered(asked)
    return {
        "checkpoints": sum(kind is FrameKind.RESPONSE for kind in guest.replies.values()),
        "notes": sum(kind is FrameKind.RESPONSE for kind in crew.replies.values()),
        "over": guest.is_over or crew.is_over,
    }


def test_data_from_guests_and_crew_displaces_no_history(tmp_path: Path, size: Size) -> None:
    count = size.pick(60, 200)
    with besieged(tmp_path, toml=f"[retention]\nbudget = '{BUDGET} B'\n", prepare=filled) as siege:
        report = siege.under(partial(hoard, count=count))
        assert not report.facts["over"]
        assert report.facts["checkpoints"] == count // 2
        data = siege.sync.folder / "data"
        for _ in range(2):  # retention runs at each start
            assert siege.recorder.stop() == 0
            siege.recorder.start()
            siege.recorder.wait_for_lines(20)
            siege.recorder.wait_for_state(lambda state: state.get("storage") is not None)
            assert kept(data) == READINGS
        with open_store(data / "log.db") as database:
            of_guest = [found for found in database.checkpoints.all() if found.owner == f"user:{GUEST}"]
            assert sum(found.size for found in of_guest) <= MOST_BYTES
            assert of_guest or size.is_full, (
                "large ones go first when the crew's notes are more than its share"
            )
            assert retention.bytes_by_owner(database, "argo", {OLD}).total <= BUDGET
        assert report.most_mib <= MEMORY_MIB, str(report)
        assert report.times.worst <= size.worst_s, str(report)


def test_checkpoints_of_a_user_can_be_listed_and_dropped(tmp_path: Path) -> None:
    with besieged(tmp_path) as siege:
        siege.under(partial(hoard, count=6), least=1, after=1)
        store = str(siege.sync.folder / "data" / "log.db")
        listed = siege.sync.logboat("db", "checkpoints", store, "--of", f"user:{GUEST}", places=False).stdout
        assert [line.split()[:2] for line in listed.splitlines()] == [
            [f"cp-{number}", f"user:{GUEST}"] for number in (1, 3, 5)
        ]
        siege.sync.logboat("db", "checkpoints", store, "--of", f"user:{GUEST}", "--drop", places=False)
        left = siege.sync.logboat("db", "checkpoints", store, places=False).stdout
        assert GUEST not in left


async def flood(target: Target, begun: Begun, *, count: int) -> Facts:
    """Send notes that compress very well, and one note above the size limit, as a crew member."""
    crew = await Intruder.enter(target, CREW)
    begun()
    text = b"x" * 250_000
    huge = crew.ask(_note(count), _body(b"x" * 300_000), compressed=True)
    await crew.answered(huge)
    for number in range(count):
        await crew.answered(crew.ask(_note(number), _body(text), compressed=True))
    kinds = [crew.replies[number] for number in sorted(crew.replies)]
    return {
        "taken": kinds.count(FrameKind.RESPONSE),
        "refused": kinds.count(FrameKind.ERROR),
        "huge": b"413" in crew.bodies[huge],
        "last": crew.bodies[max(crew.bodies)].decode(errors="replace"),
        "over": crew.is_over,
    }


def _note(number: int) -> dict[str, str]:
    return {"Profile": "rev", "id": f"note:argo:{number:026d}", "rev": "1-abc", "sequence": "1"}


def _body(text: bytes) -> bytes:
    return b'{"type":"note","vessel":"argo","channels":["notes"],"text":"%s"}' % text


def test_user_is_limited_to_a_daily_quota_and_named_in_the_status(tmp_path: Path, size: Size) -> None:
    """Without a quota, 148 kB of compressed messages would use 150 MB on every card in the fleet."""
    count = size.pick(40, 600)
    with besieged(tmp_path, toml=f"[retention]\nbudget = '{BUDGET} B'\n") as siege:
        report = siege.under(partial(flood, count=count))
        facts = report.facts
        assert facts["huge"]
        assert not facts["over"]
        assert 16 <= facts["taken"] <= 21  # notes of 250 kB, with a limit of 4 MB a day
        assert facts["taken"] + facts["refused"] == count + 1
        assert "429" in facts["last"]
        assert f"user:{CREW} has used its daily quota" in facts["last"]
        state = siege.sync.until(lambda state: state.get("quotas"))
        (quota,) = state["quotas"]
        assert (quota["owner"], quota["measure"]) == (f"user:{CREW}", "bytes")
        shown = siege.sync.logboat("status").stdout
        assert f"REJECTED: user {CREW} has used its daily limit of 4 MB" in " ".join(shown.split())
        (told,) = json.loads(siege.sync.logboat("status", "--json").stdout)["quotas"]
        assert told["owner"] == f"user:{CREW}"
        assert report.most_mib <= MEMORY_MIB, str(report)
        assert report.times.worst <= size.worst_s, str(report)
