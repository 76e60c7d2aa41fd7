"""Causes each fault in the troubleshooting table, and removes the fault afterwards."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from services.state import crash_loops
from sync.fleet import names
from tests.faults.disks import Disk
from tests.gateway.broker import Broker
from tests.services.syncing import Fleet

from .board import FULL
from .ship import SENSORS, Ship

DECADES_S: Final = 1.7e9
USUAL: Final = 300
"""Code of the converter when there is no fault."""


@dataclass
class Scene:
    """The vessel under test and the vessels around it."""

    folder: Path
    fleet: Fleet
    ship: Ship
    other: Ship | None = None
    broker: Broker | None = None
    disk: Disk | None = None


Plant = Callable[[Scene], contextlib.AbstractContextManager[None]]
"""Function that returns a context manager. The fault exists while the context is active."""
PLANTS: Final[dict[str, Plant]] = {}


def plant(name: str) -> Callable[[Callable[[Scene], Iterator[None]]], Plant]:
    """Register the decorated function for this row of the troubleshooting table."""

    def add(make: Callable[[Scene], Iterator[None]]) -> Plant:
        PLANTS[name] = contextlib.contextmanager(make)
        return PLANTS[name]

    return add


def _hangs(daemon: str) -> Callable[[Scene], Iterator[None]]:
    def hang(scene: Scene) -> Iterator[None]:
        scene.ship.send(daemon, signal.SIGSTOP)
        yield
        scene.ship.send(daemon, signal.SIGCONT)

    return hang


def _killed(daemon: str) -> Callable[[Scene], Iterator[None]]:
    def kill(scene: Scene) -> Iterator[None]:
        scene.ship.kill(daemon)
        yield
        scene.ship.start(daemon)

    return kill


for _name, _daemon in (("recorder", "record"), ("sync", "sync"), ("lights", "lights")):
    plant(f"{_name}-hang{'' if _name == 'lights' else 's'}")(_hangs(_daemon))
    plant(f"{_name}-killed")(_killed(_daemon))


@plant("sensor-unplugged")
def unplugged(scene: Scene) -> Iterator[None]:
    scene.ship.board.set_channel(FULL)
    yield
    scene.ship.board.set_channel(USUAL)


@plant("sensor-shorted")
def shorted(scene: Scene) -> Iterator[None]:
    scene.ship.board.set_channel(0)
    yield
    scene.ship.board.set_channel(USUAL)


@plant("output-fails")
def output_fails(scene: Scene) -> Iterator[None]:
    """Configure a siren on the simulated board, which has no GPIO chip."""
    siren = '\n[[output]]\nid = "siren"\npin = 23\non = ["alarm"]\n'
    scene.ship.sensors.write_text(SENSORS + siren)
    scene.ship.restart("lights")
    yield
    scene.ship.sensors.write_text(SENSORS)
    scene.ship.restart("lights")


@plant("clock-wrong")
def clock_wrong(scene: Scene) -> Iterator[None]:
    scene.ship.board.set_clock(slow=DECADES_S, source="floor")
    yield
    scene.ship.board.set_clock()


@plant("gateway-stopped")
def gateway_stopped(scene: Scene) -> Iterator[None]:
    assert scene.broker is not None
    scene.broker.kill()
    yield
    scene.broker.start()


@plant("peer-cut")
def peer_cut(scene: Scene) -> Iterator[None]:
    """Stop the peer without an mDNS goodbye, to simulate that it is out of radio range."""
    assert scene.other is not None
    scene.other.send("sync", signal.SIGSTOP)
    yield
    scene.other.send("sync", signal.SIGCONT)


@plant("sensors-toml-broken")
def sensors_broken(scene: Scene) -> Iterator[None]:
    scene.ship.sensors.write_text(SENSORS.replace("5 Hz", "fast"))
    scene.ship.restart("record")
    yield
    scene.ship.sensors.write_text(SENSORS)
    scene.ship.restart("record")


@plant("certificate-expired")
def expired(scene: Scene) -> Iterator[None]:
    """Install an expired certificate, and restore the valid one at the end."""
    folder, kept = scene.ship.identity, scene.folder / "kept"
    shutil.copytree(folder, kept, dirs_exist_ok=True)
    made = scene.fleet.ca.issue(
        "argo",
        hosts=[names.host("argo")],
        uri=names.uri(scene.fleet.name, "argo"),
        end=datetime.now(UTC) - timedelta(days=2),
    )
    made.save(folder / "vessel.pem", folder / "vessel.key")
    yield
    for name in ("vessel.pem", "vessel.key"):
        shutil.copy(kept / name, folder / name)


@plant("vessel-cloned")
def cloned(scene: Scene) -> Iterator[None]:
    """Run a second vessel with a copy of the card, on another board."""
    with Ship(scene.folder / "clone", scene.fleet, number="of the clone") as clone:
        shutil.copytree(scene.ship.identity, clone.identity, dirs_exist_ok=True)
        clone.start("sync")
        yield
    shutil.rmtree(clone.folder)
    scene.ship.restart("sync")


@plant("daemon-restless")
def restless(scene: Scene) -> Iterator[None]:
    """Record past exits of a daemon as systemd would, early enough that the fault soon clears."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    for second in range(crash_loops.MANY):
        began = now - crash_loops.OVER_AFTER_S + 12 - crash_loops.MANY + second
        crash_loops.record_exit(scene.ship.run, "radio", "exit status 1", clock=began)
    yield


@plant("card-nearly-full")
def nearly_full(scene: Scene) -> Iterator[None]:
    assert scene.disk is not None
    ballast = scene.disk.seen.parent / "nearly"
    found = os.statvfs(scene.disk.seen)
    size = found.f_frsize * (found.f_bavail - found.f_blocks * 4 // 100)
    subprocess.run(["fallocate", "-l", str(size), str(ballast)], check=True)
    yield
    ballast.unlink()


@plant("card-full")
def full(scene: Scene) -> Iterator[None]:
    """Fill the disk repeatedly until the recorder has used up its reserved space and reports a full disk."""
    assert scene.disk is not None
    scene.disk.fill()
    deadline = time.monotonic() + 60
    while scene.ship.lights().get("record", ("", ""))[0] != "fast blink" and time.monotonic() < deadline:
        scene.disk.fill()
        time.sleep(0.05)  # until the recorder has used up its reserve
    yield
    scene.disk.make_room()
