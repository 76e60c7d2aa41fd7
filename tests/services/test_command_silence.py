"""`logboat silence` stops the sound of alarms for some minutes, and changes nothing else."""

import json
from typing import Any

import pytest

from services.state import state_file

from . import documents as build
from .appliance import Appliance, logboat
from .test_command_views import SYNCED

__all__ = ["logboat"]  # fixture

NOW = "2025-10-10T12:40:00.200Z"


def silences(logboat: Appliance) -> list[dict[str, Any]]:
    """Return the silences in the store."""
    done = logboat("db", "ls", str(logboat.store), "--prefix", "silence:", "--json")
    names = [json.loads(line)["id"] for line in done.lines]
    return [logboat("db", "get", str(logboat.store), name).json for name in names]


def sirens(logboat: Appliance, **more: Any) -> None:
    """Write the state of a lights daemon that has a siren."""
    state = build.lights_state(build.live_output(**more))
    state_file.write(state_file.path(logboat.run_folder, "lights"), state)


def test_silence_is_stored_with_its_alarm_person_and_times(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(17))
    done = logboat("silence", "17", "--for", "5m", "--by", "ben")
    assert (done.status, done.err) == (0, "")
    assert done.out == "alarm 17: silenced by ben for 5 min, until 2025-10-10 12:45:00Z\n"
    (found,) = silences(logboat)
    assert found == {
        "type": "silence",
        "vessel": "argo",
        "channels": ["alarms", "vessel.argo"],
        "sensor": "rpm",
        "log": "abcdef",
        "sequence": 17,
        "severity": "alarm",
        "who": "ben",
        "begins": NOW,
        "ends": "2025-10-10T12:45:00.200Z",
        "for": 300.0,
        "trust": "synced",
    }


def test_silenced_alarm_is_not_acknowledged(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(17))
    logboat("silence")
    (alarm,) = logboat("alarms", "--json").json["alarms"]
    assert alarm["phase"] == "active-unacknowledged"


def test_without_an_id_all_audible_alarms_are_silenced(logboat: Appliance) -> None:
    seen = [{"who": "anna", "when": "2025-10-09T10:00:00Z"}]
    logboat.put(
        SYNCED,
        build.alarm(1),
        build.alarm(2, sensor="oil"),
        build.alarm(3, sensor="water", acks=seen),
        build.alarm(4, sensor="fuel", cleared=200),
    )
    done = logboat("silence")
    assert done.out == "2 alarms: silenced by anna for 10 min, until 2025-10-10 12:50:00Z\n"
    assert [found["sequence"] for found in silences(logboat)] == [2, 1]


def test_silencing_again_rewrites_the_silence(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(17))
    logboat("silence", "17")
    logboat.clock.utc += 60
    assert logboat("silence", "17", "--for", "30s").status == 0
    (found,) = silences(logboat)
    assert (found["begins"], found["for"]) == ("2025-10-10T12:41:00.200Z", 30.0)


def test_alarm_can_be_silenced_again_after_its_silence(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(17))
    logboat("silence", "--for", "1m")
    done = logboat("silence")
    assert (done.status, done.err) == (
        1,
        "logboat: no alarm of argo is audible; those that are active are already silenced\n",
    )
    logboat.clock.utc += 60
    assert logboat("silence").status == 0


def test_emergency_is_not_silenced_together_with_lesser_alarms(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(1), build.alarm(2, sensor="smoke", severity="emergency"))
    done = logboat("silence")
    assert done.lines[0].startswith("1 alarm: silenced by anna")
    assert done.lines[1] == "1 alarm is still audible; to silence it: logboat silence"
    assert [found["severity"] for found in silences(logboat)] == ["alarm"]
    assert logboat("silence", "--json").json["alarms"] == ["alarm:argo:smoke:abcdef:000000000002"]


def test_alarm_that_becomes_more_severe_can_be_silenced_again(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(1, severity="warn"))
    logboat("silence")
    logboat.put(build.alarm(1, severity="emergency"))
    assert logboat("silence").status == 0
    assert [found["severity"] for found in silences(logboat)] == ["emergency"]


def test_flood_is_silenced_with_one_command_and_one_line(logboat: Appliance) -> None:
    logboat.put(SYNCED, *(build.alarm(1, sensor=f"s{number}") for number in range(1000)))
    done = logboat("silence")
    assert done.lines == ["1 000 alarms: silenced by anna for 10 min, until 2025-10-10 12:50:00Z"]


def test_alarms_of_other_vessels_are_silenced_only_if_they_sound_here(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(1), build.alarm(2, vessel="brigid"))
    assert logboat("silence", "--json").json["alarms"] == ["alarm:argo:rpm:abcdef:000000000001"]
    done = logboat("silence")
    assert done.status == 1
    logboat.clock.utc += 3600
    sirens(logboat, neighbours=True)
    assert len(logboat("silence", "--json").json["alarms"]) == 2


def test_alarms_of_another_vessel_can_be_chosen(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(2, vessel="brigid"))
    assert logboat("silence").err == (
        "logboat: no alarm of argo is audible; to silence those of brigid: logboat silence --vessel brigid\n"
    )
    done = logboat("silence", "--vessel", "brigid", "--json")
    assert done.json["alarms"] == ["alarm:brigid:rpm:abcdef:000000000002"]
    assert logboat("silence", "2").status == 0


