"""Commands show sensors, readings, alarms and the completeness of the history as text and as JSON."""

import csv
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensors.state import SensorState
from services.clocks.clock_quality import Anchor
from services.clocks.time_source import TimeSource
from services.documents import retention
from services.history.completeness import REMOVED_HERE
from services.system.control_socket import SOCKET, Addition, ControlAnswer, ControlServer
from sync.documents import POLICY
from sync.store import Database

from . import documents as build
from .appliance import Appliance, logboat
from .documents import UTC, network

__all__ = ["logboat"]

SYNCED = build.boot(1, network(0, UTC))


class TestStatus:
    def test_status_shows_that_the_vessel_records_and_the_last_commit(self, logboat: Appliance) -> None:
        logboat.put(build.vessel(), SYNCED, build.reading(1))
        logboat.live()
        done = logboat("status")
        assert done.status == 0
        assert done.lines[0] == "argo (SY Argo), log abcdef, boot 1"
        assert "recording      yes; last commit 700 ms ago, 12 345 samples" in done.out
        assert "set by the network, ± 20 ms" in done.out
        assert "12 GB free of 32 GB" in done.out
        assert "3 changes" in done.out
        assert "to do" not in done.out

    @pytest.mark.parametrize(
        ("identity", "words"),
        [
            ({"fleet": None, "fault": None}, "none; this vessel belongs to no fleet"),
            ({"fleet": "north", "fault": None}, "member of fleet north"),
            ({"fleet": None, "fault": "it is gone"}, "WRONG, boot documents are not signed: it is gone"),
        ],
    )
    def test_status_shows_the_vessels_fleet(
        self, logboat: Appliance, identity: dict[str, object], words: str
    ) -> None:
        logboat.put(SYNCED)
        logboat.live(identity=identity)
        assert f"identity       {words}" in logboat("status").out

    def test_status_shows_that_the_recorder_is_not_running(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.equipment(30.0))
        done = logboat("status")
        assert "NO: the recorder is not running" in done.out
        assert "recorder.json does not exist" in done.out
        assert "1 sensor, all good; last known state" in done.out
        assert done.lines[-1].startswith("to do: start the recorder")

    def test_ended_process_does_not_count_as_a_recorder(self, logboat: Appliance) -> None:
        logboat.live()
        logboat.living.clear()
        assert "NO: the recorder is not running (last update 200 ms ago)" in logboat("status").out

    @pytest.mark.parametrize(
        ("boottime", "words"),
        [(100_060.0, "no update for 1 min"), (50.0, "no update since this boot")],
    )
    def test_old_state_file_does_not_count_as_a_recorder(
        self, logboat: Appliance, boottime: float, words: str
    ) -> None:
        logboat.live()
        logboat.clock.boottime = boottime
        assert words in logboat("status").out

    def test_state_file_of_another_version_does_not_count_as_a_recorder(self, logboat: Appliance) -> None:
        (logboat.run_folder / "recorder.json").write_text('{"version": 99}')
        assert "recorder.json cannot be read" in logboat("status").out
        (logboat.run_folder / "recorder.json").write_text('{"version": 1, "pid": "x"}')
        assert "is not valid" in logboat("status").out

    def test_daemons_that_are_not_running_are_named(self, logboat: Appliance) -> None:
        assert "daemons        NOT RUNNING: recorder, sync daemon" in logboat("status").out
        logboat.live()
        assert "daemons        good" in logboat("status").out

    def test_name_that_equals_the_id_is_said_once(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        logboat.live(sensors={"rpm": build.live_sensor(None, name="rpm", state="open")})
        assert "check the wiring of rpm: open" in logboat("status").lines[-1]

    def test_missing_store_does_not_hide_other_facts(self, logboat: Appliance) -> None:
        logboat.live()
        done = logboat("status")
        assert done.status == 0
        assert "yes; last commit" in done.out
        assert "store          NO:" in done.out
        assert not logboat.store.exists()

    def test_json_output_has_all_facts(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm())
        logboat.live()
        found = logboat("status", "--json").json
        assert (found["vessel"], found["running"], found["recording"]) == ("argo", True, True)
        assert found["alarms"]["holding"] == 1
        assert found["recorder"]["lastDurable"]["samples"] == 12_345
        assert found["toDo"].startswith("deal with the alarm: alarm, Overspeed")

    def test_json_output_has_the_reason_for_not_recording(self, logboat: Appliance) -> None:
        logboat.live(fault="the card is full", recording=False)
        found = logboat("status", "--json").json
        assert (found["running"], found["recording"], found["whyNot"]) == (True, False, "the card is full")

    def test_warning_about_the_file_in_force_is_shown(self, logboat: Appliance) -> None:
        logboat.put(build.boot())
        logboat.live(warnings=["sensors.toml:6: 95 without a unit means 95 K"])
        done = logboat("status")
        assert "configuration  in use, with a warning: sensors.toml:6: 95 without a unit" in done.out
        assert "make the meaning clear in the file in use: sensors.toml:6" in " ".join(done.out.split())

    def test_wrong_configuration_is_reported_when_no_recorder_runs(self, logboat: Appliance) -> None:
        logboat.configure('[vessel]\nid = "argo"\nmmsi = 7\n')
        done = logboat("status")
        assert "configuration  WRONG: logboat.toml:3" in done.out
        assert done.lines[-1].startswith("to do: correct the configuration")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (
                {"fault": "the card is full", "recording": False},
                "fix this first, nothing is being recorded",
            ),
            ({"documents": "the disk is read-only"}, "check the document store: the disk is read-only"),
            ({"copies": "they cannot be written"}, "check the card (recording continues): they cannot be"),
            ({"problems": ["sensors.toml:3: bad pin"]}, "correct the configuration: sensors.toml:3: bad pin"),
            ({"storage": {"free": 1e9, "total": 32e9, "budget": 9, "used": 8}}, "free up space"),
            (
                {"sensors": {"rpm": build.live_sensor(None, state="open", detail="2.97 V is above 2.9 V")}},
                "check the wiring of rpm (Main engine): open, 2.97 V is above 2.9 V",
            ),
            (
                {
                    "sensors": {
                        "used": build.live_sensor(None, state="failed", kind="derived", detail="rpm is open"),
                        "rpm": build.live_sensor(None, state="open"),
                    }
                },
                "check the wiring of rpm (Main engine): open",
            ),
            (
                {
                    "sensors": {
                        "used": build.live_sensor(None, state="stale", kind="derived", detail="b is old")
                    }
                },
                "check the sensors from which used (Main engine) is computed: stale, b is old",
            ),
            ({"clock": {"source": "floor", "uncertainty": 0.0}}, "set the clock"),
            (
                {"identity": {"fault": "vessel.key: gone"}},
                "correct the vessel's identity: vessel.key: gone",
            ),
        ],
    )
    def test_last_line_is_the_most_important_action(
        self, logboat: Appliance, changes: dict[str, object], words: str
    ) -> None:
        logboat.put(SYNCED)
        logboat.live(**changes)
        assert words in logboat("status").lines[-1]

    def test_bilge_alarm_comes_before_everything_else(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm(text="Water in the main bilge"))
        logboat.live(fault="the card is full", recording=False)
        assert "deal with the alarm: alarm, Water in the main bilge" in logboat("status").lines[-1]

    def test_acknowledged_alarm_is_not_urged_again(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm(acks=[{"who": "anna", "when": "2025-10-09T10:00:00Z"}]))
        logboat.live()
        done = logboat("status")
        assert "1 active, 0 not acknowledged" in done.out
        assert "to do" not in done.out


