"""Tests of the rights to write to argo's store while argo's recorder writes the log `newlog`."""

from pathlib import Path
from typing import Any

import pytest

from services.history.completeness import verify
from sync import documents
from sync.documents import RADIO_KEY, REVOCATIONS, DocumentType
from sync.fleet import radio_key, signatures, signing
from sync.fleet.radio_key import RadioKey
from sync.fleet.revocations import Revocations, to_body
from sync.fleet.rights import CertifiedVessel, Claim, CrewMember, Rights
from sync.store import Database, Document
from tests.net.certificates import NOW

from .builders import Here, authority, body, document, revoked, trust, vessel

BRIGID, CAREEN = CertifiedVessel("brigid"), CertifiedVessel("careen")
ANNA = CrewMember("anna")
NOTE = "note:argo:01ARZ3NDEKTSV4RRFFQ69G5FAV"
SERVICE = "service:argo:01ARZ3NDEKTSV4RRFFQ69G5FAV"
ALARM = "alarm:argo:bilge:newlog:000000000007"
SILENCE = "silence:argo:bilge:newlog:000000000007"


def rights(here: Here | None = None, revocations: Revocations | None = None) -> Rights:
    found = here or Here()
    return Rights(vessel="argo", log=lambda: "newlog", trust=lambda: trust(revocations), leaves=found.leaves)


def objection(
    writer: CertifiedVessel | CrewMember,
    found: Document,
    here: Here | None = None,
    revocations: Revocations | None = None,
) -> str | None:
    return rights(here, revocations).rule(writer)(found)


def holding(*found: Document) -> Here:
    here = Here()
    here.add(*found)
    return here


def signed(document_id: str, by: str, **more: Any) -> Document:
    return document(document_id, signing.sign(vessel(by), document_id, body(document_id, **more)))


# Ids and bodies

READING = "reading:brigid:rpm:abcdef:000000000001"


@pytest.mark.parametrize("writer", [BRIGID, ANNA])
@pytest.mark.parametrize("document_id", ["reading:brigid:rpm:abcdef:1", "boot:brigid", "note:x:y", "vessel:"])
def test_malformed_id_of_a_logboat_document_is_refused(
    writer: CertifiedVessel | CrewMember, document_id: str
) -> None:
    kind = document_id.partition(":")[0]
    found = document(document_id, {"type": kind})
    assert objection(writer, found) == f"the id is not a valid id of a {kind} document"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"type": "note"}, "the type is 'note', but the id says 'reading'"),
        ({"vessel": "careen"}, "vessel is 'careen', but the id says 'brigid'"),
        ({"sensor": "oil"}, "sensor is 'oil'"),
        ({"log": "ghijkl"}, "log is 'ghijkl'"),
        ({"first": 2}, "first is 2, but the id says 1"),
        ({"first": None}, "first is None"),
        ({"first": "1"}, "malformed"),
        ({"last": None}, "the numbers are not a valid range: first is 1, last is None"),
        ({"last": 0}, "the numbers are not a valid range: first is 1, last is 0"),
        ({"last": 10**12}, "the numbers are not a valid range: first is 1, last is 1000000000000"),
        ({"last": 500}, "the range 1 to 500 has more numbers than the body can contain"),
        ({"last": [1]}, "malformed"),
        ({"type": None}, "malformed"),
    ],
)
def test_body_that_contradicts_its_id_is_refused(more: dict[str, Any], why: str) -> None:
    assert (objection(BRIGID, document(READING, body(READING, **more))) or "").startswith(why)


def test_a_body_that_is_no_json_is_refused() -> None:
    for raw in (b"", b"[]", b'{"type":"' + b"\xff" + b'"}', b'{"type":"reading","a":' + b"[" * 100_000):
        assert "malformed" in (objection(BRIGID, Document(READING, "1-aa", 0, False, False, raw)) or "")


# Vessels


@pytest.mark.parametrize(
    "document_id",
    [
        READING,
        "gap:brigid:rpm:abcdef:000000000001",
        "alarm:brigid:rpm:abcdef:000000000001",
        "silence:brigid:rpm:abcdef:000000000001",
        "equipment:brigid:rpm",
        "note:brigid:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "service:brigid:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "forwarded:office:brigid",
    ],
)
def test_vessel_writes_its_own_documents_and_passes_on_others(document_id: str) -> None:
    assert objection(BRIGID, document(document_id)) is None
    assert objection(CAREEN, document(document_id)) is None


