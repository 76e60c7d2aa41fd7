"""`logboat service` shows what is due, and `logboat service done` records a completed service."""

from collections.abc import Mapping
from typing import Any

import pytest

from sync.documents import POLICY
from sync.store import Database
from tests.services import documents as build
from tests.services.appliance import Appliance, logboat

from .builders import DAY, OIL, RIGGING, H, hours, live_hours, vessel

__all__ = ["logboat"]
NOW = build.UTC + 100_000


def services(boat: Appliance, *arguments: str) -> dict[str, dict[str, Any]]:
    """Return the services that the command prints as JSON, by id."""
    outcome = boat("service", *arguments, "--json")
    assert outcome.status == 0, outcome.err
    assert outcome.json["format"] == "logboat.services/1"
    return {each["id"]: each for each in outcome.json["services"]}


def records(boat: Appliance) -> list[Mapping[str, Any]]:
    with Database.open(boat.store, policy=POLICY) as database:
        return [document.body for document in database.documents("service:")]


def test_services_without_a_record_are_unknown_and_the_remedy_makes_them_known(logboat: Appliance) -> None:
    logboat.put(vessel(OIL, RIGGING), hours(300))
    shown = logboat("service")
    assert (
        "Engine oil: the last service is not recorded; record it: logboat service done engine-oil"
        in shown.out
    )
    assert logboat("service", "done", "engine-oil", "--at", "290").status == 0
    assert logboat("service", "done", "standing RIGGING").status == 0
    assert {each["state"] for each in services(logboat).values()} == {"ok"}


def test_done_records_the_running_hours_of_the_running_recorder(logboat: Appliance) -> None:
    logboat.put(vessel(OIL), hours(290))
    logboat.live(sensors=live_hours(300.5))
    done = logboat("service", "done", "Engine oil", "12 l", "filter", "--by", "ben")
    assert done.out.startswith("Engine oil: done at 300.5 h, by ben; saved as service:argo:")
    [record] = records(logboat)
    assert (record["type"], record["service"], record["sensor"]) == ("service", "engine-oil", "main-hours")
    assert (record["runSeconds"], record["who"], record["text"]) == (300.5 * H, "ben", "12 l filter")
    assert (record["trust"], record["replaces"], record["channels"]) == (
        "synced",
        [],
        ["notes", "vessel.argo"],
    )
    logboat.live(sensors=live_hours(540))
    oil = services(logboat)["engine-oil"]
    assert (oil["state"], oil["run"]["since"], oil["run"]["left"]) == ("due soon", 239.5 * H, 10.5 * H)
    logboat.live(sensors=live_hours(560))
    assert services(logboat)["engine-oil"]["state"] == "overdue"
    assert "-9.5 h" in logboat("service").out


def test_hours_come_from_documents_while_the_recorder_is_stopped_or_the_counter_is_faulty(
    logboat: Appliance,
) -> None:
    logboat.put(vessel(OIL), hours(300))
    assert services(logboat)["engine-oil"]["counter"] == 300 * H
    logboat.live(sensors=live_hours(None, state="stale"))
    assert services(logboat)["engine-oil"]["counter"] == 300 * H
    logboat.live(sensors=live_hours(310))
    assert services(logboat)["engine-oil"]["counter"] == 310 * H


def test_note_may_follow_the_options(logboat: Appliance) -> None:
    logboat.put(vessel(OIL), hours(300))
    assert logboat("service", "done", "engine-oil", "--at", "100", "in", "the yard").status == 0
    [record] = records(logboat)
    assert (record["runSeconds"], record["text"]) == (100 * H, "in the yard")