class TestSensors:
    def test_live_values_are_formatted_as_sailors_expect(self, logboat: Appliance) -> None:
        logboat.live(
            sensors={
                "rpm": build.live_sensor(30.0, alarm="warn"),
                "fuel": build.live_sensor(
                    None, unit="ratio", path="tanks.fuel.main.currentLevel", state="open", detail="3.1 V"
                ),
            }
        )
        done = logboat("sensors")
        assert done.status == 0
        rows = {line.split()[0]: line for line in done.lines[2:]}
        assert "1800 rpm" in rows["rpm"]
        assert "700 ms" in rows["rpm"]
        assert "1/s" in rows["rpm"]
        assert "warn active" in rows["rpm"]
        assert "OPEN: 3.1 V" in rows["fuel"]

    def test_without_recorder_documents_are_shown_and_marked_as_old(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.equipment(30.0, clock=99_000.2))
        done = logboat("sensors")
        assert "the recorder is not running" in done.out
        assert "showing the last values in documents" in done.out
        assert "1800 rpm" in done.out
        assert "16 min 40 s" in done.out

    def test_json_output_has_si_values_and_whether_they_are_live(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.equipment(30.0))
        found = logboat("sensors", "--json").json
        assert (found["live"], found["sensors"][0]["value"]) == (False, 30.0)
        logboat.live()
        found = logboat("sensors", "--json").json
        assert (found["live"], found["sensors"][0]["age"]) == (True, pytest.approx(0.7))

    def test_sensors_of_another_vessel_are_shown_as_far_as_received(self, logboat: Appliance) -> None:
        logboat.live()
        logboat.put(build.equipment(12.0, vessel="brigid"))
        done = logboat("sensors", "--vessel", "brigid")
        assert "720 rpm" in done.out
        assert "another vessel's" in done.out

    def test_unknown_vessel_is_wrong_usage(self, logboat: Appliance) -> None:
        logboat.put(build.equipment())
        done = logboat("sensors", "--vessel", "brigid")
        assert (done.status, done.err) == (
            2,
            "logboat: unknown vessel 'brigid'; known vessels: argo\n",
        )

    def test_watching_continues_and_shows_changes(self, logboat: Appliance) -> None:
        logboat.live()
        logboat.sleep = lambda _: logboat.live(sensors={"rpm": build.live_sensor(40.0)})
        done = logboat("sensors", "--watch", "--count", "2", "--json")
        assert [json.loads(line)["sensors"][0]["value"] for line in done.lines] == [30.0, 40.0]

    def test_watching_ends_with_ctrl_c(self, logboat: Appliance) -> None:
        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        logboat.live()
        logboat.sleep = interrupt
        done = logboat("sensors", "--watch")
        assert (done.status, done.err) == (0, "")

    def test_invalid_document_does_not_hide_others(self, logboat: Appliance) -> None:
        logboat.put(build.equipment(30.0), ("equipment:argo:zzz", {"type": "equipment", "\x1b": 1}))
        done = logboat("sensors")
        assert "1800 rpm" in done.out
        assert "skipped: equipment:argo:zzz" in done.out