def test_readings_never_change() -> None:
    first = document(READING)
    assert objection(BRIGID, document(READING, body(READING), parent=first.rev)) == (
        "readings cannot be changed"
    )


@pytest.mark.parametrize("kind", ["reading", "gap", "boot", "vessel", "forwarded"])
def test_history_is_never_deleted(kind: str) -> None:
    ids = {
        "reading": READING,
        "gap": "gap:brigid:rpm:abcdef:000000000001",
        "boot": "boot:brigid:abcdef:1",
        "vessel": "vessel:brigid",
        "forwarded": "forwarded:office:brigid",
    }
    here = document(ids[kind])
    gone = document(here.id, parent=here.rev, deleted=True)
    assert objection(BRIGID, gone, holding(here)) == f"{kind} documents cannot be deleted"


@pytest.mark.parametrize("document_id", ["boot:brigid:abcdef:1", "vessel:brigid"])
def test_boot_and_vessel_documents_are_passed_on_only_with_a_signature(document_id: str) -> None:
    plain = document(document_id)
    assert objection(BRIGID, plain) is None
    assert objection(CAREEN, plain) == "not signed by its vessel"
    assert objection(CAREEN, signed(document_id, "brigid")) is None
    assert objection(BRIGID, signed(document_id, "brigid")) is None
    assert objection(CAREEN, signed(document_id, "careen")) == (
        "the document is signed by careen, but only brigid can write it"
    )
    broken = signing.sign(vessel("brigid"), document_id, body(document_id)) | {"extra": 1}
    for writer in (BRIGID, CAREEN):
        assert (
            objection(writer, document(document_id, broken))
            == "the signature of brigid does not match the content"
        )


def test_document_signed_by_a_revoked_certificate_replaces_nothing_newer() -> None:
    boot = "boot:brigid:abcdef:1"
    gone = revoked(vessel("brigid", number=1).certificate)
    old = signed(boot, "brigid")
    assert objection(CAREEN, old, revocations=gone) is None
    assert objection(CAREEN, signed(boot, "brigid", end=2), holding(old), gone) is None
    renewed = document(
        boot, signing.sign(vessel("brigid", number=2), boot, body(boot, end=1)), parent=old.rev
    )
    assert objection(CAREEN, renewed, holding(old), gone) is None
    assert objection(CAREEN, old, holding(renewed), gone) == (
        "the document is signed with a certificate that was revoked on 2026-04-01 (stolen)"
    )


def test_no_other_vessel_can_write_the_current_log() -> None:
    why_not = "only argo itself can write its current log newlog"
    for document_id in (
        "reading:argo:rpm:newlog:000000000001",
        "gap:argo:rpm:newlog:000000000001",
        ALARM,
    ):
        found = document(document_id)
        assert objection(BRIGID, found) == why_not
        assert objection(BRIGID, found, holding(found)) is None
    forged = signed("boot:argo:newlog:1", "argo")
    assert objection(BRIGID, forged) == why_not
    here = document("reading:argo:rpm:newlog:000000000001")
    other = document(here.id, body(here.id, samples=[]))
    assert objection(BRIGID, other, holding(here)) == why_not


def test_older_logs_are_restored_to_a_replaced_card() -> None:
    for found in (
        document("reading:argo:rpm:oldlog:000000000001"),
        document("alarm:argo:rpm:oldlog:000000000001"),
        document("equipment:argo:rpm"),
        signed("boot:argo:oldlog:1", "argo"),
        signed("vessel:argo", "argo"),
    ):
        assert objection(BRIGID, found) is None
    assert objection(BRIGID, document("boot:argo:oldlog:1")) == "not signed by its vessel"


def test_another_vessel_can_acknowledge_alarms_of_this_vessel() -> None:
    raised = document(ALARM)
    seen = document(
        ALARM, body(ALARM, acks=[{"who": "bo", "when": "2026-05-01T00:00:00Z"}]), parent=raised.rev
    )
    assert objection(BRIGID, seen, holding(raised)) is None