def test_later_record_corrects_a_wrong_one(logboat: Appliance) -> None:
    logboat.put(vessel(OIL), hours(300))
    for at in ("290", "29"):
        assert logboat("service", "done", "engine-oil", "--at", at).status == 0
    first, second = sorted(records(logboat), key=lambda record: len(record["replaces"]))
    assert (first["replaces"], len(second["replaces"])) == ([], 1)
    assert services(logboat)["engine-oil"]["run"]["since"] == 271 * H


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["engine-oil", "--at", "300.2"], "--at 300.2 is more than main-hours shows now (300.0 h)"),
        (["engine-oil", "--at", "many"], "not a number of hours; write, for example, --at 1234.5"),
        (["engine-oil", "--at", "nan"], "not between 0 and"),
        (["engine-oil", "--at", "-5"], "not between 0 and"),
        (["rigging", "--at", "100"], "Standing rigging is not due by running hours; omit --at"),
        (["engine-oli"], "unknown service 'engine-oli'; did you mean 'engine-oil'?"),
        (["Engine", "oil"], "unknown service 'Engine'; did you mean"),
        (["xyz"], "unknown service 'xyz'; services: engine-oil, rigging"),
        (["engine-oil", "--by", " "], "--by must not be empty"),
        (["engine-oil", "x" * 1001], "the note is too long"),
        (["engine-oil", "--vessel", "brigid"], "unknown vessel 'brigid'"),
        ([], "the following arguments are required: NAME\ntry: logboat service done --help"),
    ],
)
def test_wrong_usage_is_refused_with_a_remedy(logboat: Appliance, arguments: list[str], words: str) -> None:
    logboat.put(vessel(OIL, RIGGING), hours(300))
    outcome = logboat("service", "done", *arguments)
    assert outcome.status == 2
    assert words in outcome.err
    assert records(logboat) == []


def test_hours_that_are_not_known_must_be_stated(logboat: Appliance) -> None:
    logboat.put(vessel(OIL))
    refused = logboat("service", "done", "engine-oil")
    assert (refused.status, records(logboat)) == (1, [])
    assert "state the hour meter's reading with --at" in refused.err
    assert logboat("service", "done", "engine-oil", "--at", "1234.5").status == 0
    assert (
        "Engine oil: the running hours of main-hours are not known; check the sensor"
        in logboat("service").out
    )


def test_without_services_the_command_says_where_to_describe_them(logboat: Appliance) -> None:
    logboat.put(vessel())
    assert "add a [[service]] to sensors.toml" in logboat("service").out
    assert "add a [[service]] to sensors.toml" in logboat("service", "done", "oil").err


def test_record_is_dated_only_if_the_clock_was_set(logboat: Appliance) -> None:
    logboat.put(vessel(OIL), hours(300))
    logboat.is_clock_synced = False
    assert logboat("service", "done", "engine-oil").status == 0
    [record] = records(logboat)
    assert record["trust"] == "unsynced"
    logboat.is_clock_synced = True
    oil = services(logboat)["engine-oil"]
    assert (oil["state"], oil["calendar"]["state"], oil["run"]["state"]) == ("unknown", "unknown", "ok")
    assert "the date of the last service is not known" in oil["whyUnknown"]
    assert (oil["last"]["time"], oil["last"]["runSeconds"]) == (None, 300 * H)


def test_calendar_follows_the_clock_of_the_recorder(logboat: Appliance) -> None:
    logboat.put(vessel(RIGGING))
    assert logboat("service", "done", "rigging").status == 0
    logboat.live(clock={"source": "floor", "uncertainty": 0.0})
    rigging = services(logboat)["rigging"]
    assert (rigging["state"], rigging["whyUnknown"]) == ("unknown", "the clock is not set")
    logboat.live()
    rigging = services(logboat)["rigging"]
    assert rigging["state"] == "ok"
    assert rigging["calendar"]["left"] == pytest.approx(5 * 365.25 * DAY, abs=2 * DAY)


def test_crew_of_another_vessel_records_its_service(logboat: Appliance) -> None:
    logboat.put(vessel(OIL, name="brigid"), hours(300, vessel="brigid"), vessel())
    logboat.live(sensors=live_hours(9999))
    assert logboat("service", "done", "engine-oil", "--vessel", "brigid").status == 0
    assert logboat("service", "--vessel", "brigid", "done", "engine-oil", "--at", "299").status == 0
    assert [record["vessel"] for record in records(logboat)] == ["brigid", "brigid"]
    assert services(logboat, "--vessel", "brigid")["engine-oil"]["run"]["since"] == H
    assert services(logboat) == {}


