"""A simulated satellite receiver, and a simulated system clock that it sets."""

from datetime import UTC, datetime

from services.clocks.kernel_clock import KernelClock
from services.gnss.discipline import Pulse
from services.gnss.nmea import sentence
from services.gnss.station import Station

IMAGE = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
NOW = datetime(2027, 11, 5, 12, tzinfo=UTC).timestamp()
DEVICE = "/dev/ttyACM0"


def rmc(utc: float, *, status: str = "A", mode: str = "A") -> bytes:
    moment = datetime.fromtimestamp(utc, UTC)
    time = f"{moment:%H%M%S}.{moment.microsecond // 10_000:02d}"
    return sentence(f"GPRMC,{time},{status},5400.0,N,01000.0,E,0.0,0.0,{moment:%d%m%y},,,{mode}")


def gga(utc: float, *, quality: int = 1, satellites: int = 9) -> bytes:
    moment = datetime.fromtimestamp(utc, UTC)
    return sentence(f"GPGGA,{moment:%H%M%S}.00,5400.0,N,01000.0,E,{quality},{satellites:02d},1.0,0,M,0,M,,")


def gsv(satellites: int) -> bytes:
    return sentence(f"GPGSV,1,1,{satellites:02d}")


class SystemClock:
    """Simulated system clock with its kernel state. Only `pass_time` advances the clock."""

    def __init__(self, utc: float, *, at: float = 1_000.0, may_set: bool = True) -> None:
        self.utc, self.at, self.may_set = utc, at, may_set
        self.is_synced, self.max_error = False, 16.0
        self.calls: list[tuple[str, float]] = []

    def read(self) -> KernelClock:
        return KernelClock(self.is_synced, self.max_error)

    def step(self, by_s: float, *, uncertainty_s: float) -> None:
        self._set("step", by_s, uncertainty_s)
        self.utc += by_s

    def slew(self, by_s: float, *, uncertainty_s: float) -> None:
        self._set("slew", by_s, uncertainty_s)
        self.utc += by_s

    def confirm(self, *, uncertainty_s: float) -> None:
        self._set("confirm", 0.0, uncertainty_s)

    def by_network(self) -> None:
        """Synchronise the clock, as a network time service would."""
        self.is_synced, self.max_error = True, 0.0

    def pass_time(self, seconds: float) -> None:
        self.at += seconds
        self.utc += seconds
        if self.is_synced:
            self.max_error += seconds * 500e-6
            self.is_synced = self.max_error < 16.0

    def _set(self, how: str, by: float, uncertainty: float) -> None:
        if not self.may_set:
            raise PermissionError(1, "Operation not permitted")
        self.calls.append((how, by))
        self.is_synced, self.max_error = True, uncertainty


class Boat:
    """Simulated receiver and system clock. True time advances independently of the system clock."""

    def __init__(self, *, shows: float = IMAGE, has_pps: bool = False, may_set: bool = True) -> None:
        self.clock = SystemClock(shows, may_set=may_set)
        self.true = NOW
        self.has_pps, self._pulses = has_pps, 0
        self.station = self.restart()

    def restart(self, set_before: tuple[float, float] | None = None) -> Station:
        self.station = Station(
            DEVICE,
            image=IMAGE,
            setter=self.clock,
            utc=lambda: self.clock.utc,
            has_pps=self.has_pps,
            set_before=set_before,
        )
        self.station.opened(self.clock.at)
        return self.station

    def send(self, data: bytes, *, delay: float = 0.1, pulse: bool = False) -> None:
        """Advance time by one second, during which the receiver sends `data` after `delay` seconds."""
        self._pulses += 1
        mark = Pulse(self._pulses, self.clock.utc) if pulse else None
        self._pass(delay)
        self.station.receive(data, at=self.clock.at, pulse=mark)
        self._pass(1 - delay)

    def run(self, seconds: int, *, error: float = 0.0, pulse: bool = False, delay: float = 0.1) -> None:
        """Advance time, with one fix per second. The time in each fix is wrong by `error` seconds."""
        for _ in range(seconds):
            self.send(rmc(self.true + error) + gga(self.true), pulse=pulse, delay=delay)

    def silence(self, seconds: float) -> None:
        self._pass(seconds)

    @property
    def deviation(self) -> float:
        """Deviation of the system clock from true time, in seconds."""
        return self.clock.utc - self.true

    @property
    def fault(self) -> str | None:
        found = self.station.summary(self.clock.at).fault
        return None if found is None else found.name

    @property
    def words(self) -> str:
        return self.station.summary(self.clock.at).words

    def _pass(self, seconds: float) -> None:
        self.true += seconds
        self.clock.pass_time(seconds)
