"""A vessel under attack, its recorder and sync daemon as real processes, and the limits that it must keep.

If many tests run on few processors, the time limits are generous. If the attacks run alone, the limits are
those that Logboat promises.
"""

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from services.syncd.daily_quotas import USER_REVISIONS
from sync.fleet import users
from tests.bench.recorder import resident_kib
from tests.faults import loads
from tests.faults.processes import RecorderProcess
from tests.services.syncing import Fleet, SyncProcess

from . import rounds
from .attacker import Attack, Attacker, Facts, Target, attacker
from .rounds import Times

MEMORY_MIB: Final = 120
"""Largest amount of memory in MiB that the sync daemon may ever use."""
PACE_S: Final = 0.6
"""Seconds between two arrivals, because a user's checkpoints are written at most twice a second."""
UNPACED: Final = USER_REVISIONS // 2
"""Number of rounds that are not paced. More would use up the good user's daily quota in a long attack."""
PASSWORD: Final = "correct horse"
GOOD: Final = "bridge"
"""User who may read and write everything that the crew may; the good client."""
CREW: Final = "mate"
"""User with the same rights as the good client, who attacks the vessel."""
GUEST: Final = "guest"
"""User who may read alarms and nothing else."""
FRIENDS: Final = (CREW, "cook", "boy")
"""Users with the crew's rights, for attacks by several users."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """Size of an attack, and the limits that the vessel must keep under it."""

    is_full: bool

    def pick(self, small: T, full: T) -> T:
        """Return `small` or `full`, whichever belongs to this size."""
        return full if self.is_full else small

    @property
    def worst_s(self) -> float:
        """Longest permitted duration of a good client's round, in seconds."""
        return 0.5 if self.is_full else 5.0

    @property
    def commit_ms(self) -> float:
        """Milliseconds within which 99.9 % of the recorder's commits must be durable."""
        return 100.0 if self.is_full else 5_000.0


@dataclass(frozen=True, slots=True)
class Report:
    """Measurements taken while the vessel was under attack."""

    times: Times
    """Times of the good client's rounds, from the beginning of the attack until the daemon was idle again."""
    most_mib: float
    """Peak memory of the sync daemon since its start (VmHWM)."""
    left_mib: float
    """Memory of the sync daemon at the end (VmRSS)."""
    before_mib: float
    """Memory of the sync daemon before the attack."""
    commit: dict[str, float]
    """Statistics of the recorder's commits: count; median, p999 and longest in milliseconds."""
    facts: Facts
    """Observations that the attack returned."""

    def __str__(self) -> str:
        return (
            f"{self.times}; sync daemon {self.before_mib:.0f} MiB before, {self.most_mib:.0f} at most, "
            f"{self.left_mib:.0f} left; {self.commit['count']:g} commits, 99.9 % within "
            f"{self.commit['p999']:.1f} ms; {self.facts}"
        )

    def assert_held(self, size: Size) -> None:
        """Fail unless the good client, the recorder and the memory are within their limits."""
        assert self.most_mib <= MEMORY_MIB, str(self)
        assert self.times.worst <= size.worst_s, str(self)
        assert self.commit["p999"] <= size.commit_ms, str(self)


