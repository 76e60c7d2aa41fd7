"""Builds the lines of the screen for a given width, and divides the space between the parts."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sensors.plaintext import clean
from sensors.units import format_duration
from services.config.model import LIGHTS
from services.history.current import CurrentValue
from services.lights.states import LightState, worst
from services.screens import alarm_list, peer_list, sensor_list
from services.screens.status_lines import clock, committed
from services.terminal.present import Style, StyledLine, count, table, time_text, wrap
from services.terminal.table import fitted

from .facts import TopFacts

if TYPE_CHECKING:
    from services.history.alarms import AlarmEpisode

NARROW: Final = 60
"""Width in columns below which a sensor's state has its own line, and headings have no indent."""
WIDE: Final = 100
_CURVE: Final = (8, 60)
"""Minimum and maximum width of a graph, in columns."""
_NARROW_CURVE: Final = 4
"""Minimum width of a graph on a narrow screen, in columns."""
_GRAVE: Final = 5
"""Minimum severity at which a light is shown in the style for errors instead of warnings."""


@dataclass(frozen=True, slots=True)
class Item:
    """A group of lines that belong together. The group can be selected if it has a key."""

    lines: tuple[StyledLine, ...]
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ScreenPart:
    """A part of the screen: a heading, and the items that scroll below it."""

    head: str
    items: tuple[Item, ...]

    @property
    def height(self) -> int:
        """Height of the part in lines, including its heading."""
        return 1 + sum(len(item.lines) for item in self.items)


def header(look: TopFacts, width: int) -> list[StyledLine]:
    """Return the lines at the top of the screen.

    They show the vessel's name, whether samples are being recorded, the time source, and the most urgent
    advice.
    """
    facts = look.facts
    moment = time_text(look.utc, facts.zone)
    title = clean(look.title)
    gap = width - len(title) - len(moment)
    lines = (
        [StyledLine(title + " " * gap + moment, Style.TITLE)]
        if gap >= 2
        else _lines(title, width, Style.TITLE)
    )
    style = Style.GOOD if facts.is_recording else Style.BAD
    if facts.live is not None and facts.is_recording and not facts.live.clock.is_known:
        style = Style.WARN
    hang = 0 if width < NARROW else 2
    lines += _lines(f"recording {committed(facts)}; clock {clock(facts)}", width, style, hang=hang)
    if look.todo is not None:
        lines += _lines(f"to do: {look.todo}", width, Style.WARN, hang=hang)
    return lines


def alarms_part(look: TopFacts, width: int) -> ScreenPart:
    """Return the part that shows the alarms that are active or not acknowledged."""
    holding = sum(episode.cleared is None for episode in look.alarms)
    waiting = sum(not episode.is_acknowledged for episode in look.alarms)
    age = "not read yet" if look.alarms_age is None else f"{_duration(look.alarms_age)} ago"
    if width < NARROW:
        at_least = "+" if look.more_alarms else ""
        head = f"alarms: {holding}{at_least} active, {waiting}{at_least} to ack, {age}"
    else:
        more = " of the most severe" if look.more_alarms else ""
        silenced = alarm_list.silenced_words(look.alarms, look.utc, look.facts.zone)
        counts = f"{holding} active, {waiting} not acknowledged{more}{', ' if silenced else ''}{silenced}"
        head = f"alarms: {counts}, {age}"
    items = []
    if look.facts.store_fault:
        items.append(_item(f"the store cannot be read: {look.facts.store_fault}", width, Style.BAD))
    elif not look.alarms and look.alarms_age is not None:
        items.append(_item(alarm_list.NONE_OPEN, width))
    items += _alarm_items(look, width)
    if look.more_alarms:
        items.append(_item(f"and {count(look.more_alarms, 'more alarm')}: logboat alarms", width))
    items += [_item(f"skipped: {fault}", width, Style.WARN) for fault in look.passed_over]
    return ScreenPart(head, tuple(items))


def _alarm_items(look: TopFacts, width: int) -> Iterator[Item]:
    """Yield an item for each alarm.

    If every alarm fits on one line, each item is one line; otherwise each item is two or more lines.
    """
    cells = [_alarm_cells(episode, look) for episode in look.alarms]
    rows = table(cells, right=(0, 3)).split("\n")
    is_roomy = max(map(len, rows)) <= width - 2
    for episode, row, (short, severity, standing, age, acknowledgement, where, words) in zip(
        look.alarms, rows, cells, strict=False
    ):
        if is_roomy:
            lines = [f"  {row}"]
        else:
            lines = wrap(f"{short} {severity}, {standing}, {age}, {acknowledgement}", width, indent="  ")
            lines += wrap(f"{where}: {words}", width, indent="    ")
        yield Item(tuple(StyledLine(line, _alarm_style(episode)) for line in lines), episode.id)


