"""The daemons of a vessel are killed with SIGKILL while alarm rules are active. No alarm differs for it.

The vessel has a siren and a linked vessel, whose crew acknowledges alarms.
"""

import random
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from sensors.config.loader import load_sensors
from sync import documents
from sync.documents import DocumentType
from sync.fleet.acknowledgements import acknowledge
from sync.store import Database
from tests.polling import wait_until
from tests.services.outputs.vessel import OUTPUT, Vessel
from tests.services.rules.plain_model import PlainModel, Powered
from tests.services.syncing import Fleet, SyncProcess

from . import proof
from .test_alarm_rules import samples_in

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600), pytest.mark.wall_clock]

KILLS: Final = 20
"""Number of times that each daemon is killed."""
DELAY_MS: Final = 500
"""Longest time after which a busy recorder processes a sample, or notices that a delay has ended."""
STEP_MS: Final = 25
"""Interval at which the model's states are computed."""
LEAST_MS: Final = 300
"""Duration of an alarm that a recorder that processes samples late still raises: that of several samples."""
AFTERWARDS_MS: Final = 10_000
"""Maximum time after the last sample in which the recorder was still running."""
RATE_HZ: Final = 10
NEVER: Final = {"clock": 1e12}

CONTACT = """
[[sensor]]
id = "{name}"
kind = "replay"
file = "{name}.csv"
repeat = true
path = "bilge.{name}.state"
unit = "bool"
window = "10 s"
alarm = [{rules}]
"""
NUMBER = """
[[sensor]]
id = "{name}"
kind = "replay"
file = "{name}.csv"
repeat = true
path = "propulsion.{name}.revolutions"
window = "10 s"
deadband = "{deadband} Hz"
alarm = [{rules}]
"""
CONTACTS: Final = {
    "pump": """
        { starts_above = 2, per = "4 s", severity = "warn" },
        { runs_longer = "1500 ms", severity = "alarm" }""",
    "bilge": """
        { runs_above = "3 s", per = "6 s", severity = "alert" },
        { idle_for = "2 s", severity = "warn" }""",
    "float": """
        { when = "active", for = "500 ms", clear_for = "700 ms", severity = "emergency" }""",
}
NUMBERS: Final = {
    "hot": """
        { above = "50 Hz", hysteresis = "5 Hz", for = "1 s", severity = "warn" },
        { rises_faster = "30 Hz", per = "2 s", severity = "alarm" }""",
    "oil": """
        { below = "30 Hz", while = "hot above 40 Hz", severity = "emergency" }""",
}


def write_sensors(folder: Path, rng: random.Random) -> str:
    """Write recordings for all sensors, and return their tables."""
    folder.mkdir(parents=True)
    tables = ""
    for name, rules in CONTACTS.items():
        values = [float(value) for _ in range(40) for value in [rng.random() < 0.5] * rng.randrange(1, 15)]
        _write(folder, name, f"bilge.{name}.state", values)
        tables += CONTACT.format(name=name, rules=rules)
    for name, rules in NUMBERS.items():
        values, value = [], 35.0
        for _ in range(300):
            value = min(max(value + rng.uniform(-9, 9), 0.0), 80.0)
            values.append(round(value, 1))
        _write(folder, name, f"propulsion.{name}.revolutions", values)
        tables += NUMBER.format(name=name, rules=rules, deadband=5)
    return tables


def _write(folder: Path, name: str, path: str, values: list[float]) -> None:
    rows = "".join(f"{number / RATE_HZ:.3f},{path},{value}\n" for number, value in enumerate(values))
    (folder / f"{name}.csv").write_text(f"time,path,value\n{rows}")


@contextmanager
def store(folder: Path) -> Iterator[Database]:
    """Open a vessel's document store beside its daemons."""
    with Database.open(
        folder / "data" / "log.db", policy=documents.POLICY, announce=folder / "run" / "watchers"
    ) as database:
        yield database


def alarms_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the bodies of all alarms in a vessel's store."""
    with store(folder) as database:
        return {found.id: found.body for found in database.documents(f"{DocumentType.ALARM}:")}


def acknowledge_one(folder: Path, rng: random.Random, who: str) -> set[tuple[str, str]]:
    """Acknowledge one of the latest alarms in a vessel's store, if there is one, and return it with `who`."""
    with store(folder) as database:
        found = list(database.documents(f"{DocumentType.ALARM}:", reverse=True, limit=50))
        if not found:
            return set()
        chosen = rng.choice(found).id
        acknowledge(database, chosen, who=who, when="2026-10-09T10:00:00.000Z")
    return {(chosen, who)}