@pytest.mark.parametrize("document_id", [ALARM, "alarm:brigid:rpm:abcdef:000000000001", "fleet:chart"])
def test_undeletable_document_accepts_only_a_tombstone_that_closes_a_losing_branch(document_id: str) -> None:
    here = document(document_id, {"type": document_id.partition(":")[0]})
    why_not = f"{DocumentType(document_id.partition(':')[0])} documents cannot be deleted"
    closing = document(document_id, parent=here.rev, deleted=True, closing=True)
    assert objection(BRIGID, closing, holding(here)) is None
    further = document(document_id, parent="2-other", deleted=True, closing=True)
    assert objection(BRIGID, further, holding(here)) is None
    meant = document(document_id, parent=here.rev, deleted=True)
    assert objection(BRIGID, meant, holding(here)) == why_not
    worded = document(document_id, {"deleted": True}, parent=here.rev, deleted=True)
    assert objection(BRIGID, worded, holding(here)) == why_not
    assert objection(BRIGID, closing) == why_not


def test_documents_of_unknown_types_are_accepted_only_from_vessels() -> None:
    found = document("com.example.catch-7", {"type": "catch"})
    assert objection(BRIGID, found) is None
    assert objection(ANNA, found) == "crew members can write only Logboat's own document types"


# The fleet's CA


def revocations(number: int, **more: str) -> Document:
    sealed = to_body(Revocations(number, NOW), fleet="north", key=authority().key)
    if more:
        sealed = signatures.seal(REVOCATIONS, sealed | more, authority().key)
    return document(REVOCATIONS, sealed)


def test_revocations_need_the_cas_signature_and_a_higher_number() -> None:
    here = holding(revocations(3))
    assert objection(BRIGID, revocations(4), here) is None
    assert objection(BRIGID, revocations(3), here) is None  # two revisions may have identical content
    assert objection(BRIGID, revocations(2), here) == "number 2 is outdated; number 3 is stored here"
    assert objection(BRIGID, revocations(3, note="x"), here) == (
        "a different document with the same number 3 is stored here"
    )
    forged = document(REVOCATIONS, to_body(Revocations(9), fleet="north", key=authority("south").key))
    assert objection(BRIGID, forged, here) == "not signed by the fleet's CA"


def test_known_revocations_apply_even_if_their_document_is_missing() -> None:
    known = revoked(number=5)
    assert objection(BRIGID, revocations(4), revocations=known) == (
        "number 4 is outdated; number 5 is known here"
    )
    assert objection(BRIGID, revocations(5), revocations=known) is None


def test_radio_key_needs_the_cas_signature_and_a_higher_number() -> None:
    def stated(number: int, fleet: str = "north") -> Document:
        found = RadioKey(number, NOW, NOW, ())
        return document(RADIO_KEY, radio_key.to_body(found, fleet=fleet, key=authority(fleet).key))

    assert objection(BRIGID, stated(1)) is None
    assert objection(BRIGID, stated(9, "south")) == "not signed by the fleet's CA"
    here = holding(stated(3))
    assert objection(BRIGID, stated(4), here) is None
    assert objection(BRIGID, stated(3), here) is None  # two revisions may have identical content
    assert objection(BRIGID, stated(2), here) == "number 2 is outdated; number 3 is stored here"
    malformed = document(RADIO_KEY, signatures.seal(RADIO_KEY, {"number": 0}, authority().key))
    assert "in an unknown format" in (objection(BRIGID, malformed, here) or "")
    gone = document(RADIO_KEY, parent=stated(3).rev, deleted=True)
    assert objection(BRIGID, gone, here) == "fleet documents cannot be deleted"
    assert objection(ANNA, stated(4), here) == "crew members cannot write fleet documents"


def test_other_documents_of_the_fleet_need_the_cas_signature() -> None:
    sealed = signatures.seal("fleet:chart", {"text": "x"}, authority().key)
    assert objection(BRIGID, document("fleet:chart", sealed)) is None
    assert objection(BRIGID, document("fleet:tide", sealed)) == "not signed by the fleet's CA"


# The crew


def test_the_crew_writes_notes() -> None:
    for document_id in (NOTE, NOTE.replace("argo", "brigid")):
        assert objection(ANNA, document(document_id)) is None


def test_vessels_and_the_crew_add_records_of_service_to_any_vessel() -> None:
    for document_id in (SERVICE, SERVICE.replace("argo", "brigid")):
        for writer in (ANNA, BRIGID):
            assert objection(writer, document(document_id)) is None


