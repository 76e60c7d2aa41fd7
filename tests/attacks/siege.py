"""A vessel under attack, with a real recorder and sync daemon, and the limits that they must not exceed.

The limits for small attacks are generous, because small attacks run in parallel with other tests on few
processors. Full attacks run alone. Their limits are those in Logboat's documentation.
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
"""Limit for the peak memory of the sync daemon, in MiB."""
PACE_S: Final = 0.6
"""Pause in seconds after a round with a new connection. A user may store only two checkpoints a second."""
UNPACED: Final = USER_REVISIONS // 2
"""Number of rounds after which the client pauses between rounds, to stay within its daily quota."""
PASSWORD: Final = "correct horse"
GOOD: Final = "bridge"
"""Name of the well-behaved user, who has the crew's rights to read and write."""
CREW: Final = "mate"
"""Name of an attacking user, who has the same rights as the well-behaved user."""
GUEST: Final = "guest"
"""Name of a user who may read only alarms."""
FRIENDS: Final = (CREW, "cook", "boy")
"""Names of the users with the crew's rights who take part in attacks by several users."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """Size of an attack, and the limits that the vessel must not exceed during the attack."""

    is_full: bool

    def pick(self, small: T, full: T) -> T:
        """Return the argument for this size: `small` for a small attack, or `full` for a full attack."""
        return full if self.is_full else small

    @property
    def worst_s(self) -> float:
        """Time limit for each round of the well-behaved client, in seconds."""
        return 0.5 if self.is_full else 5.0

    @property
    def commit_ms(self) -> float:
        """Limit for the 99.9th percentile of the duration of the recorder's commits, in milliseconds."""
        return 100.0 if self.is_full else 5_000.0


@dataclass(frozen=True, slots=True)
class Report:
    """Measurements of a vessel during an attack."""

    times: Times
    """Durations of the client's rounds during the attack and shortly after."""
    most_mib: float
    """Peak memory of the sync daemon since its start, in MiB (VmHWM)."""
    left_mib: float
    """Memory of the sync daemon after the attack, in MiB (VmRSS)."""
    before_mib: float
    """Memory of the sync daemon before the attack, in MiB."""
    commit: dict[str, float]
    """Statistics of the recorder's commits: `count`, and `median`, `p999` and `longest` in milliseconds."""
    facts: Facts
    """Observations that the attack reported."""

    def __str__(self) -> str:
        return (
            f"{self.times}; sync daemon {self.before_mib:.0f} MiB before, {self.most_mib:.0f} at most, "
            f"{self.left_mib:.0f} left; {self.commit['count']:g} commits, 99.9 % within "
            f"{self.commit['p999']:.1f} ms; {self.facts}"
        )

    def assert_held(self, size: Size) -> None:
        """Assert that the client's rounds, the recorder's commits and the memory are within their limits."""
        assert self.most_mib <= MEMORY_MIB, str(self)
        assert self.times.worst <= size.worst_s, str(self)
        assert self.commit["p999"] <= size.commit_ms, str(self)


class Siege:
    """The vessel argo under attack, with its running daemons."""

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
        """Run an attack, measure the client's rounds until the attack has ended, and return the measurements.

        Args:
            attack: Attack to run.
            least: Minimum number of rounds, counted from the beginning of the attack.
            after: Minimum number of rounds after the end of the attack.
            arrivals: True to open a new connection in each round instead of using open connections.
            meanwhile: Coroutine function that runs at the same time, and is cancelled after the last round.
        """
        report = asyncio.run(self._under(attack, least, after, arrivals, meanwhile))
        print(f"\n  {report}", flush=True)
        self.assert_sound()
        return report

    def assert_sound(self) -> None:
        """Assert that both daemons are still running, and that the sync daemon has logged no traceback."""
        assert self.sync.pid == self._pid
        assert self.sync.is_running, self.sync.log[-3000:]
        assert "Traceback" not in self.sync.log, self.sync.log[-3000:]
        assert self.recorder.is_running
        assert not self.recorder.has_hung_up, self.recorder.log[-3000:]

    @property
    def resident_mib(self) -> tuple[float, float]:
        """Current and peak memory of the sync daemon, in MiB."""
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
    """Receive the attacker's messages during the block. At its end, raise an error if the attack failed."""
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
    """Return the `[[user]]` table of a user for `logboat.toml`."""
    stored = users.make_hash(PASSWORD, os.urandom(16))
    return "\n".join([f"[[user]]\nname = '{name}'\npassword_hash = '{stored}'", *more, ""])


@contextmanager
def besieged(
    folder: Path, *, toml: str = "", prepare: Callable[[Path], Any] | None = None
) -> Iterator[Siege]:
    """Yield the vessel argo with a running recorder and sync daemon.

    `prepare` is called with the data folder before the daemons start. The vessel has the users GOOD, GUEST
    and FRIENDS. The fleet has a second vessel, brigid, whose identity the attackers have stolen.
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
