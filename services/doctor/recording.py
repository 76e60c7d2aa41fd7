"""Recording checks: configuration files, stores, completeness, alarms, service that is due."""

from typing import Final

from sensors.config.loader import nothing_described
from services.config.pair_check import check_pair
from services.console.stores import zone_for
from services.history import completeness
from services.history.completeness import VesselReport
from services.history.open_alarms import open_alarms
from services.maintenance_schedule.due import DueState, Unknown
from services.maintenance_schedule.overview import overview
from services.recovery import store_check
from services.screens import alarm_list
from services.screens.service_list import pressing_words, summary, why_unknown
from services.terminal.present import count
from sync.documents import POLICY
from sync.store import Database, StoreError

from .context import Appliance
from .findings import Finding, bad, good, skipped, warn

_STORE: Final = "log.db"


def configuration(appliance: Appliance) -> Finding:
    """Check that the configuration files are valid."""
    checked = check_pair(appliance.config, appliance.sensors_file)
    problems = [*appliance.boot.problems, *map(str, checked.problems)]
    warnings = [*map(str, checked.warnings)]
    if not appliance.sensors_file.exists():
        problems.append(str(nothing_described(appliance.sensors_file)))
    if problems:
        return bad(
            problems[0],
            "Correct it on the card, or with `logboat config apply`; the last good configuration is in use.",
        )
    if appliance.boot.unused:
        return warn(appliance.boot.unused[0], "Correct the file on the card; all other files were applied.")
    if warnings:
        return warn(
            warnings[0],
            "The file remains in use, and its values are understood as shown. Correct them before you make"
            " other changes to the file.",
        )
    return good("logboat.toml and sensors.toml are valid")


def vessel_name(appliance: Appliance) -> Finding:
    """Check whether an id is configured for this vessel."""
    if appliance.boot.generated:
        return warn("no vessel id is configured; a generated one is in use", "Put vessel.toml on the card.")
    return good("a vessel id is configured")


def store(appliance: Appliance) -> Finding:
    """Run a quick check of the document store, which does not find all damage."""
    path = appliance.data / _STORE
    if store_check.is_marked(appliance.data):
        return bad(
            "a process has found damage in a store",
            "Run `logboat store check --repair`, or restart the appliance.",
        )
    if not path.exists():
        return skipped("no document store yet")
    try:
        with _open(appliance) as database:
            faults = database.check(deep=False)
    except StoreError as error:
        return bad(str(error), "Run `logboat store check --repair`, or restart the appliance.")
    return (
        bad(faults[0], "Run `logboat store check --repair`.")
        if faults
        else good("quick check found no damage")
    )


def copies(appliance: Appliance) -> Finding:
    """Check that second copies are being written."""
    state = appliance.recorder
    if state is None:
        return skipped("the recorder is not running")
    why = state.documents or state.copies
    return (
        bad(why, "Free up space, or replace the card; recording continues meanwhile.")
        if why
        else good("copies are up to date")
    )


def gaps(appliance: Appliance) -> Finding:
    """Check that this vessel's log is complete."""
    report = _report(appliance)
    if report is None:
        return skipped("no history of this vessel yet")
    missing = sum(sensor.missing.samples for sensor in report.sensors)
    repeated = sum(sensor.repeated.samples for sensor in report.sensors)
    faulty = sum(sensor.fault_count for sensor in report.sensors) + len(report.faults)
    if missing or repeated or faulty:
        words = (
            f"{count(missing, 'sample')} missing, {repeated} duplicated, {count(faulty, 'faulty document')}"
        )
        return bad(
            words, "`logboat verify` shows where; `logboat store check` and the fleet may restore them."
        )
    return good(f"{count(sum(sensor.samples for sensor in report.sensors), 'sample')}, none missing")


def alarms(appliance: Appliance) -> Finding:
    """Check whether this vessel has active alarms that are not acknowledged, and count the silenced ones."""
    if not (appliance.data / _STORE).exists():
        return skipped("no document store yet")
    try:
        with _open(appliance) as database:
            found = open_alarms(database, _vessel(appliance), appliance.run)
    except StoreError:
        return skipped("the document store cannot be read")  # The check `store` reports this error.
    waiting = [alarm for alarm in found if alarm.cleared is None and not alarm.is_acknowledged]
    if not waiting:
        return good("no alarm is active that nobody has acknowledged")
    silenced = alarm_list.silenced_words(waiting, appliance.utc, zone_for(appliance.configuration.vessel))
    first = f"{waiting[0].alarm.severity} of {waiting[0].alarm.sensor}: {alarm_list.words(waiting[0])}"
    more = f" (and {count(len(waiting) - 1, 'other alarm')})" if len(waiting) > 1 else ""
    return warn(
        f"{first}{more}{'; ' if silenced else ''}{silenced}",
        "Deal with its cause, then run `logboat ack`.",
    )


def service(appliance: Appliance) -> Finding:
    """Check whether any maintenance task (service) of this vessel is overdue."""
    if not (appliance.data / _STORE).exists():
        return skipped("no document store yet")
    live = appliance.recorder
    utc = appliance.utc if live is not None and live.clock.is_known else None
    try:
        with _open(appliance) as database:
            found = overview(database, _vessel(appliance), live=live, utc=utc)
    except StoreError:
        return skipped("the document store cannot be read")  # The check `store` reports this error.
    overdue = [each for each in found.services if each.state is DueState.OVERDUE]
    if overdue:
        words = "; ".join(map(pressing_words, overdue))
        return warn(words, f"Do the service, then run `logboat service done {overdue[0].plan.id}`.")
    unknown = [
        each
        for each in found.services
        if each.state is DueState.UNKNOWN
        and each.reasons != (Unknown.NO_CLOCK,)  # the check `clock` reports it
    ]
    if unknown:
        return warn(
            f"{unknown[0].plan.name}: it is not known whether it is due: {why_unknown(unknown[0])}",
            "Run `logboat service`, which says how to record the last service.",
        )
    return good(summary(found)) if found.services else skipped("no service is described in sensors.toml")


def _vessel(appliance: Appliance) -> str:
    live = appliance.recorder
    return live.vessel if live is not None else appliance.configuration.vessel.id


def _report(appliance: Appliance) -> VesselReport | None:
    if not (appliance.data / _STORE).exists():
        return None
    try:
        with _open(appliance) as database:
            reports = completeness.verify(database, [_vessel(appliance)])
            return next((each for each in reports if each.sensors), None)
    except StoreError:
        return None  # The check `store` reports this error.


def _open(appliance: Appliance) -> Database:
    return Database.open(appliance.data / _STORE, policy=POLICY, checkpoint_pages=0, create=False)