class TestLog:
    def test_csv_has_time_number_value_unit_and_quality(self, logboat: Appliance) -> None:
        states = {1: SensorState.OPEN, 2: SensorState.NOISY}
        logboat.put(SYNCED, build.reading(30.25, None, 31, states=states))
        assert logboat("log", "rpm", "--csv").lines == [
            "time,seq,value,unit,quality",
            "2025-10-09T08:55:00.000Z,1,30.25,Hz,good",
            "2025-10-09T08:55:01.000Z,2,,Hz,open",
            "2025-10-09T08:55:02.000Z,3,31,Hz,noisy",
        ]

    def test_csv_preserves_every_value_exactly(self, logboat: Appliance) -> None:
        values = [0.1, 1 / 3, 1e-300, 12_345_678_901.25, -0.0]
        logboat.put(SYNCED, build.reading(*values))
        rows = list(csv.DictReader(logboat("log", "rpm", "--csv").lines))
        assert [float(row["value"]) for row in rows] == values

    def test_contacts_are_1_and_0(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.reading(True, False, unit="bool", path="bilge.main.highWater"))
        rows = list(csv.DictReader(logboat("log", "rpm", "--csv").lines))
        assert [row["value"] for row in rows] == ["1", "0"]

    def test_readings_are_ordered_by_number_whatever_the_clock_showed(self, logboat: Appliance) -> None:
        """Readings are dated 1970, then correctly, then 1970 again. Anchors are added later."""
        logboat.put(
            build.boot(1, network(5_000, UTC + 5_000)),
            build.boot(2, network(0, UTC + 6_000), previous_end=(1, 5_000)),
            build.reading(1, 2, utc=0.0, synced=False),
            build.reading(3, 4, first=3, boot=2, start=1, utc=UTC + 6_000),
        )
        rows = list(csv.DictReader(logboat("log", "rpm", "--csv").lines))
        assert [row["seq"] for row in rows] == ["1", "2", "3", "4"]
        assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
        assert rows[0]["time"] == "2025-10-09T08:55:00.000Z"

    def test_unknown_times_are_marked_as_estimates(self, logboat: Appliance) -> None:
        floor = Anchor(0.0, UTC, TimeSource.FLOOR, 0.0)
        logboat.put(build.boot(1, floor), build.reading(1, utc=0.0, synced=False))
        done = logboat("log", "rpm", "--csv")
        assert "the times of 1 sample of argo are estimates or limits" in done.err
        wide = list(csv.DictReader(logboat("log", "rpm", "--csv", "--wide").lines))
        assert (wide[0]["trust"], wide[0]["uncertainty"], wide[0]["boot"]) == ("after", "", "1")
        assert "after 2025-10-09" in logboat("log", "rpm").out

    def test_range_applies_to_corrected_times(self, logboat: Appliance) -> None:
        hours = (
            build.reading(*range(10), first=1 + 10 * n, start=3_600 * n, utc=0.0, synced=False)
            for n in range(20)
        )
        logboat.put(build.boot(1, network(0, UTC)), *hours)  # 08:53:20Z, with an hour between windows
        done = logboat(
            "log", "rpm", "--csv", "--since", "2025-10-09T10:53:25Z", "--until", "2025-10-09T12:53:22Z"
        )
        assert [row["seq"] for row in csv.DictReader(done.lines)] == [str(n) for n in range(26, 44)]

    def test_date_is_in_the_vessels_time_zone_and_a_duration_counts_back_from_now(
        self, logboat: Appliance
    ) -> None:
        logboat.configure('[vessel]\nid = "argo"\ntimezone = "Pacific/Auckland"\n')
        logboat.put(SYNCED, build.reading(1, start=100), build.reading(2, first=2, start=90_000))
        rows = list(csv.DictReader(logboat("log", "rpm", "--csv", "--since", "2025-10-10").lines))
        assert [row["seq"] for row in rows] == ["2"]  # midnight in that zone is 11:00Z on the day before
        rows = list(csv.DictReader(logboat("log", "rpm", "--csv", "--since", "3 h").lines))
        assert [row["seq"] for row in rows] == ["2"]

    def test_log_shows_extremes_faults_and_the_last_few_samples(self, logboat: Appliance) -> None:
        values = [float(n) for n in range(30)]
        logboat.put(SYNCED, build.reading(*values, None, states={30: SensorState.SHORT}))
        done = logboat("log", "rpm", "--limit", "2")
        assert "lowest 0 rpm, mean 870 rpm, highest 1740 rpm" in done.out
        assert "1 sample with a fault: 1 short" in done.out
        assert done.lines[-3].split() == ["time", "number", "value"]
        assert "1740 rpm" in done.lines[-2]
        assert done.lines[-1].endswith("short")

    def test_raw_units_are_si(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.reading(30.25))
        assert "30.25 Hz" in logboat("log", "rpm", "--raw-units").lines[-1]

    def test_log_shows_the_last_recorded_day_by_default(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.reading(1, start=0), build.reading(2, 3, first=2, start=200_000))
        assert "2 samples" in logboat("log", "rpm").out
        assert "3 samples" in logboat("log", "rpm", "--since", "2025-01-01").out

    def test_missing_samples_are_reported(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.reading(1, 2), build.reading(9, first=6, start=200))
        assert "3 samples missing in between; run `logboat verify` for details" in logboat("log", "rpm").out

    def test_current_value_of_the_recorder_is_shown_too(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.reading(1))
        logboat.live()
        assert logboat("log", "rpm").lines[-1].startswith("now 1800 rpm, 700 ms ago, number 77")

    def test_json_output_has_time_its_accuracy_and_si_values(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.reading(30.25, None, states={1: SensorState.OPEN}))
        found = logboat("log", "rpm", "--json").json
        assert (found["vessel"], found["sensor"]) == ("argo", "rpm")
        first, second = found["samples"]
        assert (first["value"], first["trust"], first["time"]) == (
            30.25,
            "synced",
            "2025-10-09T08:55:00.000Z",
        )
        assert (second["value"], second["quality"]) == (None, "open")

    def test_logs_are_in_the_order_in_which_they_began(self, logboat: Appliance) -> None:
        logboat.put(
            build.vessel(logs=["zzzzzz", "aaaaaa"]),
            build.boot(1, network(0, UTC), log="zzzzzz"),
            build.boot(1, network(0, UTC + 9_000), log="aaaaaa"),
            build.reading(1, log="zzzzzz"),
            build.reading(2, log="aaaaaa"),
        )
        done = logboat("log", "rpm", "--csv")
        assert [row["value"] for row in csv.DictReader(done.lines)] == ["1", "2"]
        assert "the samples come from 2 logs with separate numbering" in done.err

    def test_unknown_sensor_is_wrong_usage_with_a_suggestion(self, logboat: Appliance) -> None:
        logboat.put(build.reading(1, sensor="main-rpm"))
        done = logboat("log", "main-rmp")
        assert done.status == 2
        assert "did you mean 'main-rpm'?" in done.err

    def test_invalid_document_does_not_hide_others(self, logboat: Appliance) -> None:
        broken, body = build.reading(1, first=3, start=300)
        logboat.put(
            SYNCED, build.reading(1, 2), (broken, body | {"samples": 7}), build.reading(4, first=4, start=400)
        )
        done = logboat("log", "rpm", "--csv")
        assert [row["seq"] for row in csv.DictReader(done.lines)] == ["1", "2", "4"]
        assert f"skipped: {broken}" in done.err

    def test_absent_readings_are_explained_by_the_period_only_if_one_was_given(
        self, logboat: Appliance
    ) -> None:
        logboat.put(SYNCED, build.equipment(sensor="rpm"))
        logboat.live(sensors={"rpm": build.live_sensor(rate=None)})
        assert "no readings yet" in logboat("log", "rpm").out
        assert "no readings in this period" in logboat("log", "rpm", "--since", "2 h").out
        assert logboat("sensors").lines[-1].split()[-3:] == ["-", "Main", "engine"]  # rate not known yet