def assert_alarms_are_those_of_the_model(folder: Path) -> int:
    """Compare the alarms at each recorded sample. Return the number of comparisons."""
    sensors = load_sensors(folder / "sensors.toml")
    samples = samples_in(folder / "data")
    model = PlainModel(sensors, {1: Powered(0, None)}, samples)
    history = proof.read(folder / "data")
    compared = 0
    for sensor in sensors:
        spans = sorted(
            (round(body["raised"]["clock"] * 1000), round((body["cleared"] or NEVER)["clock"] * 1000))
            for (name, _), found in history.alarms.items()
            if name == sensor.id
            for body in found.values()
        )
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
        for sample in samples[sensor.id]:
            at = sample.clock_ms
            is_raised = any(begin <= at < end for begin, end in spans)
            nearby = sorted(range(-DELAY_MS, DELAY_MS + 1, STEP_MS), key=abs)
            states = ((model.severity(sensor.id, at + by) is not None) for by in nearby)
            assert is_raised in states, (sensor.id, sample)
            compared += 1
        if samples[sensor.id]:
            times = [sample.clock_ms for sample in samples[sensor.id]]
            assert_each_has_a_counterpart(spans, raised_times(model, sensor.id, times), times)
    return compared


def raised_times(model: PlainModel, sensor: str, samples: Sequence[int]) -> list[tuple[int, int]]:
    """Return the begin and the end of each alarm of the model, in milliseconds, at intervals of `STEP_MS`.

    `samples` are the times of the sensor's samples.
    """
    times = range(samples[0], samples[-1] + AFTERWARDS_MS, STEP_MS)
    found = groupby(times, key=lambda at: model.severity(sensor, at) is not None)
    runs = [[*run] for is_raised, run in found if is_raised]
    return [(run[0], run[-1] + STEP_MS) for run in runs]


def assert_each_has_a_counterpart(
    recorded: list[tuple[int, int]], expected: list[tuple[int, int]], samples: Sequence[int]
) -> None:
    """Fail if the model lacks a recorded alarm, or if one of the model of at least `LEAST_MS` is missing.

    The recorder can raise an alarm later than the model, but not earlier. It raises no alarm that would have
    begun and ended between two samples, while it was not running. `samples` are the times of the samples.
    """
    for begin, end in expected:
        has_sample = any(begin < at < end - STEP_MS for at in samples)
        if has_sample and end - begin >= LEAST_MS and begin < samples[-1] - DELAY_MS:
            late = end + DELAY_MS
            assert any(begin - STEP_MS <= each <= late or each < begin < until for each, until in recorded)
    for begin, end in recorded:
        is_instant = end - begin < STEP_MS  # the end of a run at the very moment at which it becomes too long
        assert is_instant or any(
            each - STEP_MS <= end and begin - DELAY_MS <= until for each, until in expected
        )


def test_alarms_are_the_same_after_kills_of_each_daemon(tmp_path: Path, rng: random.Random) -> None:
    fleet, name = Fleet(), f"brigid-{secrets.token_hex(4)}"
    tables = write_sensors(tmp_path / "argo", rng)
    with (
        SyncProcess(tmp_path / "argo") as sync,
        SyncProcess(tmp_path / "brigid", vessel=name) as brigid,
        Vessel(tmp_path / "argo", sensors=tables, output=OUTPUT) as argo,
    ):
        with (argo.folder / "logboat.toml").open("a") as config:
            config.write(f'[listener]\nport = {sync.port}\ninterfaces = ["lo"]\n')
        fleet.identity(sync.identity)
        fleet.identity(brigid.identity, name)
        (brigid.folder / "data").mkdir()
        acks: set[tuple[str, str]] = set()
        argo.start_recorder()
        argo.start_lights()
        sync.start()
        brigid.start()
        brigid.until(lambda state: [peer["state"] for peer in state["peers"]] == ["linked"])
        seen: set[str] = set()
        for _ in range(KILLS):
            for daemon in rng.sample(("recorder", "sync", "lights"), 3):
                time.sleep(rng.uniform(0.0, 1.5))
                match daemon:
                    case "recorder":
                        argo.recorder.kill()
                        argo.recorder.start()
                        argo.recorder.listen(rng.uniform(0.3, 7.0))
                    case "sync":
                        sync.kill()
                        sync.start()
                    case "lights":
                        argo.kill_lights()
                        argo.start_lights()
                for folder, who in ((argo.folder, "anna"), (brigid.folder, "ben")):
                    acks |= acknowledge_one(folder, rng, who)
                now = alarms_in(argo.folder).keys()
                assert seen <= now
                seen = set(now)
        argo.recorder.wait_for_lines(300)
        assert argo.recorder.stop() == 0
        wait_until(
            lambda: alarms_in(argo.folder) == alarms_in(brigid.folder),
            lambda: f"the alarms of both vessels are the same; argo says: {sync.log[-2000:]}",
            within=110.0,
        )
        assert sync.stop() == 0
        assert brigid.stop() == 0
    proof.assert_sound(argo.folder / "data")
    found = alarms_in(argo.folder)
    for document_id, who in acks:
        assert who in {ack["who"] for ack in found[document_id]["acks"]}
    compared = assert_alarms_are_those_of_the_model(argo.folder)
    print(
        f"{3 * KILLS} kills, {len(found)} alarms, {len(acks)} acknowledgements, {compared} samples compared"
    )
