"""Only facts that count as news are printed, line by line."""

from hypothesis import given
from hypothesis import strategies as st

from services.screens.top.fact_sentences import FactSentence, NewsSelector, Rank, facts
from tests.services import documents as build
from tests.services.appliance import Appliance, logboat

from .aboard import PATIENCE_S, SYNCED, busy, gateway, looker

__all__ = ["logboat"]


def told(
    subject: str, news: str, rank: Rank = Rank.VALUE, words: str | None = None, gone: str = ""
) -> FactSentence:
    return FactSentence(subject, words or f"{subject} is {news}", news, rank, gone)


def teller(bytes_each: int = 10_000) -> NewsSelector:
    return NewsSelector(bytes_each=bytes_each)


class TestNews:
    def test_all_facts_are_printed_once_and_then_only_changes(self) -> None:
        says = teller()
        first = [told("a", "1\ngood"), told("b", "2\ngood")]
        assert says.turn(0.0, "10:00:00", first) == ["10:00:00 a is 1\ngood.", "10:00:00 b is 2\ngood."]
        assert says.turn(10.0, "10:00:10", first) == []
        assert says.turn(20.0, "10:00:20", [first[0], told("b", "3\ngood")]) == ["10:00:20 b is 3\ngood."]

    def test_alarms_come_first_and_then_recording_states_and_values(self) -> None:
        says = teller()
        says.turn(0.0, "-", [told("v", "1\ngood"), told("w", "1\ngood")])
        found = [
            told("v", "2\ngood"),
            told("w", "1\nOPEN"),
            told("r", "no", Rank.RECORDING),
            told("x", "raised", Rank.ALARM),
        ]
        assert [line.split()[1] for line in says.turn(1.0, "-", found)] == ["x", "r", "w", "v"]

    def test_disappearance_of_a_fact_is_printed_if_it_matters(self) -> None:
        says = teller()
        says.turn(0.0, "-", [told("a", "1", gone="a is over"), told("b", "1")])
        assert says.turn(1.0, "-", []) == ["- a is over."]
        assert says.turn(2.0, "-", []) == []
        assert says.turn(3.0, "-", [told("b", "1")]) == ["- b is 1."]

    def test_recording_state_is_printed_once_a_minute_even_without_a_change(self) -> None:
        says = teller()
        found = [told("recording", "yes", Rank.RECORDING, "Recording: yes")]
        says.turn(0.0, "-", found)
        assert says.turn(59.0, "-", found) == []
        assert says.turn(60.0, "-", found) == ["- Recording: yes."]
        assert says.turn(61.0, "-", found) == []

    def test_console_without_unicode_gets_none(self) -> None:
        says = NewsSelector(bytes_each=1000, unicode=False)
        (line,) = says.turn(0.0, "-", [told("a", "x", words="18 °C ± 1 …")])
        assert line == "- 18 deg C +/- 1 ...."


class TestTheLine:
    def test_output_is_limited_to_the_line_rate_and_no_sensor_is_left_out(self) -> None:
        says = teller(bytes_each=200)
        heard: list[str] = []
        for turn in range(40):
            found = [told(f"sensor-{place:02d}", f"{turn}\ngood") for place in range(30)]
            lines = says.turn(float(turn), "10:00:00", found)
            assert sum(len(line) + 2 for line in lines) <= 200
            assert lines[-1].endswith("more changes to show; the line is limited to 9600 baud.")
            heard += [line.split()[1] for line in lines[:-1]]
        counts = {heard.count(f"sensor-{place:02d}") for place in range(30)}
        assert max(counts) - min(counts) <= 1

    def test_changing_values_do_not_delay_an_alarm(self) -> None:
        says = teller(bytes_each=150)
        for turn in range(5):
            says.turn(float(turn), "-", [told(f"s{place}", f"{turn}\ngood") for place in range(30)])
        found = [told(f"s{place}", "6\ngood") for place in range(30)]
        lines = says.turn(6.0, "-", [*found, told("alarm 1", "HOLDS", Rank.ALARM)])
        assert lines[0] == "- alarm 1 is HOLDS."

    @given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3)), max_size=12))
    def test_last_printed_facts_are_current_once_the_line_has_capacity(
        self, turns: list[dict[str, int]]
    ) -> None:
        says = teller(bytes_each=40)
        last: dict[str, str] = {}
        for now, values in enumerate([*turns, *[turns[-1] if turns else {}] * 12]):
            found = [told(name, f"{value}\ngood", gone=f"{name} is gone") for name, value in values.items()]
            for line in says.turn(float(now), "-", found):
                _, subject, _, *words = line.split()
                if "more" not in line:
                    last[subject] = words[0]
        now_so = turns[-1] if turns else {}
        assert {name: value for name, value in last.items() if value != "gone."} == {
            name: str(value) for name, value in now_so.items()
        }


class TestFacts:
    def test_changed_ages_alone_are_not_news(self, logboat: Appliance) -> None:
        busy(logboat)
        looks = looker(logboat)
        says = teller(bytes_each=100_000)
        says.turn(0.0, "-", facts(looks.collect(patience=PATIENCE_S)))
        logboat.clock.boottime += 3
        logboat.clock.utc += 3
        assert says.turn(3.0, "-", facts(looks.collect())) == []

    def test_facts_of_every_command_are_printed_as_sentences(self, logboat: Appliance) -> None:
        busy(logboat)
        lines = teller(bytes_each=100_000).turn(0.0, "-", facts(looker(logboat).collect(patience=PATIENCE_S)))
        for line in (
            (
                "- Alarm 17 is ACTIVE, alarm: Overspeed (above 63, at 3840 rpm), of argo main-rpm,"
                " not acknowledged, raised 3 min ago."
            ),
            "- Recording: yes; last commit 700 ms ago.",
            "- Clock: set by the network, ± 20 ms.",
            "- Light record: on, recording: samples are durable within a second.",
            "- Shore office (couchbase): connected, up to date, last acknowledged 3 s ago.",
            "- Vessel carrick: refused, its certificate expired on 2025-01-01, reported 200 ms ago.",
            "- Sensor fuel (Fuel): -, OPEN: 2.97 V is above 2.9 V, 700 ms ago.",
            "- Sensor main-rpm (Main engine): 3840 rpm, alarm active, 700 ms ago.",
        ):
            assert line in lines

    def test_sentence_from_others_has_only_one_full_stop(self, logboat: Appliance) -> None:
        busy(logboat)
        logboat.mesh(gateways=[gateway("office", state="refused", problem="The password is wrong.")])
        lines = teller(bytes_each=100_000).turn(0.0, "-", facts(looker(logboat).collect(patience=PATIENCE_S)))
        assert "- Shore office (couchbase): refused: The password is wrong." in [
            line.replace(", last 3 s ago", "") for line in lines
        ]

    def test_acknowledgement_and_clearing_of_an_alarm_are_news(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm())
        logboat.live()
        looks = looker(logboat)
        says = teller()
        says.turn(0.0, "-", facts(looks.collect(patience=PATIENCE_S)))
        assert logboat("ack", "17").status == 0
        looks.read_again(PATIENCE_S)
        lines = says.turn(1.0, "-", facts(looks.collect()))
        assert any("is ACTIVE" in line and "acknowledged by anna" in line for line in lines)
        logboat.put(build.alarm(cleared=130.0, acks=[{"who": "anna", "when": "2025-10-09T10:00:00Z"}]))
        looks.read_again(PATIENCE_S)
        assert "- Alarm 17 is cleared and acknowledged." in says.turn(2.0, "-", facts(looks.collect()))
