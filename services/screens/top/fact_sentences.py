"""Expresses the current facts as sentences, and selects the sentences about new facts.

A fact is not new if only an age in it has changed, for example from "3 s ago" to "4 s ago".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from sensors.plaintext import clean
from sensors.units import format_duration
from services.config.model import LIGHTS
from services.screens import alarm_list, peer_list, sensor_list, service_list
from services.screens.status_lines import card, clock, committed, configuration, daemons, identity, mesh
from services.terminal.present import count, spelt

from .facts import TopFacts

_AGE: Final = re.compile(r"\d[\d.]* (?:us|ms|s|min|h|d)\b")
RECORDING: Final = "recording"
"""Subject of the fact that samples are being recorded. This fact is repeated even if it is not new."""


class Rank(IntEnum):
    """Priority of a fact, which applies when not all facts can be printed."""

    ALARM = 0
    RECORDING = 1
    STATE = 2
    """A new state of a sensor, vessel, gateway or light."""
    VALUE = 3


@dataclass(frozen=True, slots=True)
class FactSentence:
    """A fact expressed as a sentence."""

    subject: str
    """Identifier of the thing that the fact describes. It is the same at each update."""
    words: str
    """The sentence, without its full stop."""
    news: str
    """Text that changes if and only if the fact has changed."""
    rank: Rank
    gone: str = ""
    """Sentence to print when the fact no longer applies; '' for none."""
    is_gone: bool = False


def facts(look: TopFacts) -> list[FactSentence]:
    """Return all facts as sentences."""
    return [*_alarms(look), *_machine(look), *_services(look), *_shared(look), *_sensors(look)]


def _told(subject: str, words: str, rank: Rank, news: str | None = None, gone: str = "") -> FactSentence:
    words = clean(words).removesuffix(".")
    return FactSentence(subject, words, _AGE.sub("", words) if news is None else news, rank, clean(gone))


def _alarms(look: TopFacts) -> Iterator[FactSentence]:
    if look.facts.store_fault:
        yield _told("store", f"The store cannot be read: {look.facts.store_fault}", Rank.RECORDING)
    elif look.alarms_age is not None:
        yield _told("store", f"The store was read {_ago(look.alarms_age)}", Rank.STATE)
    if look.alarms_age is not None and not look.alarms:
        yield _told("alarms", f"Alarms: {alarm_list.NONE_OPEN}", Rank.STATE)
    if look.more_alarms:
        yield _told("more alarms", f"{count(look.more_alarms, 'more alarm')} not shown", Rank.RECORDING)
    for episode in look.alarms:
        alarm = episode.alarm
        who = ", ".join(ack.who for ack in alarm.acks)
        active = alarm_list.state_words(episode, look.utc, look.facts.zone).replace(",", " and")
        stands = f"is {active}" if episode.cleared is None else "is cleared"
        acknowledgement = f"acknowledged by {who}" if who else "not acknowledged"
        sentence = (
            f"Alarm {look.names[episode.id]} {stands}, {alarm.severity}: {alarm_list.words(episode)}, of"
            f" {alarm.vessel} {alarm.sensor}, {acknowledgement}"
        )
        since = episode.raised.utc
        raised = "" if since is None else f", raised {_ago(max(look.utc - since, 0.0))}"
        gone = f"Alarm {look.names[episode.id]} is cleared and acknowledged"
        yield _told(f"alarm {episode.id}", sentence + raised, Rank.ALARM, sentence, gone)


def _machine(look: TopFacts) -> Iterator[FactSentence]:
    facts = look.facts
    yield _told(RECORDING, f"Recording: {committed(facts)}", Rank.RECORDING)
    yield _told("clock", f"Clock: {clock(facts)}", Rank.STATE)
    # The free space changes with each commit; the advice reports it when it is low.
    yield _told("card", f"Card: {card(facts)}", Rank.STATE, news="known" if facts.live else "")
    yield _told("daemons", f"Daemons: {daemons(facts)}", Rank.STATE)
    yield _told("configuration", f"Configuration: {configuration(facts)}", Rank.STATE)
    yield _told("identity", f"Identity: {identity(facts)}", Rank.STATE)
    todo = look.todo
    yield _told("to do", "To do: nothing" if todo is None else f"To do: {todo}", Rank.RECORDING)
    for light in LIGHTS:
        state = look.lights[light]
        yield _told(f"light {light}", f"Light {light}: {state.pattern}, {state.means}", Rank.STATE)


def _services(look: TopFacts) -> Iterator[FactSentence]:
    """Yield a sentence about each service that is due. It is not repeated when only the hours change."""
    for each in look.facts.services.pressing:
        yield _told(
            f"service {each.plan.id}",
            f"Service: {service_list.pressing_words(each)}",
            Rank.STATE,
            news=each.state,
            gone=f"Service: {each.plan.name} is no longer due",
        )


def _shared(look: TopFacts) -> Iterator[FactSentence]:
    sight = look.facts.mesh_sight
    yield _told("mesh", f"Mesh: {mesh(look.facts)}", Rank.STATE)
    if not sight.is_live or sight.state is None:
        return
    age = look.facts.boottime - sight.state.updated.clock
    for row in peer_list.rows(sight.state):
        words = f"Vessel {row.vessel}: {row.words}"
        if row.peer is not None and row.peer.problem:
            words += f", {row.peer.problem}"
        if row.route is not None:
            words += f", last document {_ago(max(look.utc - row.route.utc, 0.0))}"
        words += f", reported {_ago(max(age, 0.0))}"
        yield _told(
            f"vessel {row.vessel}", words, Rank.STATE, gone=f"Vessel {row.vessel}: no longer reported"
        )
    for gateway in sight.state.gateways:
        words = peer_list.shore_line(gateway, look.utc)
        news = f"{gateway.state} {gateway.problem} {gateway.backlog_documents > 0}"
        gone = f"Shore {gateway.name}: no longer reported"
        yield _told(f"gateway {gateway.name}", f"{words[:1].upper()}{words[1:]}", Rank.STATE, news, gone)


def _sensors(look: TopFacts) -> Iterator[FactSentence]:
    listed = look.sensors
    if listed.why_not:
        yield _told("sensors", f"Sensors: {sensor_list.old_words(listed, look.facts.zone)}", Rank.STATE)
    for current in listed.sensors:
        sensor, value, state, *_ = sensor_list.cells(current)
        name = f" ({current.name})" if current.name and current.name != sensor else ""
        words = f"Sensor {sensor}{name}: {value}, {state}"
        words += "" if current.age is None else f", {_ago(current.age)}"
        gone = f"Sensor {sensor}: no longer reported"
        yield _told(f"sensor {sensor}", words, Rank.VALUE, f"{value}\n{state}", gone)


def _ago(seconds: float) -> str:
    return f"{format_duration(round(seconds, 1) if seconds < 10 else round(seconds))} ago"


class NewsSelector:
    """Selector of the facts to print: new facts, most important first.

    The selector remembers the printed facts, and limits the output to the speed of the serial line.
    """

    AGAIN_S: Final = 60.0
    """Interval between repeated messages that samples are being recorded, in seconds.

    The repetition also shows that the serial line works.
    """

    def __init__(self, *, bytes_each: int, unicode: bool = True) -> None:
        """Set the maximum output of one call of `turn`, in bytes. At least one line is always printed."""
        self._most, self._unicode = bytes_each, unicode
        self._said: dict[str, FactSentence] = {}
        self._turn = 0
        self._said_in: dict[str, int] = {}
        self._recording_at = 0.0

    def turn(self, now: float, stamp: str, facts: list[FactSentence]) -> list[str]:
        """Return the lines to print now.

        `now` is the time of a monotonic clock in seconds. `stamp` is the time in human-readable form. `facts`
        contains all current facts.
        """
        self._turn += 1
        news = self._news(facts, now)
        lines: list[str] = []
        left = self._most
        for place, fact in enumerate(news):
            line = self._line(stamp, fact.words)
            waiting = len(news) - place
            more = self._line(stamp, f"{waiting} more changes to show; the line is limited to 9600 baud")
            if lines and _size(line) + (_size(more) if waiting > 1 else 0) > left:
                lines.append(more)
                break
            left -= _size(line)
            lines.append(line)
            self._note(fact)
            if fact.subject == RECORDING:
                self._recording_at = now
        return lines

    def _news(self, facts: list[FactSentence], moment: float) -> list[FactSentence]:
        now = {found.subject for found in facts}
        gone = [
            replace(fact, words=fact.gone, is_gone=True)
            for subject, fact in self._said.items()
            if subject not in now
        ]
        for fact in gone:
            if not fact.words:
                self._note(fact)
        new = [
            fact
            for fact in facts
            if (before := self._said.get(fact.subject)) is None
            or before.news != fact.news
            or (fact.subject == RECORDING and moment - self._recording_at >= self.AGAIN_S)
        ]
        # The value that has waited longest is printed first, so that frequent changes of one value cannot
        # hide others.
        news = [fact for fact in gone if fact.words] + new
        return sorted(news, key=lambda fact: (self._rank(fact), self._said_in.get(fact.subject, 0)))

    def _rank(self, fact: FactSentence) -> Rank:
        before = self._said.get(fact.subject)
        if fact.rank is not Rank.VALUE or before is None or fact.is_gone:
            return fact.rank
        changed = before.news.partition("\n")[2] != fact.news.partition("\n")[2]
        return Rank.STATE if changed else Rank.VALUE

    def _note(self, fact: FactSentence) -> None:
        if fact.is_gone:
            del self._said[fact.subject]
        else:
            self._said[fact.subject] = fact
            self._said_in[fact.subject] = self._turn

    def _line(self, stamp: str, words: str) -> str:
        return spelt(f"{stamp} {words}.", unicode=self._unicode)


def _size(line: str) -> int:
    return len(line.encode()) + 2
