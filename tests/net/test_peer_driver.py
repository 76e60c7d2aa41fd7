"""A driver runs a peer on a transport, and wakes the peer when the store changes.

A full transport buffer pauses the peer, and an error ends only this peer.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.net import store_watch
from sync.net.peer_driver import PeerDriver
from sync.net.store_watch import watch
from sync.peer import limits
from sync.peer.active import ActiveOptions, ActivePeer
from sync.peer.passive import PassiveOptions, PassivePeer
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Ledger
from sync.peer.session import Session
from sync.replication.checkpoint_id import Peer
from sync.replication.messages import GetCheckpoint
from sync.store import Database
from tests.net.wire import run
from tests.peer.rig import databases


class Memory:
    """In-memory transport that is connected to a second one."""

    remote = "memory"
    silence = 0.0
    unwritten = 0

    def __init__(self) -> None:
        self.bytes_received = self.bytes_sent = 0
        self.is_writable = True
        self.other: Memory | None = None
        self.receiver: PeerDriver | None = None
        self.frames_sent = 0
        self.closes: list[tuple[int, str]] = []
        self.is_over = False
        self._line: list[bytes] = []

    def send(self, frame: bytes) -> None:
        assert self.is_writable
        if not self.is_over:
            self._line.append(frame)
            self.frames_sent += 1
            self.bytes_sent += len(frame)

    def flush(self) -> None:
        frames, self._line = self._line, []
        if frames and self.other is not None:
            asyncio.get_running_loop().call_soon(self.other._deliver, frames)

    def pause(self) -> None:
        raise NotImplementedError

    resume = pause

    def close(self, code: int = 1000, reason: str = "") -> None:
        assert not self.closes, "closed twice"
        self.closes.append((code, reason))
        self.flush()
        problem = None if code in {1000, 1001} else Problem(Domain.WEBSOCKET, code, reason)
        for end in (self, self.other):
            if end is not None:
                asyncio.get_running_loop().call_soon(end._end, problem)

    def abort(self) -> None:
        self.close(1006)

    def _deliver(self, frames: list[bytes]) -> None:
        if not self.is_over and self.receiver is not None:
            self.bytes_received += sum(map(len, frames))
            self.receiver.frames(frames)

    def _end(self, problem: Problem | None) -> None:
        if not self.is_over:
            self.is_over = True
            assert self.receiver is not None
            self.receiver.closed(problem)


class Pair:
    """Active and passive peer with their drivers, connected by in-memory transports."""

    def __init__(self, ours: Database, theirs: Database, *, continuous: bool = True) -> None:
        clock = asyncio.get_running_loop().time
        self.here, self.there = Memory(), Memory()
        self.here.other, self.there.other = self.there, self.here
        self.ends: list[Problem | None] = []
        self.over = asyncio.Event()
        self.active = ActivePeer(
            Session(clock=clock),
            ours,
            ActiveOptions(peer=Peer.address("theirs"), continuous=continuous),
            Ledger(),
        )
        self.passive = PassivePeer(Session(clock=clock), theirs, PassiveOptions(), Ledger())
        self.link = self.here.receiver = PeerDriver(self.active, self.here, over=self._ended)
        self.other_link = self.there.receiver = PeerDriver(self.passive, self.there)

    def start(self) -> None:
        self.active.start()
        self.link.run()

    async def ended(self) -> Problem | None:
        await self.over.wait()
        return self.ends[0]

    def _ended(self, problem: Problem | None) -> None:
        self.ends.append(problem)
        self.over.set()


async def until(database: Database, condition: Callable[[], bool]) -> None:
    """Check a condition after each change in the store, and wait until it is true."""
    changed = asyncio.Event()
    end = watch(database, changed, changed.set)
    try:
        while not condition():
            changed.clear()
            await changed.wait()
    finally:
        end()


def test_nudges_run_a_peer_once_and_never_after_its_link_is_closed(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            pair = Pair(ours, theirs)
            turns: list[float] = []
            turn, loop = pair.active.turn, asyncio.get_running_loop()

            def counted() -> None:
                turns.append(loop.time())
                turn()

            pair.active.turn = counted  # type: ignore[method-assign]
            for _ in range(3):
                pair.active.session.nudge()
            assert turns == []
            await asyncio.sleep(0)
            assert len(turns) == 1
            pair.link.close()
            await pair.ended()
            turns.clear()
            pair.active.session.nudge()
            await asyncio.sleep(0)
            assert turns == []

    run(main())


def test_change_by_another_connection_wakes_a_continuous_replication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_watch, "ASK_EVERY", 0.01)

    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            pair = Pair(ours, theirs)
            pair.start()
            ours.put("first", {})
            await until(theirs, lambda: theirs.get("first") is not None)
            with Database.open(ours.path) as elsewhere:
                elsewhere.put("second", {})
                await until(theirs, lambda: theirs.get("second") is not None)
            with Database.open(theirs.path) as elsewhere:
                elsewhere.put("third", {})
                await until(ours, lambda: ours.get("third") is not None)
            pair.link.close()
            assert await pair.ended() is None

    run(main())


def test_one_shot_ends_by_itself_with_an_ordinary_close(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            ours.put("a", {})
            theirs.put("b", {})
            pair = Pair(ours, theirs, continuous=False)
            pair.start()
            assert await pair.ended() is None
            assert pair.here.closes == [(1000, "")]
            assert ours.count() == theirs.count() == 2

    run(main())


def test_nothing_is_sent_until_the_transport_is_writable(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            with theirs.transaction():
                for number in range(3000):
                    theirs.put(f"d-{number}", {"n": number})
            pair = Pair(ours, theirs)
            pair.start()
            await until(ours, lambda: ours.count() > 0)
            pair.there.is_writable = False
            sent = pair.there.frames_sent
            ours.put("mine", {})
            for _ in range(100):  # iterations of the event loop, during which all other work continues
                await asyncio.sleep(0)
            assert pair.there.frames_sent == sent
            assert ours.count() < 3000
            queued = pair.passive.session.connection.queued
            assert queued <= limits.MESSAGES_QUEUED + limits.LISTS_AWAITING + limits.REVISIONS_AWAITING
            pair.there.is_writable = True
            pair.other_link.writable()
            await until(ours, lambda: ours.count() == 3001)
            await until(theirs, lambda: theirs.get("mine") is not None)
            pair.link.close()
            await pair.ended()

    run(main())


def test_internal_error_ends_only_its_own_link_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        with databases(tmp_path, "ours", "theirs", "third") as (ours, theirs, third):
            pair, sound = Pair(ours, theirs), Pair(third, theirs)

            def fails(*_: object) -> None:
                raise ZeroDivisionError("a fault")

            pair.passive.session.handle(GetCheckpoint, fails)
            with caplog.at_level(logging.ERROR):
                pair.start()
                sound.start()
                problem = await pair.ended()
            assert problem is not None
            assert problem.code == 1011
            assert pair.there.closes == [(1011, "internal error")]
            assert pair.here.closes == []
            own = pair.passive.session.problem
            assert own is not None
            assert "internal error" in own.text
            assert [record.exc_info is not None for record in caplog.records] == [True]
            assert "internal error" in caplog.text
            third.put("d", {})
            await until(theirs, lambda: theirs.get("d") is not None)
            sound.link.close()
            await sound.ended()

    run(main())


def test_frames_that_break_the_protocol_close_with_a_code_and_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            pair = Pair(ours, theirs)
            pair.other_link.frames([b"\xff" * 20])
            await pair.ended()
            ((code, reason),) = pair.there.closes
            assert code > 1000
            assert reason
            assert all(record.exc_info is None for record in caplog.records)

    run(main())


def test_end_is_reported_once_and_all_resources_are_released(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            pair = Pair(ours, theirs)
            pair.start()
            ours.put("d", {})
            await until(theirs, lambda: theirs.get("d") is not None)
            lost = Problem(Domain.WEBSOCKET, 1006, "gone")
            for link in (pair.link, pair.other_link):
                link.closed(lost)
                link.closed(None)
                assert link._timer is None or link._timer.cancelled()
                assert link.is_closed
            assert pair.ends == [lost]
            assert ours not in store_watch._watches
            assert theirs not in store_watch._watches
            sent = pair.here.frames_sent
            pair.link.run()
            pair.link.writable()
            pair.link.frames([b"anything"])
            assert pair.here.frames_sent == sent
            assert pair.ends == [lost]

    run(main())


def test_deadline_timer_is_cancelled_at_the_end(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            pair = Pair(ours, theirs)
            pair.start()
            ours.put("d", {})
            await until(theirs, lambda: theirs.get("d") is not None)
            for _ in range(1000):  # iterations of the event loop, until the reply has arrived
                if pair.link._timer is not None:
                    break
                await asyncio.sleep(0)
            timer = pair.link._timer  # the checkpoint is due in a few seconds
            assert timer is not None
            assert not timer.cancelled()
            pair.link.close()
            await pair.ended()
            assert timer.cancelled()

    run(main())