def test_records_of_service_are_never_changed() -> None:
    for writer in (ANNA, BRIGID):
        stored = document(SERVICE)
        changed = document(SERVICE, body(SERVICE, who="anna"), parent=stored.rev)
        assert objection(writer, changed, holding(stored)) == "service records cannot be changed"
        tombstone = document(SERVICE, {}, parent=stored.rev, deleted=True)
        assert "delete" in (objection(writer, tombstone, holding(stored)) or "")


def test_the_crew_cannot_add_a_second_branch_to_a_record_of_service() -> None:
    stored, other = document(SERVICE), document(SERVICE, body(SERVICE, who="eve"))
    assert objection(ANNA, stored, holding(stored)) is None
    assert objection(ANNA, other, holding(stored)) == "service records cannot be changed"


def test_vessels_and_the_crew_silence_alarms_of_any_vessel_again_and_again() -> None:
    for writer in (ANNA, BRIGID):
        for document_id in (SILENCE, SILENCE.replace("argo", "brigid")):
            stored = document(document_id)
            assert objection(writer, stored) is None
            again = document(document_id, body(document_id, who="anna"), parent=stored.rev)
            assert objection(writer, again, holding(stored)) is None


def test_nobody_deletes_a_silence() -> None:
    stored = document(SILENCE)
    tombstone = document(SILENCE, {}, parent=stored.rev, deleted=True)
    assert objection(ANNA, tombstone, holding(stored)) == "crew members cannot delete silence documents"
    assert objection(BRIGID, tombstone, holding(stored)) == "silence documents cannot be deleted"


def test_silence_that_contradicts_its_id_is_refused() -> None:
    for more, why in (
        ({"sequence": 8}, "sequence is 8, but the id says 7"),
        ({"log": "oldlog"}, "log is 'oldlog', but the id says 'newlog'"),
        ({"sensor": "oil"}, "sensor is 'oil', but the id says 'bilge'"),
    ):
        assert objection(ANNA, document(SILENCE, body(SILENCE, **more))) == why


def test_user_with_read_access_cannot_write() -> None:
    why_not = "anna has read access only"
    for found in (document(NOTE), document("other", {})):
        assert objection(CrewMember("anna", read_write=False), found) == why_not


def test_channels_limit_what_the_crew_writes() -> None:
    assert objection(CrewMember("anna", channels=("alarms",)), document(NOTE)) == (
        "anna has no access to channel notes or vessel.argo"
    )
    for channels in (("notes",), ("vessel.argo", "alarms")):
        assert objection(CrewMember("anna", channels=channels), document(NOTE)) is None


@pytest.mark.parametrize(
    "document_id",
    [
        "gap:argo:rpm:oldlog:000000000001",
        "boot:argo:oldlog:1",
        "vessel:argo",
        "equipment:argo:rpm",
        "forwarded:office:argo",
        "fleet:chart",
    ],
)
def test_crew_cannot_write_documents_that_machines_write(document_id: str) -> None:
    kind = document_id.partition(":")[0]
    assert objection(ANNA, document(document_id)) == f"crew members cannot write {kind} documents"
    gone = document(document_id, parent=document(document_id).rev, deleted=True)
    assert objection(ANNA, gone) == f"crew members cannot delete {kind} documents"


ACK = {"who": "anna", "when": "2026-05-01T00:00:00Z"}


def test_the_crew_acknowledges_alarms() -> None:
    before = document(ALARM, body(ALARM, acks=[{"who": "bo", "when": "x"}]))
    here = holding(before)

    def change(**more: Any) -> str | None:
        return objection(ANNA, document(ALARM, body(ALARM) | before.body | more, parent=before.rev), here)

    assert change(acks=[{"who": "bo", "when": "x"}, ACK]) is None
    assert change(acks=[ACK]) == "acknowledgements can be added but not removed"
    assert change(acks="anna") == "acks must be a list of {who, when}, both strings"
    assert change(acks=[{"who": 1}]) == "acks must be a list of {who, when}, both strings"
    nothing_else = "crew members can only acknowledge alarms, not change them"
    assert change(acks=[ACK], cleared={"boot": 1}) == nothing_else
    assert change(severity="normal") == nothing_else


def test_crew_cannot_raise_or_delete_alarms() -> None:
    raised = document(ALARM)
    assert objection(ANNA, raised) == "crew members cannot raise alarms"
    for closing in (True, False):
        gone = document(ALARM, parent=raised.rev, deleted=True, closing=closing)
        assert objection(ANNA, gone, holding(raised)) == "crew members cannot delete alarm documents"