def test_invalid_records_and_plans_are_skipped_and_reported(logboat: Appliance) -> None:
    document_id, body = vessel(OIL)
    logboat.put(
        (document_id, body),
        hours(300),
        ("service:argo:01ARZ3NDEKTSV4RRFFQ69G5FAV", {"service": 5}),
        ("service:argo:01ARZ3NDEKTSV4RRFFQ69G5FAW", {"service": "engine-oil", "runSeconds": "many"}),
    )
    assert logboat("service", "done", "engine-oil").status == 0
    shown = logboat("service")
    assert "Engine oil" in shown.out
    assert shown.err.count("skipped: service:argo:") == 2
    logboat.put((document_id, body | {"services": {"engine-oil": {"runSeconds": "many"}}}))
    assert "skipped: vessel:argo" in logboat("service").err


def test_forged_record_is_reported_until_the_service_is_done_again(logboat: Appliance) -> None:
    forged = {"type": "service", "service": "engine-oil", "sensor": "main-hours", "runSeconds": 1e11}
    logboat.put(vessel(OIL), hours(300), ("service:argo:01ARZ3NDEKTSV4RRFFQ69G5FAV", forged))
    oil = services(logboat)["engine-oil"]
    assert (oil["state"], oil["run"]["state"]) == ("unknown", "unknown")
    assert "main-hours shows 300.0 h, which is less than at the last service" in oil["whyUnknown"]
    assert logboat("service", "done", "engine-oil").status == 0
    assert services(logboat)["engine-oil"]["state"] == "ok"


def test_confirmation_is_json(logboat: Appliance) -> None:
    logboat.put(vessel(OIL), hours(300))
    added = logboat("service", "done", "engine-oil", "new filter", "--json").json
    assert added["format"] == "logboat.service-added/1"
    assert (added["vessel"], added["service"], added["runSeconds"]) == ("argo", "engine-oil", 300 * H)


def test_status_and_top_show_what_is_due_and_what_to_do(logboat: Appliance) -> None:
    logboat.put(vessel())
    logboat.live(sensors=live_hours(100))
    assert not any(line.startswith("  service") for line in logboat("status").lines)
    logboat.put(vessel(OIL, RIGGING))
    logboat("service", "done", "engine-oil", "--at", "100")
    logboat("service", "done", "rigging")
    assert status_line(logboat) == "2 services, none due"
    logboat.live(sensors=live_hours(345))
    assert status_line(logboat) == ("1 due soon of 2 services; Engine oil is due in 5.0 running hours")
    logboat.live(sensors=live_hours(360))
    assert status_line(logboat) == ("1 overdue of 2 services; Engine oil is overdue by 10.0 running hours")
    words = "Engine oil is overdue by 10.0 running hours"
    advice = f"do the service: {words}; then run: logboat service done engine-oil"
    assert f"to do: {advice}" in " ".join(logboat("status").out.split())
    plain = " ".join(logboat("top", "--plain", "--once").out.split())
    assert f"Service: {words}." in plain
    assert f"To do: {advice}." in plain
    assert "overdue by 10.0" in logboat("status", "--json").json["lines"]["service"]


def status_line(boat: Appliance) -> str:
    """Return the line about services in the output of `logboat status`, without its label."""
    [line] = [line for line in boat("status").lines if line.startswith("  service ")]
    return line.removeprefix("  service").strip()


def test_config_check_shows_how_services_were_understood(logboat: Appliance) -> None:
    path = logboat.root / "sensors.toml"
    path.write_text(
        '[[sensor]]\nid = "main-hours"\nkind = "runtime"\npin = 22\npath = "propulsion.main.runTime"\n'
        '[[service]]\nname = "Engine oil"\nsensor = "main-hours"\nevery = "250 h"\nor_every = "1 year"\n'
        'last_hours = "1180.5 h"\nlast_done = 2026-03-20\n'
        '[[service]]\nid = "raft"\nname = "Liferaft"\nevery = "90 days"\nwarn_before = "2 weeks"\n'
    )
    outcome = logboat("config", "check", str(path))
    assert (
        """
engine-oil (Engine oil), a service
  due         every 250 h of main-hours, or every 12 months, whichever comes first
  due soon    in the last tenth of the interval
  last hours  1180.5 h, until the first record
  last done   2026-03-20, until the first record
raft (Liferaft), a service
  due       every 90 days
  due soon  in the last 14 days of the interval
"""
        in outcome.out
    )
    [file] = logboat("config", "check", str(path), "--json").json["files"]
    assert [each["service"] for each in file["services"]] == ["engine-oil", "raft"]