def _alarm_cells(episode: "AlarmEpisode", look: TopFacts) -> tuple[str, ...]:
    alarm = episode.alarm
    who = ", ".join(ack.who for ack in alarm.acks)
    since = episode.raised.utc
    active = alarm_list.state_words(episode, look.utc, look.facts.zone)
    return (
        look.names[episode.id],
        alarm.severity,
        active if episode.cleared is None else "cleared",
        "-" if since is None else _duration(max(look.utc - since, 0.0)),
        f"acknowledged by {who}" if who else "not acknowledged",
        f"{alarm.vessel} {alarm.sensor}",
        alarm_list.words(episode),
    )


def alarm_words(look: TopFacts, key: str) -> str | None:
    """Return the details of an alarm to show before it is acknowledged; None if it is no longer listed."""
    for episode in look.alarms:
        if episode.id == key:
            short, severity, standing, age, acknowledgement, where, words = map(
                clean, _alarm_cells(episode, look)
            )
            return f"{short}: {severity}, {words}\n{where}; {standing}, raised {age} ago; {acknowledgement}"
    return None


def _alarm_style(episode: "AlarmEpisode") -> Style | None:
    if episode.cleared is None:
        return Style.WARN if episode.is_acknowledged else Style.BAD
    return None


def sensors_part(look: TopFacts, width: int, *, unicode: bool = True) -> ScreenPart:
    """Return the part that shows the sensors, with faulty sensors first.

    Each sensor is shown with its value, age and state, and a graph of the last ten minutes.
    """
    listed = look.sensors
    live = look.facts.live
    head = f"sensors: {len(listed.sensors)}"
    if live is not None:
        head += f", {_duration(max(look.facts.boottime - live.updated.clock, 0.0))} ago"
    items = []
    if listed.why_not:
        items.append(_item(sensor_list.old_words(listed, look.facts.zone), width, Style.BAD))
    items += _sensor_items(look, width, unicode=unicode)
    items += [_item(f"skipped: {fault}", width, Style.WARN) for fault in listed.faults]
    return ScreenPart(head, tuple(items))


def _sensor_items(look: TopFacts, width: int, *, unicode: bool) -> Iterator[Item]:
    ordered = sorted(look.sensors.sensors, key=_is_well)
    if not ordered:
        return
    cells = [sensor_list.cells(found) for found in ordered]
    if width < NARROW:  # leave space for the graph: 1 min 25 s becomes 1 min
        cells = [(*row[:3], " ".join(row[3].split(" ")[:2]), *row[4:]) for row in cells]
    states = ["" if width < NARROW else _in_short(found) for found in ordered]
    spare = width - sum(max(len(row[place]) for row in cells) + 2 for place in (0, 1, 3))
    spare -= max(map(len, states)) + 2
    if width >= WIDE:
        spare -= sum(max(len(row[place]) for row in cells) + 2 for place in (4, 5))
    columns = min(max(spare, _NARROW_CURVE if width < NARROW else _CURVE[0]), _CURVE[1])
    rows = []
    for (sensor, value, _, age, rate, name), state in zip(cells, states, strict=True):
        row = [sensor, value, age, _curve(look, sensor, columns, unicode=unicode), state]
        rows.append([*row, rate, name] if width >= WIDE else row)
    lines_of = _fitting(rows, right=(1, 2, 5), drop=(6, 5, 3) if width >= WIDE else (3,), width=width)
    for current, row, text in zip(ordered, rows, lines_of, strict=True):
        style = None if _is_well(current) else Style.BAD
        lines = [StyledLine(text, style)]
        words = sensor_list.state_words(current)
        if words not in (row[4], "good"):
            lines += [StyledLine(line, style) for line in wrap(words, width, indent="    ")]
        yield Item(tuple(lines))


def _fitting(
    rows: Sequence[Sequence[str]], *, right: Collection[int], drop: Collection[int], width: int
) -> list[str]:
    """Return each row as a single line, so that rows stay in the same place from update to update.

    If lines are too wide, the columns in `drop` are removed one by one. After that, lines that are still too
    long are truncated.
    """
    kept = list(range(len(rows[0])))
    going = list(drop)
    while True:
        to_right = [place for place, column in enumerate(kept) if column in right]
        lines = table([[row[column] for column in kept] for row in rows], right=to_right).split("\n")
        if not going or max(map(len, lines)) <= width:
            return [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]
        kept.remove(going.pop(0))