class Siege:
    """The vessel argo, for the duration of a test."""

    def __init__(self, folder: Path, sync: SyncProcess, recorder: RecorderProcess, target: Target) -> None:
        self.folder, self.sync, self.recorder, self.target = folder, sync, recorder, target
        self._pid = sync.pid
        self._sieges = 0

    def under(
        self,
        attack: Attack,
        *,
        least: int = 20,
        after: int = 5,
        arrivals: bool = False,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> Report:
        """Run an attack, and time the good client's rounds until it is over.

        Args:
            attack: the attack to run.
            least: minimum number of rounds from the beginning of the attack.
            after: minimum number of rounds after the end of the attack.
            arrivals: True to time rounds that connect first, instead of rounds on open connections.
            meanwhile: coroutine that is awaited at the same time, until the end.
        """
        report = asyncio.run(self._under(attack, least, after, arrivals, meanwhile))
        print(f"\n  {report}", flush=True)
        self.assert_sound()
        return report

    def assert_sound(self) -> None:
        """Fail unless the daemon is still the one that was started and has logged no error of its own."""
        assert self.sync.pid == self._pid
        assert self.sync.is_running, self.sync.log[-3000:]
        assert "Traceback" not in self.sync.log, self.sync.log[-3000:]
        assert self.recorder.is_running
        assert not self.recorder.has_hung_up, self.recorder.log[-3000:]

    @property
    def resident_mib(self) -> tuple[float, float]:
        """Return the present and the peak memory of the sync daemon in MiB."""
        now, most = resident_kib(self._pid)
        return now / 1024, most / 1024

    async def _under(
        self,
        attack: Attack,
        least: int,
        after: int,
        arrivals: bool,
        meanwhile: Callable[[], Awaitable[None]] | None,
    ) -> Report:
        self._sieges += 1
        times = Times()
        folder = self.folder / f"good-{self._sieges}"
        folder.mkdir()
        async with rounds.good_client(folder, self.target, GOOD) as client:

            async def once() -> float:
                return await (rounds.arrive(folder, self.target, GOOD) if arrivals else client.round())

            beside = None if meanwhile is None else asyncio.ensure_future(meanwhile())
            before = self.resident_mib[0]
            with attacker(attack, self.target) as running, _heard(running):
                while not running.has_begun:
                    await client.round()
                left = after
                while left or len(times.each) < least:
                    times.each.append(await once())
                    if arrivals or len(times.each) > UNPACED:
                        await asyncio.sleep(PACE_S)
                    left = left - 1 if running.is_done and left else after if not running.is_done else left
                facts = running.facts
            if beside is not None:
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)
        state = self.recorder.wait_for_state(lambda state: state.get("commit") is not None)
        now, most = self.resident_mib
        return Report(times, most, now, before, state["commit"], facts)


@contextmanager
def _heard(running: Attacker) -> Iterator[None]:
    """Receive the attacker's news as it arrives; if the attack failed, raise its failure at the end."""
    loop = asyncio.get_running_loop()
    failed: list[AssertionError] = []

    def hear() -> None:
        try:
            running.hear()
        except AssertionError as error:
            failed.append(error)
            running.has_begun = running.is_done = True
        if running.is_done:
            loop.remove_reader(running.fileno())

    loop.add_reader(running.fileno(), hear)
    try:
        yield
    finally:
        loop.remove_reader(running.fileno())
    if failed:
        raise failed[0]


def user(name: str, *more: str) -> str:
    """Return a user's table for the configuration."""
    stored = users.make_hash(PASSWORD, os.urandom(16))
    return "\n".join([f"[[user]]\nname = '{name}'\npassword_hash = '{stored}'", *more, ""])


@contextmanager
def besieged(
    folder: Path, *, toml: str = "", prepare: Callable[[Path], Any] | None = None
) -> Iterator[Siege]:
    """Yield a vessel that records and takes part in the mesh.

    `prepare` is called with the data folder before the daemons start. The users GOOD, CREW, GUEST and FRIENDS
    exist, and so does a vessel brigid, whose identity attackers have.
    """
    fleet, home = Fleet(), folder / "argo"
    everybody = dict.fromkeys((GOOD, CREW, GUEST, *FRIENDS))
    told = [user(name) for name in everybody if name != GUEST]
    told.append(user(GUEST, "access = 'read-only'", "channels = ['alarms']"))
    with ExitStack() as stack:
        sync = stack.enter_context(SyncProcess(home, toml="".join(told) + toml, popen=subprocess.Popen))
        identity = fleet.identity(sync.identity)
        other = folder / "brigid"
        fleet.identity(other, "brigid")
        tables = [*loads.simulated(5, rate_hz=1.0), loads.flapping(home, "flap", rate_hz=20.0)]
        (home / "sensors.toml").write_text("\n".join(tables))
        if prepare is not None:
            prepare(sync.folder / "data")
        recorder = stack.enter_context(RecorderProcess(home))
        recorder.start()
        recorder.wait_for_lines(20)
        sync.start()
        sync.until(lambda state: state.get("port"))
        target = Target(sync.port, identity.fingerprint, PASSWORD, other)
        siege = Siege(folder, sync, recorder, target)
        yield siege
        siege.assert_sound()
        assert sync.stop() == 0
        assert recorder.stop() == 0
