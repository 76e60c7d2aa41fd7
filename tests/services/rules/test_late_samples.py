"""A sample that is accepted late, after a slow commit, hides no alarm whose delay expired before it."""

from pathlib import Path

import pytest

from sensors.alarm_rules import OtherSensor
from tests.services.recorder_builders import FakeClock, journal, recording, sample, settings

from .builders import rule

HOT = {"above": 5.0, "raise_after_s": 10.0}
WHILE = OtherSensor("engine", "engine above 1 Hz", above=1.0)


@pytest.mark.parametrize("ends", ["rpm", "engine"])
def test_delay_that_expired_before_a_late_sample_raises_the_alarm(ends: str, tmp_path: Path) -> None:
    """The last sample ends the condition: that of the sensor, or that of the sensor in `while`."""
    clock = FakeClock(ms=100_000)
    hot = settings(alarms=[rule(**HOT, other=WHILE)])
    with journal(tmp_path / "samples.db", "rpm", "engine") as opened:
        made = recording(opened, clock, hot, settings("engine"))
        made.accept(sample(2.0, 100_000, sensor="engine"))
        made.accept(sample(6.0, 100_000))
        made.commit()
        clock.advance(15_000)
        made.accept(sample(0.0, 111_000, sensor=ends))
        made.commit()
        episode = opened.sensors["rpm"].episode
        assert episode is not None
        assert (episode.raised_ms, episode.cleared_ms) == (110_000, 111_000)


def test_condition_that_ended_in_time_raises_no_alarm_however_late_its_samples_are(tmp_path: Path) -> None:
    clock = FakeClock(ms=100_000)
    with journal(tmp_path / "samples.db") as opened:
        made = recording(opened, clock, settings(alarms=[rule(**HOT)]))
        made.accept(sample(6.0, 100_000))
        clock.advance(15_000)
        made.accept(sample(0.0, 109_999))
        made.elapse()
        made.commit()
        assert opened.sensors["rpm"].episode is None