def _is_well(current: CurrentValue) -> bool:
    return not current.is_faulty and current.alarm is None


def _in_short(current: CurrentValue) -> str:
    """Return a short description of a sensor's state, without details."""
    words = sensor_list.state_words(current)
    if current.is_faulty and current.detail and current.state is not None:
        return current.state.upper()
    return words


def _curve(look: TopFacts, sensor: str, columns: int, *, unicode: bool) -> str:
    recent = look.recent.get(sensor)
    if recent is None or recent.is_empty:
        return ""
    now = look.facts.boottime if look.facts.live is not None else recent.last
    return recent.line(now, width=columns, unicode=unicode)


def peers_part(look: TopFacts, width: int) -> ScreenPart:
    """Return the part that shows the vessels nearby and the gateways."""
    sight = look.facts.mesh_sight
    head, lines = "peers and shore", []
    if sight.is_live and sight.state is not None:
        age = max(look.facts.boottime - sight.state.updated.clock, 0.0)
        head += f", {_duration(age)} ago"
    if (words := peer_list.why_not(sight)) is None and sight.state is not None:
        lines = peer_list.all_lines(sight.state, width, look.utc)
    else:
        waits = sight.is_live and sight.state is not None and sight.state.waits_for_identity
        lines = _lines(words or "", width, None if waits else Style.BAD)
        if sight.is_live and sight.state is not None:
            lines += peer_list.shore_lines(sight.state, width, look.utc)
    return ScreenPart(head, tuple(Item((line,)) for line in lines))


def lights_part(look: TopFacts, width: int, *, in_short: bool) -> ScreenPart:
    """Return the part that shows the five lights and their meaning.

    If `in_short` is True, only the patterns are shown, on a single line if they fit.
    """
    head = "lights"
    states = [(light, look.lights[light]) for light in LIGHTS]
    if in_short:
        words = ", ".join(f"{light} {state.pattern}" for light, state in states)
        whole = f"{head}: {words}"
        if len(whole) <= width - 4:
            return ScreenPart(whole, ())
        return ScreenPart(head, (_item(words, width, _light_style(worst(look.lights))),))
    rows = [(light, state.pattern.name, state.means) for light, state in states]
    _, blocks = fitted([("", "", ""), *rows], width=width)
    return ScreenPart(
        head,
        tuple(
            Item(tuple(StyledLine(line, _light_style(state)) for line in block))
            for block, (_, state) in zip(blocks, states, strict=True)
        ),
    )


def _light_style(state: LightState) -> Style:
    if state.severity == 0:
        return Style.GOOD
    return Style.BAD if state.severity >= _GRAVE else Style.WARN


def head_line(part: ScreenPart, width: int, *, first: int, room: int, is_chosen: bool, unicode: bool) -> str:
    """Return a part's heading. It shows whether the part has the focus, and which lines are visible.

    If the heading is too long, its last detail is left out, such as the age of the values. If it is still too
    long, the numbers of the visible lines are left out.
    """
    total = part.height - 1
    mark = ">" if is_chosen else ("─" if unicode else "-")
    more = "" if total <= room else f" [{first + 1}-{min(first + room, total)} of {total}]"
    short = part.head.rpartition(", ")[0] or part.head
    texts = [clean(f"{mark} {text} ") for text in (f"{part.head}{more}", f"{short}{more}", short)]
    cut = f"{mark} {clean(short)[: max(width - len(more) - 4, 0)]}…{more}"[:width]
    text = next((text for text in texts if len(text) <= width), cut)
    return text.ljust(width, "─" if unicode else "-")


def share(room: int, wanted: Sequence[int], least: Sequence[int], most: Sequence[int]) -> list[int]:
    """Return the heights of all parts, which add up to at most `room` lines.

    While space remains, it is given to the parts in order. First each part gets its minimum (`least`). Then
    each part gets the height in `wanted`, up to its maximum (`most`). Finally, each part gets the full height
    in `wanted`.
    """
    given = [0] * len(wanted)
    for bounds in (least, most, wanted):
        for place, (want, bound) in enumerate(zip(wanted, bounds, strict=True)):
            more = min(max(min(want, bound) - given[place], 0), room)
            given[place] += more
            room -= more
    return given


def _duration(seconds: float) -> str:
    return format_duration(round(seconds, 1) if seconds < 10 else round(seconds))


def _lines(text: str, width: int, style: Style | None, *, hang: int = 2) -> list[StyledLine]:
    return [StyledLine(line, style) for line in wrap(text, width, hang=hang)]


def _item(text: str, width: int, style: Style | None = None) -> Item:
    return Item(tuple(_lines(text, width, style)))