class TestAdd:
    @pytest.fixture
    def asked(self, logboat: Appliance) -> Iterator[list[Addition]]:
        """Yield the list to which a fake recorder appends the values that it receives."""
        found: list[Addition] = []

        def handler(addition: Addition) -> ControlAnswer:
            found.append(addition)
            return ControlAnswer.stored(log="abcdef", sequence=len(found))

        logboat.live(
            sensors={
                "rpm": build.live_sensor(),
                "dip": build.live_sensor(kind="manual", unit="ratio", path="tanks.fuel.main.currentLevel"),
                "tap": build.live_sensor(kind="manual", unit="bool", path="tanks.fuel.main.tap"),
                "temp": build.live_sensor(
                    None, kind="manual", unit="K", path="propulsion.main.coolantTemperature"
                ),
                "hours": build.live_sensor(None, kind="manual", unit="s", path="propulsion.main.runTime"),
                "rise": build.live_sensor(None, kind="manual", unit="K", path="a.temperatureDifference"),
            }
        )
        with ControlServer(logboat.run_folder / SOCKET, handler, asked=Addition):
            yield found

    @pytest.mark.parametrize(
        ("text", "value"), [("0.35", 0.35), ("35 %", 0.35), ("40%", 0.4), ("1", 1.0), ("1e-2", 0.01)]
    )
    def test_number_is_in_si_or_has_a_unit(
        self, logboat: Appliance, asked: list[Addition], text: str, value: float
    ) -> None:
        done = logboat("log", "dip", f"--add={text}")
        assert done.status == 0
        assert done.out.startswith("recorded ")
        assert done.out.endswith(": number 1 of log abcdef\n")
        (addition,) = asked
        assert addition.sensor == "dip"
        assert addition.value == pytest.approx(value)

    @pytest.mark.parametrize(("text", "value"), [("on", True), ("Inactive", False), ("0", False)])
    def test_value_of_a_contact_is_active_or_inactive(
        self, logboat: Appliance, asked: list[Addition], text: str, value: bool
    ) -> None:
        assert logboat("log", "tap", "--add", text).status == 0
        assert [addition.value for addition in asked] == [value]

    def test_difference_of_temperatures_is_in_kelvin(self, logboat: Appliance, asked: list[Addition]) -> None:
        for text in ("-5 °C", "-5 K", "-5"):
            assert logboat("log", "rise", f"--add={text}").status == 0
        assert [addition.value for addition in asked] == [-5.0, -5.0, -5.0]

    def test_json_output_has_log_and_number(self, logboat: Appliance, asked: list[Addition]) -> None:
        found = logboat("log", "dip", "--add", "0.5", "--json").json
        assert (found["log"], found["seq"], found["value"], len(asked)) == ("abcdef", 1, 0.5, 1)

    @pytest.mark.parametrize(
        ("sensor", "value", "sentence"),
        [
            ("dip", "much", "is not a percentage"),
            ("dip", "nan", "is not a valid value; write a finite number"),
            ("dip", "3 bar", "unit"),
            ("tap", "maybe", "'maybe' is not a valid value; write active or inactive"),
            ("rpm", "3", "is of kind pulse and accepts no manual values"),
            ("rmp", "3", "unknown sensor 'rmp'; sensors of kind manual: dip, tap, temp, hours, rise"),
            ("dip", "40", '40 without a unit means 4000 %. Write "40 %".'),
            (
                "dip",
                "130 %",
                '"130 %" is outside the possible range of currentLevel. Write a value from 0 % to 100 %.',
            ),
            ("dip", "-0.1", "-0.1 is outside the possible range of currentLevel"),
            ("temp", "95", '95 without a unit means 95 K (-178.15 °C). Write "95 °C" or "95 K".'),
            ("temp", "-300 °C", "Write -273.15 °C or more."),
            ("hours", "1200", '1200 without a unit means 1200 s (0.333333 h). Write "1200 h" or "1200 s".'),
            ("hours", "-5 h", "Write 0 h or more."),
        ],
    )
    def test_invalid_entry_is_wrong_usage(
        self, logboat: Appliance, asked: list[Addition], sensor: str, value: str, sentence: str
    ) -> None:
        done = logboat("log", sensor, "--add", value)
        assert (done.status, asked) == (2, [])
        assert sentence in done.err

    HOURS = ("log", "hours", "--add")

    @pytest.fixture
    def history(self, logboat: Appliance) -> None:
        """Put two readings of 1190 and 1200 running hours into the store."""
        path = "propulsion.main.runTime"
        logboat.put(SYNCED, build.reading(1190 * 3600.0, 1200 * 3600.0, sensor="hours", path=path, unit="s"))

    @pytest.mark.usefixtures("history")
    def test_value_far_from_all_earlier_ones_is_recorded_only_after_confirmation(
        self, logboat: Appliance, asked: list[Addition]
    ) -> None:
        logboat.answers = ["no"]
        done = logboat(*self.HOURS, "12100 h")
        assert (done.status, asked) == (1, [])
        assert "12100.00 h is far from all earlier values (1190.00 h to 1200.00 h)" in done.err
        assert done.err.endswith("nothing was recorded\n")
        logboat.answers = ["yes"]
        assert logboat(*self.HOURS, "12100 h").status == 0
        assert [addition.value for addition in asked] == [12100 * 3600.0]

    @pytest.mark.usefixtures("history")
    def test_without_a_terminal_a_far_value_needs_an_option(
        self, logboat: Appliance, asked: list[Addition]
    ) -> None:
        done = logboat(*self.HOURS, "12100 h")
        assert (done.status, asked) == (2, [])
        assert "is far from" in done.err
        assert "--yes" in done.err
        assert logboat(*self.HOURS, "12100 h", "--yes").status == 0
        assert len(asked) == 1

    @pytest.mark.usefixtures("history")
    def test_value_near_earlier_ones_is_recorded_without_a_question(
        self, logboat: Appliance, asked: list[Addition]
    ) -> None:
        assert logboat(*self.HOURS, "1210 h").status == 0
        assert len(asked) == 1

    def test_without_recorder_nothing_can_be_added(self, logboat: Appliance) -> None:
        done = logboat("log", "dip", "--add", "1")
        assert done.status == 1
        assert "the recorder is not running" in done.err

    def test_refusal_gives_exit_status_1_and_the_reason(self, logboat: Appliance) -> None:
        logboat.live(sensors={"dip": build.live_sensor(kind="manual", unit="ratio")})
        with ControlServer(
            logboat.run_folder / SOCKET,
            lambda _: ControlAnswer.refused("the value is not stored yet: full"),
            asked=Addition,
        ):
            done = logboat("log", "dip", "--add", "1")
        assert (done.status, done.err) == (1, "logboat: the value is not stored yet: full\n")


