"""The full screen shows a real store, and keys control it."""

from pathlib import Path

import pytest

from sensors.state import SensorState
from services.console.errors import FailedError
from services.screens.top.facts import TopFacts, TopFactsCollector
from services.terminal.present import Style
from sync.documents import POLICY
from sync.store import Database
from tests.services import documents as build
from tests.services.appliance import Appliance, logboat

from .aboard import SYNCED, busy, look_again, looker, part, press, screen, settled, shown, spoilt, top

__all__ = ["logboat"]

SNAPSHOTS = Path(__file__).parent / "snapshots"
ALARM = "alarm:argo:main-rpm:abcdef:000000000017"


def acks(logboat: Appliance, alarm: str = ALARM) -> list[dict[str, str]]:
    with Database.open(logboat.store, policy=POLICY) as database:
        document = database.get(alarm)
        assert document is not None
        found: list[dict[str, str]] = document.body["acks"]
        return found


class TestWhatIsShown:
    @pytest.mark.parametrize("size", [(80, 24), (40, 24), (120, 40)])
    async def test_screen_equals_its_approved_snapshot(
        self, logboat: Appliance, size: tuple[int, int]
    ) -> None:
        """After an intended change, remove the snapshot file; the next run writes a new one for review."""
        busy(logboat)
        async with screen(logboat, size) as pilot:
            said = f"{shown(pilot)}\n"
        approved = SNAPSHOTS / f"{size[0]}x{size[1]}.txt"
        if not approved.exists():
            approved.write_text(said)
            pytest.fail(f"{approved.name} is new: look at it")
        assert said == approved.read_text()

    @pytest.mark.parametrize("size", [(80, 24), (40, 24), (120, 40)])
    async def test_important_facts_are_visible_at_every_size(
        self, logboat: Appliance, size: tuple[int, int]
    ) -> None:
        busy(logboat)
        async with screen(logboat, size) as pilot:
            said = " ".join(shown(pilot).split())
            assert "recording yes; last commit 700 ms ago; clock set by the network, ± 20 ms" in said
            assert "Overspeed (above 63, at 3840 rpm)" in said
            assert "OPEN: 2.97 V is above 2.9 V" in said
            assert "alarm active" in said
            assert "power on, record on, mesh 2 flashes" in said or "a nearby vessel is refused" in said
            for key in ("q Quit", "? Help", "a Acknowledge"):
                assert key in said

    @pytest.mark.parametrize("size", [(20, 5), (1, 1), (200, 60), (80, 8)])
    async def test_any_size_of_terminal_is_supported(self, logboat: Appliance, size: tuple[int, int]) -> None:
        busy(logboat)
        async with screen(logboat, size) as pilot:
            for _ in range(4):
                await pilot.press("tab", "down", "end")
            assert top(pilot).is_running

    async def test_enlarged_terminal_shows_more(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat, (80, 24)) as pilot:
            assert "tank-19" not in shown(pilot)
            await pilot.resize_terminal(120, 60)
            await settled(pilot)
            assert "tank-19" in shown(pilot)
            assert "mesh     2 flashes   a nearby vessel is refused, or refuses this one" in shown(pilot)

    async def test_changed_values_are_shown(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        logboat.live(sensors={"rpm": build.live_sensor(30.0)})
        async with screen(logboat) as pilot:
            assert "1800 rpm" in shown(pilot)
            logboat.live(sensors={"rpm": build.live_sensor(40.0)})
            top(pilot).look_again()
            await settled(pilot)
            assert "2400 rpm" in shown(pilot)
            assert "1800 rpm" not in shown(pilot)

    async def test_alarm_raised_meanwhile_is_shown(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        logboat.live()
        async with screen(logboat) as pilot:
            assert "no active alarms, none to acknowledge" in shown(pilot)
            logboat.put(build.alarm(text="Water in the main bilge"))
            await look_again(pilot)
            assert "Water in the main bilge" in shown(pilot)

    async def test_ages_grow_without_new_values(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.equipment(30.0, clock=99_999.2))
        async with screen(logboat) as pilot:
            assert "  1 s  " in shown(pilot)
            logboat.clock.boottime += 100
            logboat.clock.utc += 100
            top(pilot).look_again()
            await settled(pilot)
            assert "1 min 41 s" in shown(pilot)

    async def test_text_from_others_cannot_control_the_terminal(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm(text="\x1b[2J[bold]Fire[/bold]"))
        logboat.live(
            sensors={"rpm": build.live_sensor(30.0, name="\x1b]0;x\x07", state="open", detail="[/]")}
        )
        async with screen(logboat, (120, 40)) as pilot:
            assert "\x1b" not in shown(pilot)
            assert "[bold]Fire[/bold]" in shown(pilot)
            await press(pilot, "a")
            assert "[bold]Fire[/bold]" in shown(pilot)

    async def test_text_is_the_same_without_colours(
        self, logboat: Appliance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        busy(logboat)
        async with screen(logboat) as pilot:
            coloured = shown(pilot)
        monkeypatch.setenv("NO_COLOR", "1")
        async with screen(logboat) as pilot:
            assert shown(pilot) == coloured

    async def test_terminal_without_unicode_gets_none(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat, unicode=False) as pilot:
            assert shown(pilot).isascii()
            await press(pilot, "a")
            assert shown(pilot).isascii()


class TestKeys:
    async def test_alarm_is_acknowledged_after_confirmation(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat) as pilot:
            await press(pilot, "a")
            asked = " ".join(shown(pilot).split())
            assert "Acknowledge alarm 17: alarm, Overspeed (above 63, at 3840 rpm)" in asked
            assert "as anna?" in asked
            assert acks(logboat) == []
            await press(pilot, "y")
            await top(pilot).workers.wait_for_complete()
            await settled(pilot)
            assert "alarm 17: acknowledged by anna" in shown(pilot)
            assert "alarms: 1 active, 1 not acknowledged" in shown(pilot)
            assert "acknowledged by anna" in shown(pilot)
        assert [ack["who"] for ack in acks(logboat)] == ["anna"]

    async def test_declined_confirmation_acknowledges_nothing(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat) as pilot:
            for key in ("n", "escape"):
                await press(pilot, "a")
                assert "as anna?" in shown(pilot)
                await press(pilot, key)
                assert "as anna?" not in shown(pilot)
        assert acks(logboat) == []

    async def test_selected_alarm_is_acknowledged(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat) as pilot:
            await press(pilot, "down")
            assert "> 18 warn" in shown(pilot)
            await press(pilot, "a", "y")
            await top(pilot).workers.wait_for_complete()
        assert acks(logboat) == []
        assert len(acks(logboat, "alarm:argo:fuel:abcdef:000000000018")) == 1

    async def test_selection_stays_with_its_alarm_when_another_appears_above(
        self, logboat: Appliance
    ) -> None:
        busy(logboat)
        async with screen(logboat, (120, 40)) as pilot:
            await press(pilot, "down")
            logboat.put(build.alarm(19, severity="emergency", text="Fire"))
            await look_again(pilot)
            assert "> 18  warn" in shown(pilot)
            assert part(pilot, "alarms").chosen == "alarm:argo:fuel:abcdef:000000000018"

    async def test_absence_of_alarms_to_acknowledge_is_reported(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        logboat.live()
        async with screen(logboat) as pilot:
            await press(pilot, "a")
            assert "no alarm to acknowledge" in shown(pilot)
            await press(pilot, "down")
            assert "no alarm to acknowledge" not in shown(pilot)

    async def test_missing_store_during_an_acknowledgement_is_reported(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat) as pilot:
            await press(pilot, "a")
            logboat.store.unlink()
            await press(pilot, "y")
            await top(pilot).workers.wait_for_complete()
            await settled(pilot)
            said = " ".join(shown(pilot).split())
            assert "NOT acknowledged" in said
            assert "no document store" in said
            assert "Overspeed" in said, "what was known of alarms stays"
            assert not logboat.store.exists()

    async def test_alarm_that_has_disappeared_meanwhile_is_reported(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat) as pilot:
            await press(pilot, "a")
            with Database.open(logboat.store, policy=POLICY) as database:
                database.purge([ALARM])
            await press(pilot, "y")
            await top(pilot).workers.wait_for_complete()
            await settled(pilot)
            assert "NOT acknowledged: unknown alarm" in " ".join(shown(pilot).split())

    async def test_every_part_can_be_scrolled_to_its_end(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat) as pilot:
            await press(pilot, "tab")
            assert "> sensors: 22" in shown(pilot)
            assert "tank-19" not in shown(pilot)
            await press(pilot, "end")
            assert "tank-19" in shown(pilot)
            assert "of 23]" in shown(pilot)
            await press(pilot, "home", "pagedown")
            assert "fuel" not in shown(pilot).split("sensors: 22")[1].split("peers and shore")[0]
            await press(pilot, "tab", "end")
            assert "> peers and shore" in shown(pilot)
            assert "brigid" in shown(pilot)

    async def test_everything_is_reachable_on_a_phones_screen(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat, (40, 24)) as pilot:
            await press(pilot, "tab", "tab")
            seen = ""
            for _ in range(12):
                seen += shown(pilot)
                await press(pilot, "down")
            for words in ("shore office", "shore club", "carrick", "brigid"):
                assert words in seen

    async def test_help_explains_every_key_in_the_footer(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat, (100, 40)) as pilot:
            below = shown(pilot).splitlines()[-1]
            await press(pilot, "question_mark")
            said = shown(pilot)
            for key in ("q", "?", "a", "l", "tab"):
                assert f"{key} " in below
                assert f"| {key}: " in said
            await press(pilot, "escape")
            assert shown(pilot).splitlines()[-1] == below

    async def test_lights_are_explained_with_remedies(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat) as pilot:
            await press(pilot, "l")
            said = " ".join(shown(pilot).replace("|", " ").split())
            assert (
                "fault fast blink an alarm is active -> Run logboat alarms, then deal with the cause." in said
            )

    @pytest.mark.parametrize("key", ["q", "ctrl+c"])
    async def test_keys_end_the_screen(self, logboat: Appliance, key: str) -> None:
        logboat.live()
        async with screen(logboat) as pilot:
            await pilot.press(key)
            await pilot.pause()
            assert not top(pilot).is_running
            assert top(pilot).return_code == 0


class TestTrouble:
    async def test_stopped_daemons_are_shown(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.equipment(30.0), build.alarm(), build.reading(28, 29, 30))
        async with screen(logboat) as pilot:
            said = " ".join(shown(pilot).split())
            assert "recording NO: the recorder is not running" in said
            assert "to do: deal with the alarm: alarm, Overspeed" in said
            assert "showing the last values in documents" in said
            assert "1800 rpm" in said
            assert "the sync daemon is not running" in said

    async def test_restarted_recorder_is_shown(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        logboat.live()
        async with screen(logboat) as pilot:
            logboat.living.clear()
            top(pilot).look_again()
            await settled(pilot)
            assert "recording NO: the recorder is not running" in shown(pilot)
            logboat.living.add(9000)
            logboat.live(pid=9000, log="ghijkl", boot=2)
            top(pilot).look_again()
            await settled(pilot)
            assert "argo (SY Argo), log ghijkl, boot 2" in shown(pilot)
            assert "recording yes" in shown(pilot)

    async def test_missing_store_does_not_hide_other_facts(self, logboat: Appliance) -> None:
        logboat.live()
        async with screen(logboat) as pilot:
            said = " ".join(shown(pilot).split())
            assert "the store cannot be read" in said
            assert "no document store" in said
            assert "recording yes" in said
            assert "1800 rpm" in said
        assert not logboat.store.exists()

    async def test_damaged_store_is_reported_and_recording_is_shown(self, logboat: Appliance) -> None:
        logboat.put(
            SYNCED,
            build.alarm(),
            *(build.reading(*range(50), first=1 + 50 * n, start=50 * n) for n in range(40)),
        )
        spoilt(logboat.store)
        logboat.live()
        async with screen(logboat) as pilot:
            said = " ".join(shown(pilot).split())
            assert "damaged" in said
            assert "recording yes" in said

    async def test_known_facts_are_kept_when_the_store_is_damaged_meanwhile(self, logboat: Appliance) -> None:
        busy(logboat)
        async with screen(logboat, (120, 40)) as pilot:
            (logboat.data / "damaged").write_text("page 7\n")
            await look_again(pilot)
            said = " ".join(shown(pilot).split())
            assert "damaged; it is read again after" in said
            assert "Overspeed" in said
            (logboat.data / "damaged").unlink()
            await look_again(pilot)
            assert "damaged" not in shown(pilot)

    async def test_read_error_is_reported_and_known_facts_are_kept(self, logboat: Appliance) -> None:
        class Forbidden(TopFactsCollector):
            looks = 0

            def collect(self, *, patience: float = 0.0) -> TopFacts:
                self.looks += 1
                if self.looks == 2:
                    raise PermissionError(13, "Permission denied", "/run/logboat/recorder.json")
                if self.looks == 3:
                    raise ZeroDivisionError("division by zero")
                return super().collect(patience=patience)

        logboat.put(SYNCED)
        logboat.live()
        base = looker(logboat)
        looks = Forbidden(base._args, base._world, ask_units=lambda: "")
        async with screen(logboat, looks=looks) as pilot:
            for words in (
                "OUT OF DATE: /run/logboat/recorder.json: Permission denied",
                "OUT OF DATE: cannot read the state: ZeroDivisionError: division by zero",
            ):
                top(pilot).look_again()
                await settled(pilot)
                assert words in shown(pilot)
                assert "1800 rpm" in shown(pilot)
            top(pilot).look_again()
            await settled(pilot)
            assert "OUT OF DATE" not in shown(pilot)

    async def test_user_without_a_name_cannot_acknowledge_and_is_told_why(self, logboat: Appliance) -> None:
        def nobody() -> str:
            raise FailedError("--by must not be empty")

        busy(logboat)
        async with screen(logboat) as pilot:
            top(pilot)._who = nobody
            await press(pilot, "a")
            assert "--by must not be empty" in shown(pilot)

    async def test_faulty_sensor_comes_first_and_is_marked_without_colour(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        sensors = {f"a{place}": build.live_sensor(30.0) for place in range(30)}
        logboat.live(sensors=sensors | {"z": build.live_sensor(None, state=SensorState.SHORT.value)})
        async with screen(logboat) as pilot:
            lines = shown(pilot).splitlines()
            first = next(place for place, line in enumerate(lines) if "sensors: 31" in line) + 1
            assert lines[first].split()[0] == "z"
            assert "SHORT" in lines[first]


def test_every_style_is_defined() -> None:
    from services.screens.top.widgets import STYLES

    assert set(STYLES) == {None, *Style}