ABOUT = document(
    "vessel:argo",
    body(
        "vessel:argo",
        logs=["oldlog", "newlog"],
        sensors={
            "oil": {"kind": "manual", "path": "tanks.oil", "unit": "m3"},
            "rpm": {"kind": "pulse", "path": "x", "unit": "Hz"},
        },
    ),
)


def by_hand(sensor: str = "oil", log: str = "annaxx", **more: Any) -> Document:
    document_id = f"reading:argo:{sensor}:{log}:000000000001"
    return document(document_id, body(document_id) | {"path": "tanks.oil", "unit": "m3", "boot": 0} | more)


def test_crew_adds_readings_of_manual_sensors_in_a_separate_log() -> None:
    assert objection(ANNA, by_hand(), holding(ABOUT)) is None


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (by_hand("rpm"), "argo has no sensor rpm of kind manual"),
        (by_hand("nothing"), "argo has no sensor nothing of kind manual"),
        (by_hand(log="newlog"), "only the recorder of argo writes to log newlog"),
        (by_hand(log="oldlog"), "only the recorder of argo writes to log oldlog"),
        (by_hand(unit="l"), "unit must be 'm3' for sensor oil"),
        (by_hand(path="tanks.water"), "path must be 'tanks.oil'"),
        (by_hand(boot=1), "boot must be 0 in crew readings"),
    ],
)
def test_crew_cannot_add_other_readings(found: Document, why: str) -> None:
    assert (objection(ANNA, found, holding(ABOUT)) or "").startswith(why)


def test_readings_of_the_crew_leave_the_log_complete(tmp_path: Path) -> None:
    found = by_hand(
        start=0, end=0, startUtc="2026-05-01T00:00:00Z", last=1, samples=[[0, 0.5]], clock="synced"
    )
    with Database.open(tmp_path / "log.db") as database:
        database.put(found.id, found.body)
        [report] = verify(database)
    assert [log.absent for log in report.logs] == [()]
    assert [(kept.samples, kept.missing.samples, kept.faults) for kept in report.sensors] == [(1, 0, [])]


def test_crew_cannot_change_or_delete_readings() -> None:
    first = by_hand()
    here = holding(ABOUT, first)
    assert objection(ANNA, by_hand(samples=[]), here) == "readings cannot be changed"
    gone = document(first.id, parent=first.rev, deleted=True)
    assert objection(ANNA, gone, here) == "crew members cannot delete reading documents"


def test_crew_cannot_add_readings_without_the_vessels_document() -> None:
    assert "no sensor oil of kind manual" in (objection(ANNA, by_hand()) or "")


# Claims about argo's current log


def claims(here: Here, *offered: Document) -> list[Claim]:
    found: list[Claim] = []
    judge = Rights(
        vessel="argo",
        log=lambda: "newlog",
        trust=trust,
        leaves=here.leaves,
        on_ahead=lambda _, claim: found.append(claim),
    )
    for each in offered:
        assert judge.rule(BRIGID)(each) == "only argo itself can write its current log newlog"
    return found


def test_reading_of_the_current_log_claims_its_last_number() -> None:
    name = "reading:argo:rpm:newlog:000000000041"
    offered = document(name, body(name, last=43, samples=[[0, 1]] * 30))
    assert claims(Here(), offered) == [Claim(log="newlog", sensor="rpm", number=43)]


def test_boot_of_the_current_log_makes_a_claim_only_with_this_vessels_signature() -> None:
    name = documents.boot_id("argo", "newlog", 7)
    ours = signed(name, "argo", bootId="x")
    assert claims(Here(), ours) == [Claim(log="newlog", number=7, is_signed=True)]
    assert claims(Here(), signed(name, "brigid", bootId="x"), document(name, body(name, bootId="x"))) == []


def test_earlier_state_of_a_stored_boot_makes_no_claim_and_another_boot_contradicts() -> None:
    name = documents.boot_id("argo", "newlog", 7)
    here = holding(signed(name, "argo", bootId="x", anchors=[[1, 2]]))
    assert claims(here, signed(name, "argo", bootId="x")) == []
    assert claims(here, signed(name, "argo", bootId="y")) == [
        Claim(log="newlog", number=7, is_signed=True, contradicts=True)
    ]