class TestAlarms:
    def test_raised_and_unacknowledged_alarms_are_listed(self, logboat: Appliance) -> None:
        seen = [{"who": "anna", "when": "2025-10-09T10:00:00Z"}]
        logboat.put(
            SYNCED,
            build.alarm(1, text="over and seen", cleared=200, acks=seen),
            build.alarm(2, text="over", cleared=200),
            build.alarm(3, text="holds and seen", acks=seen),
        )
        done = logboat("alarms")
        assert [line.split()[0] for line in done.lines] == ["id", "3", "2", "1"]
        assert "over and seen" not in done.out
        assert "1 alarm not acknowledged" in done.lines[-1]
        assert "over and seen" in logboat("alarms", "--all").out

    def test_phase_of_each_alarm_is_stated_for_programs(self, logboat: Appliance) -> None:
        seen = [{"who": "anna", "when": "2025-10-09T10:00:00Z"}]
        logboat.put(
            SYNCED,
            build.alarm(1, cleared=200, acks=seen),
            build.alarm(2, cleared=200),
            build.alarm(3, acks=seen),
            build.alarm(4),
        )
        found = logboat("alarms", "--all", "--json").json["alarms"]
        assert {alarm["short"]: alarm["phase"] for alarm in found} == {
            "1": "normal",
            "2": "rectified-unacknowledged",
            "3": "active-acknowledged",
            "4": "active-unacknowledged",
        }

    def test_alarm_is_described_in_words(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm(17, severity="warn", value=64.0))
        row = logboat("alarms").lines[1]
        assert "warn" in row
        assert "Overspeed (above 63, at 3840 rpm)" in row
        assert "argo rpm" in row
        assert "2025-10-09 08:55:17Z" in row
        assert "ACTIVE" in row

    def test_severest_raised_alarms_come_first(self, logboat: Appliance) -> None:
        logboat.put(
            SYNCED,
            build.alarm(1, severity="warn"),
            build.alarm(2, severity="emergency", sensor="bilge"),
            build.alarm(3, severity="emergency", sensor="gas", cleared=200),
        )
        found = logboat("alarms", "--json").json["alarms"]
        assert [alarm["sensor"] for alarm in found] == ["bilge", "rpm", "gas"]

    def test_absence_of_alarms_is_stated(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        assert logboat("alarms").out == "no alarms in the log\n"
        logboat.put(build.alarm(1, cleared=200, acks=[{"who": "a", "when": "2025-10-09T10:00:00Z"}]))
        assert logboat("alarms").out == "no active alarms, none to acknowledge\n"

    def test_acknowledgement_is_stored_with_person_and_time(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm(17))
        done = logboat("ack", "17")
        assert done.status == 0
        assert "acknowledged by anna" in done.out
        (alarm,) = logboat("alarms", "--json").json["alarms"]
        assert alarm["acks"] == [{"who": "anna", "when": "2025-10-10T12:40:00.200Z"}]

    def test_each_person_acknowledges_once(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm(17))
        logboat("ack", "17")
        done = logboat("ack", "17")
        assert done.status == 0
        assert "already acknowledged by" in done.out
        logboat("ack", "17", "--by", "ben")
        (alarm,) = logboat("alarms", "--json").json["alarms"]
        assert [ack["who"] for ack in alarm["acks"]] == ["anna", "ben"]

    def test_only_alarm_needs_no_id(self, logboat: Appliance) -> None:
        acks = [{"who": "ben", "when": "2025-10-09T10:00:00Z"}]
        logboat.put(SYNCED, build.alarm(17, text="Water"), build.alarm(18, acks=acks))
        done = logboat("ack")
        assert (done.status, done.lines[0].startswith("alarm: Water (")) == (0, True)
        assert done.lines[1] == "alarm 17: acknowledged by anna"
        assert logboat("ack").err == "logboat: no alarm is waiting to be acknowledged\n"

    def test_several_alarms_are_listed_with_the_commands_that_acknowledge_them(
        self, logboat: Appliance
    ) -> None:
        logboat.put(SYNCED, *(build.alarm(number, text=f"Water {number}") for number in range(1, 13)))
        done = logboat("ack")
        assert done.status == 2
        lines = done.err.splitlines()
        assert lines[0] == "logboat: 12 alarms are not acknowledged; choose one:"
        assert lines[1].startswith("  logboat ack 1  alarm: Water 1 (")
        assert lines[-1] == "  and 2 more: logboat alarms"
        assert len(lines) == 12
        assert all(not alarm["acks"] for alarm in logboat("alarms", "--json").json["alarms"])

    def test_acknowledgement_changes_nothing_else(self, logboat: Appliance) -> None:
        document_id, body = build.alarm(17)
        logboat.put((document_id, body))
        logboat("ack", "17")
        found = logboat("db", "get", str(logboat.store), document_id).json
        assert {**found, "acks": []} == body

    def test_simultaneous_acknowledgements_are_all_kept(self, logboat: Appliance) -> None:
        from services.history.alarms import acknowledge

        document_id, body = build.alarm(17)
        logboat.put((document_id, body))

        def seen_by(who: str) -> None:
            with Database.open(logboat.store, policy=POLICY) as database:
                assert acknowledge(database, document_id, who=who, utc=UTC)

        threads = [threading.Thread(target=seen_by, args=(f"p{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (alarm,) = logboat("alarms", "--json").json["alarms"]
        assert {ack["who"] for ack in alarm["acks"]} == {f"p{n}" for n in range(8)}

    def test_short_id_is_unambiguous_among_equal_numbers(self, logboat: Appliance) -> None:
        logboat.put(
            SYNCED,
            build.alarm(17),
            build.alarm(117),
            build.alarm(5, sensor="a"),
            build.alarm(5, sensor="b"),
            build.alarm(5, sensor="b", vessel="brigid"),
        )
        shorts = [alarm["short"] for alarm in logboat("alarms", "--json").json["alarms"]]
        assert sorted(shorts)[-2:] == ["argo:b:abcdef:000000000005", "brigid:b:abcdef:000000000005"]
        assert {"17", "117", "a:abcdef:000000000005"} <= set(shorts)
        for short in shorts:
            assert logboat("ack", short).status == 0
        assert all(alarm["acks"] for alarm in logboat("alarms", "--json").json["alarms"])

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("99", "unknown alarm '99'"),
            ("5", "is ambiguous; it matches"),
            ("0000005", "is ambiguous; it matches"),
            ("", "unknown alarm"),
        ],
    )
    def test_unknown_or_ambiguous_alarm_is_wrong_usage(
        self, logboat: Appliance, name: str, sentence: str
    ) -> None:
        logboat.put(build.alarm(5, sensor="a"), build.alarm(5, sensor="b"))
        done = logboat("ack", name)
        assert done.status == 2
        assert sentence in done.err


class TestNotes:
    def test_note_is_stored_with_person_and_time(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        written = logboat("note", "changed", "the", "impeller", "--json").json
        found = logboat("db", "get", str(logboat.store), written["id"]).json
        assert (found["type"], found["vessel"], found["who"]) == ("note", "argo", "anna")
        assert found["text"] == "changed the impeller"
        assert found["when"] == "2025-10-10T12:40:00.200Z"
        assert found["channels"] == ["notes", "vessel.argo"]

    def test_text_may_continue_after_an_option(self, logboat: Appliance) -> None:
        logboat.put(build.vessel())
        assert logboat("note", "oil", "--by", "ben", "changed").status == 0
        assert logboat("note", "--json").json["notes"][0]["text"] == "oil changed"

    def test_notes_are_in_the_order_in_which_they_were_made(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        for number in range(3):
            logboat.clock.utc += 1
            logboat("note", f"number {number}", "--by", "ben")
        assert [line.strip() for line in logboat("note").lines[1::2]] == ["number 0", "number 1", "number 2"]
        assert logboat("note", "--limit", "1").lines == ["2025-10-10 12:40:03Z  ben", "    number 2"]

    def test_text_that_begins_with_a_hyphen_follows_two_hyphens(self, logboat: Appliance) -> None:
        from services.cli.main import main

        logboat.put(SYNCED)
        assert main([*logboat.places, "note", "--", "-5", "degrees"]) == 0
        assert "-5 degrees" in logboat("note").out


class TestVerify:
    def test_complete_history_gives_exit_status_0(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.reading(1, 2, 3), build.equipment(sequence=5))
        done = logboat("verify")
        assert done.status == 0
        assert done.lines[0] == "argo: complete"
        assert "complete, at least 2 not yet in documents" in done.out
        assert done.lines[-1] == "complete: 3 samples of 1 sensor, 1 vessel"

    def test_missing_samples_give_exit_status_1_and_are_named_with_the_times_around_them(
        self, logboat: Appliance
    ) -> None:
        logboat.put(SYNCED, build.reading(1, 2), build.reading(9, first=6, start=200))
        done = logboat("verify")
        assert done.status == 1
        assert done.lines[0] == "argo: NOT COMPLETE"
        between = "(between 2025-10-09 08:55:01Z and 2025-10-09 08:56:40Z)"
        assert f"  rpm, log abcdef: 3 to 5 missing {between}" in done.lines
        assert done.lines[-1] == "NOT COMPLETE: 3 missing; 3 samples of 1 sensor, 1 vessel"

    def test_explained_gap_gives_exit_status_0(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.gap(1, 3, "retention"), build.reading(9, first=4))
        done = logboat("verify")
        assert done.status == 0
        assert "  rpm, log abcdef: 1 to 3 explained: retention (before 2025-10-09 08:55:00Z)" in done.lines

    def test_readings_of_another_vessel_removed_here_are_named_and_not_a_loss(
        self, logboat: Appliance
    ) -> None:
        logboat.put(SYNCED, build.reading(1, 2), build.boot(1, network(0, UTC), vessel="brigid"))
        for number in range(6):
            document_id, body = build.reading(
                *range(10), first=10 * number + 1, start=100 * number + 1, vessel="brigid"
            )
            logboat.put((document_id, body | {"padding": "x" * 20_000}))
        logboat.live()
        with Database.open(logboat.store, policy=POLICY) as database:
            retention.make_room(database, vessel="argo", excess=lambda: 10**9, utc=UTC, most=2, log="abcdef")
            assert list(database.floors()) == ["reading:brigid:rpm:abcdef:"]
        done = logboat("verify")
        assert done.status == 0, done.out
        assert f"  rpm, log abcdef: 1 to 20 explained: {REMOVED_HERE}" in done.out
        assert "argo: complete" in done.lines

    def test_floor_alone_does_not_explain_missing_samples_of_this_vessel(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.reading(9, first=4))
        logboat.live()
        with Database.open(logboat.store, policy=POLICY) as database:
            database.set_floor("reading:argo:rpm:abcdef:", "reading:argo:rpm:abcdef:000000000004")
        done = logboat("verify")
        assert done.status == 1
        assert "1 to 3 missing" in done.out

    def test_repeats_and_faults_give_exit_status_1(self, logboat: Appliance) -> None:
        logboat.put(
            SYNCED,
            build.reading(1, 2),
            build.reading(2, first=2, start=101),
            build.reading(5, first=3, last=9),
        )
        done = logboat("verify")
        assert done.status == 1
        assert "1 duplicated" in done.lines[-1]
        assert "contains 1 samples for the numbers 3 to 9" in done.out

    def test_downtime_of_the_machine_is_reported(self, logboat: Appliance) -> None:
        logboat.put(
            SYNCED,
            build.boot(2, network(0, UTC + 4_600), previous_end=(1, 1_000)),
            build.boot(4, previous_end=(3, 50)),
            build.reading(1),
        )
        done = logboat("verify")
        assert done.status == 0
        assert (
            "log abcdef: the machine was off 2 times, 1 h in total, 1 of them for an unknown time" in done.out
        )
        assert "boot 3 has no document here" in done.out

    def test_json_output_of_verify_has_everything(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.reading(1, 2), build.reading(9, first=6, start=200), build.gap(3, 3))
        done = logboat("verify", "--json")
        assert done.status == 1
        (vessel,) = done.json["vessels"]
        (sensor,) = vessel["sensors"]
        assert not done.json["complete"]
        assert [(s["first"], s["last"], s["reason"]) for s in sensor["missing"]["listed"]] == [(4, 5, None)]
        assert sensor["explained"]["samples"] == 1
        assert sensor["lastTime"] == {
            "time": "2025-10-09T08:56:40.000Z",
            "uncertainty": pytest.approx(0.01 + 200 * 1e-4),
            "trust": "synced",
        }

    def test_verify_covers_the_whole_fleet_or_one_vessel(self, logboat: Appliance) -> None:
        logboat.put(build.reading(1), build.reading(1, first=2, vessel="brigid"))
        assert logboat("verify").status == 1
        assert logboat("verify", "--vessel", "argo").status == 0
        assert logboat("verify", "--vessel", "brigid").status == 1
        assert logboat("verify", "--vessel", "circe").status == 2

    def test_store_without_history_is_reported(self, logboat: Appliance) -> None:
        logboat.put(build.vessel())
        done = logboat("verify")
        assert done.status == 0
        assert done.lines[-1] == "no history in the store"


class TestWhoseVessel:
    def test_only_recorded_vessel_is_used_without_a_configuration(
        self, logboat: Appliance, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        from services.cli.main import main

        logboat.put(build.reading(1, vessel="brigid"))
        places = ["--data", str(logboat.data), "--run", str(tmp_path / "none")]
        assert main(["log", "rpm", *places]) == 0
        assert "rpm of brigid" in capsys.readouterr().out
        logboat.put(build.reading(1))
        assert main(["log", "rpm", *places]) == 2
        assert (
            "the store has several vessels; choose one with --vessel: argo, brigid" in capsys.readouterr().err
        )

    def test_history_can_be_read_despite_a_wrong_configuration(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.reading(1))
        logboat.configure("[vessel\n")
        assert logboat("log", "rpm").status == 0
