"""A vessel under attack, with a real recorder and sync daemon, and the limits that it must not exceed.

Small attacks have generous limits, because they run in parallel with other tests on few processors. Full
attacks run alone, with the limits that Logboat's documentation states.
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
"""Maximum memory, in MiB, that the sync daemon may use at any time."""
PACE_S: Final = 0.6
"""Pause in seconds after each connection, because a user may write only two checkpoints a second."""
UNPACED: Final = USER_REVISIONS // 2
"""Number of rounds without a pause, so that a long attack does not use up the client's daily quota."""
PASSWORD: Final = "correct horse"
GOOD: Final = "bridge"
"""Name of the well-behaved client, a user with the crew's rights to read and write."""
CREW: Final = "mate"
"""Name of the attacking user, who has the same rights as the well-behaved client."""
GUEST: Final = "guest"
"""Name of a user who may read only alarms."""
FRIENDS: Final = (CREW, "cook", "boy")
"""Names of users with the crew's rights, for attacks by several users."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """Size of an attack, and the limits that the vessel must not exceed during the attack."""

    is_full: bool

    def pick(self, small: T, full: T) -> T:
        """Return `small` for a small attack, and `full` for a full attack."""
        return full if self.is_full else small

    @property
    def worst_s(self) -> float:
        """Maximum duration of a round of the well-behaved client, in seconds."""
        return 0.5 if self.is_full else 5.0

    @property
    def commit_ms(self) -> float:
        """Time in milliseconds within which 99.9 % of the recorder's commits must be durable."""
        return 100.0 if self.is_full else 5_000.0


@dataclass(frozen=True, slots=True)
class Report:
    """Measurements from a vessel during an attack."""

    times: Times
    """Durations of the client's rounds, from the beginning of the attack until the rounds after its end."""
    most_mib: float
    """Peak memory of the sync daemon since its start, in MiB (VmHWM)."""
    left_mib: float
    """Memory of the sync daemon at the end, in MiB (VmRSS)."""
    before_mib: float
    """Memory of the sync daemon before the attack, in MiB."""
    commit: dict[str, float]
    """Statistics of the recorder's commits: `count`, and `median`, `p999` and `longest` in milliseconds."""
    facts: Facts
    """Observations that the attack returned."""

    def __str__(self) -> str:
        return (
            f"{self.times}; sync daemon {self.before_mib:.0f} MiB before, {self.most_mib:.0f} at most, "
            f"{self.left_mib:.0f} left; {self.commit['count']:g} commits, 99.9 % within "
            f"{self.commit['p999']:.1f} ms; {self.facts}"
        )

    def assert_held(self, size: Size) -> None:
        """Raise AssertionError if the client's rounds, the commits or the memory exceed their limits."""
        assert self.most_mib <= MEMORY_MIB, str(self)
        assert self.times.worst <= size.worst_s, str(self)
        assert self.commit["p999"] <= size.commit_ms, str(self)


class Siege:
    """Vessel argo with its running daemons, for the duration of a test."""

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
        """Run an attack, and time the client's rounds until the attack is over.

        Args:
            attack: the attack to run.
            least: minimum number of rounds from the beginning of the attack.
            after: minimum number of rounds after the end of the attack.
            arrivals: True to include connecting in each round, instead of using open connections.
            meanwhile: coroutine function that runs at the same time, and is cancelled after the last round.
        """
        report = asyncio.run(self._under(attack, least, after, arrivals, meanwhile))
        print(f"\n  {report}", flush=True)
        self.assert_sound()
        return report

    def assert_sound(self) -> None:
        """Raise AssertionError if a daemon has stopped, or the sync daemon has logged a traceback."""
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
    """Receive the attacker's messages as they arrive. If the attack failed, raise its error at the end."""
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
    """Return a user's table for `logboat.toml`."""
    stored = users.make_hash(PASSWORD, os.urandom(16))
    return "\n".join([f"[[user]]\nname = '{name}'\npassword_hash = '{stored}'", *more, ""])


@contextmanager
def besieged(
    folder: Path, *, toml: str = "", prepare: Callable[[Path], Any] | None = None
) -> Iterator[Siege]:
    """Yield a vessel whose recorder and sync daemon are running.

    `prepare` is called with the data folder before the daemons start. The users GOOD, CREW, GUEST and FRIENDS
    exist. The vessel brigid exists too, and attackers have its identity.
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
