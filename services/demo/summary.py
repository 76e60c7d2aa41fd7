"""Summary printed at the end of the demo, which shows whether the demo succeeded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.terminal.present import count

from . import proof
from .proof import Comparison, ExpectedSamples, StoreContents
from .scenario import ScenarioEvents
from .shore import ArrivedDocuments

MOST_FAULTS: Final = 20


@dataclass(frozen=True, slots=True)
class Summary:
    """The outcome of the demo."""

    lines: tuple[str, ...]
    is_good: bool
    """True if no data is missing from any store."""


def summarise(
    fleet: Sequence[ExpectedSamples], stores: Sequence[StoreContents], voyage: ScenarioEvents, *, name: str
) -> Summary:
    """Return the summary of a demo; `name` is the name of its fleet."""
    faults = proof.compare(stores)
    faults += [f"in the store of {store.holder}: {fault}" for store in stores for fault in store.faults]
    is_alike = len({store.digest for store in stores}) == 1
    if not is_alike and not faults:
        faults.append("the stores' digests differ")
    faults += _not_ashore(voyage)
    lines = ["", "summary", *(_line(*each) for each in _events(fleet, voyage, name=name))]
    lines += [_line(*each) for each in _holdings(fleet, stores, is_alike=is_alike)]
    lines += [
        _line("recording", _recording([store.comparisons[place] for store in stores]))
        for place in range(len(stores[0].comparisons))
    ]
    lines.append("  SOMETHING IS MISSING OR WRONG" if faults else "  nothing is missing")
    lines += [f"  {fault}" for fault in faults[:MOST_FAULTS]]
    if len(faults) > MOST_FAULTS:
        lines.append(f"  and {len(faults) - MOST_FAULTS} more")
    return Summary(tuple(lines), not faults)


def _line(head: str, text: str) -> str:
    return f"  {head:<16}  {text}"


def _events(fleet: Sequence[ExpectedSamples], voyage: ScenarioEvents, *, name: str) -> list[tuple[str, str]]:
    if voyage.linked_s is None:
        return []
    way = "found by mDNS on loopback"
    if voyage.no_discovery is not None:
        way = f"USING CONFIGURED ADDRESSES, no mDNS on loopback: {voyage.no_discovery}"
    lines = [
        ("vessels", ", ".join(recorded.vessel for recorded in fleet)),
        ("linked", f"after {voyage.linked_s:.1f} s, {way}; TLS, certificates of fleet {name}"),
    ]
    if (outage := voyage.outage) is not None:
        caught_up = "never" if outage.caught_up_s is None else f"{outage.caught_up_s:.1f} s later"
        text = (
            f"{outage.vessel}, for {outage.seconds:.0f} s; it had {len(outage.apart.own)} new and missed "
            f"{count(len(outage.apart.lacked), 'document')}, all exchanged {caught_up}"
        )
        lines.append(("network off", text))
    if voyage.ashore is not None:
        lines.append(("shore", _shore(voyage.ashore)))
    if voyage.linked_s is not None and voyage.agreed_s is None:
        lines.append(("agreement", "NOT REACHED in time"))
    return lines


def _holdings(
    fleet: Sequence[ExpectedSamples], stores: Sequence[StoreContents], *, is_alike: bool
) -> list[tuple[str, str]]:
    first = stores[0]
    reported = sum(recorded.reported for recorded in fleet)
    worst = max(store.not_held for store in stores)
    gaps = sum(sensor.missing.spans + sensor.explained.spans for store in stores for sensor in store.sensors)
    repeats = sum(sensor.repeated.spans for store in stores for sensor in store.sensors)
    of_kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(proof.kinds(first).items()))
    samples = sum(sensor.samples for sensor in first.sensors)
    lines = [
        ("samples taken", f"{samples}, of {len(first.sensors)} sensors"),
        ("documents stored", f"{len(first.documents)}: {of_kinds}"),
    ]
    if len(stores) > 1:
        words = f"all {len(stores)} are identical: ids, revisions, bodies (SHA-256 {first.digest[:12]}…)"
        lines.append(("stores", words if is_alike else "THEY DIFFER"))
    where = "the store" if len(stores) == 1 else "every store"
    return [
        *lines,
        ("gaps", f"{gaps}"),
        ("repeats", f"{repeats}"),
        ("reported durable", f"{reported}, of which in {where}: {reported - worst}"),
    ]


def _shore(ashore: ArrivedDocuments) -> str:
    office = f"{ashore.in_office} of {ashore.wanted} documents in the office (Couchbase protocol)"
    if ashore.news is None:
        return f"{office}; no MQTT broker on this machine"
    return (
        f"{office}; {ashore.heard} of {ashore.news} by MQTT, {ashore.twice} duplicated; through "
        f"{ashore.by} alone"
    )


def _not_ashore(voyage: ScenarioEvents) -> list[str]:
    ashore = voyage.ashore
    if ashore is None or ashore.is_complete:
        return []
    return [f"not everything has arrived ashore: {_shore(ashore)}"]


def _recording(comparisons: Sequence[Comparison]) -> str:
    """Return a line that states how one path's readings in the recording compare with the stored samples."""
    worst = min(comparisons, key=lambda comparison: comparison.is_equal)
    words = "all equal" if worst.is_equal else f"DIFFERS: {worst.first_difference}"
    stores = f", in {len(comparisons)} stores" if len(comparisons) > 1 else ""
    return (
        f"{worst.path}: {worst.stored} of {worst.recorded} readings, {words}{stores}; "
        f"spacing within {max(comparison.worst_ms for comparison in comparisons):.1f} ms"
    )