def test_json_states_what_is_silenced_and_what_still_sounds(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(1), build.alarm(2, sensor="oil"))
    assert logboat("silence", "1", "--for", "90s", "--json").json == {
        "format": "logboat.silence/1",
        "alarms": ["alarm:argo:rpm:abcdef:000000000001"],
        "who": "anna",
        "until": "2025-10-10T12:41:30.200Z",
        "seconds": 90.0,
        "audible": ["alarm:argo:oil:abcdef:000000000002"],
    }


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["99"], 2, "unknown alarm '99'"),
        (["5"], 2, "is ambiguous; it matches"),
        (["7"], 1, "alarm 7 does not sound, because it is acknowledged"),
        (["8"], 1, "alarm 8 does not sound, because it is cleared"),
        (["--for", "soon"], 2, "--for 'soon' is not a duration; write a time such as 10m or 30s"),
        (["--for", "0s"], 2, "--for '0s' is out of range; write a time from 1 s to 30 min, or acknowledge"),
        (["--for", "31m"], 2, "--for '31m' is out of range; write a time from 1 s to 30 min, or acknowledge"),
        (["--by", " "], 2, "--by must not be empty"),
        (["--vessel", "careen"], 2, "unknown vessel 'careen'"),
    ],
)
def test_wrong_usage_is_explained(
    logboat: Appliance, arguments: list[str], status: int, sentence: str
) -> None:
    seen = [{"who": "anna", "when": "2025-10-09T10:00:00Z"}]
    logboat.put(
        SYNCED,
        build.alarm(5, sensor="a"),
        build.alarm(5, sensor="b"),
        build.alarm(7, acks=seen),
        build.alarm(8, cleared=200),
    )
    done = logboat("silence", *arguments)
    assert (done.status, done.out) == (status, "")
    assert sentence in done.err
    assert not silences(logboat)


def test_absence_of_alarms_is_a_failure(logboat: Appliance) -> None:
    logboat.put(SYNCED)
    done = logboat("silence")
    assert (done.status, done.err) == (1, "logboat: no alarm of argo is audible\n")


def test_silence_states_whether_the_clock_is_set(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(17))
    for logboat.is_clock_synced, trust in ((True, "synced"), (False, "unsynced")):
        logboat("silence", "17")
        assert silences(logboat)[0]["trust"] == trust


def unfolded(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())


def test_list_of_alarms_says_which_are_silenced_and_until_when(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(1), build.alarm(2, sensor="oil"), build.alarm(3, sensor="water"))
    logboat("silence", "1", "--for", "5m")
    done = logboat("alarms")
    (row,) = [line for line in done.lines if "silenced until" in line and line.startswith("1 ")]
    assert "ACTIVE, silenced until 2025-10-10 12:45:00Z" in row
    assert done.lines[-2] == "2 audible, 1 silenced until 2025-10-10 12:45:00Z"
    found = {alarm["short"]: alarm["silencedUntil"] for alarm in logboat("alarms", "--json").json["alarms"]}
    assert found == {"1": "2025-10-10T12:45:00.200Z", "2": None, "3": None}
    logboat.clock.utc += 300
    assert "silenced" not in logboat("alarms").out


def test_status_counts_audible_and_silenced_alarms(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(1), build.alarm(2, sensor="oil"), build.alarm(3, sensor="water"))
    logboat.live()
    logboat("silence", "1", "--for", "5m")
    logboat("silence", "2", "--for", "6m")
    silenced = "2 silenced, the first until 2025-10-10 12:45:00Z"
    assert f"3 active, 3 not acknowledged, 1 audible, {silenced}; most" in unfolded(logboat("status").out)
    counts = logboat("status", "--json").json["alarms"]
    assert (counts["audible"], counts["silenced"]) == (1, 2)
    logboat.clock.utc += 360
    counts = logboat("status", "--json").json["alarms"]
    assert (counts["audible"], counts["silenced"]) == (3, 0)


def test_top_says_which_alarms_are_silenced(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(1), build.alarm(2, sensor="oil"))
    logboat.live()
    logboat("silence", "1", "--for", "5m")
    done = logboat("top", "--plain", "--once")
    assert "is ACTIVE and silenced until 2025-10-10 12:45:00Z" in unfolded(done.out)


def test_flood_of_alarms_is_counted_and_not_listed(logboat: Appliance) -> None:
    logboat.put(SYNCED, *(build.alarm(1, sensor=f"s{number}") for number in range(1000)))
    logboat.live()
    done = logboat("alarms")
    assert len(done.lines) < 110
    assert "and 900 more alarms: logboat alarms --all" in done.lines
    assert len(logboat("alarms", "--all").lines) > 1000
    assert len(logboat("alarms", "--json").json["alarms"]) == 1000
    assert "1000 active, 1000 not acknowledged" in unfolded(logboat("status").out)
    logboat("silence")
    assert "0 audible, 1 000 silenced until 2025-10-10 12:50:00Z" in unfolded(logboat("status").out)
