"""Peers that check each other's rights still end up with the same documents, and resolve all conflicts."""

import base64
import itertools
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync.documents import REVOCATIONS
from sync.fleet import signing
from sync.fleet.revocations import Revocations, to_body
from sync.fleet.rights import CertifiedVessel, CrewMember, Rights, Writer
from sync.fleet.trust import FleetTrust
from sync.store import Database, bodies, revisions
from tests.net.certificates import NOW, of_unknown_version, with_unreadable_extensions
from tests.peer.rig import assert_same, databases, replicate

from .builders import authority, body, trust, vessel
from .test_rights import ALARM, NOTE

VESSELS = ("argo", "brigid", "careen")


class Meeting:
    """Vessels with one store each, which exchange those documents that their rights permit."""

    def __init__(self, stores: list[Database]) -> None:
        self.stores = dict(zip(VESSELS, stores, strict=False))
        self.trusted = dict.fromkeys(self.stores, trust())
        self.told: list[str] = []

    def rights(self, vessel: str) -> Rights:
        def trusts() -> FleetTrust:
            return self.trusted[vessel]

        log = "newlog" if vessel == "argo" else None
        return Rights(vessel=vessel, log=lambda: log, trust=trusts, leaves=self.stores[vessel].leaves)

    def meet(self, active: str, passive: str, *, writer: Writer | None = None) -> None:
        wire = replicate(
            self.stores[active],
            self.stores[passive],
            active={"pull_rule": self.rights(active).rule(CertifiedVessel(passive))},
            passive={"rule": self.rights(passive).rule(writer or CertifiedVessel(active))},
        )
        self.told += [str(ended.problem) for ended in wire.told if ended.problem is not None]

    def acknowledge(self, vessel: str, who: str) -> None:
        self.change(vessel, lambda found: found | {"acks": [*found["acks"], {"who": who, "when": "2026"}]})

    def change(self, vessel: str, changed: Any) -> None:
        found = self.stores[vessel].get(ALARM)
        if found is not None:
            self.stores[vessel].put(ALARM, changed(found.body), parent=found.rev)

    def all_meet(self) -> None:
        """Replicate each pair of vessels four times.

        The vessel with the smaller id is always the active peer, which resolves conflicts.
        """
        for _ in range(4):
            for active, passive in itertools.combinations(self.stores, 2):
                self.meet(active, passive)


def alarm() -> dict[str, Any]:
    return body(ALARM, acks=[], cleared=None, history=[1])


steps = st.lists(
    st.tuples(st.just("meet"), st.permutations(VESSELS))
    | st.tuples(st.just("ack"), st.permutations(VESSELS))
    | st.tuples(st.just("clear"), st.permutations(VESSELS))
    | st.tuples(st.just("revoke"), st.permutations(VESSELS)),
    min_size=3,
    max_size=10,
)


@given(steps)
@example([("revoke", ("argo", "brigid", "")), ("revoke", ("argo", "careen", "")), ("revoke", VESSELS)])
@settings(max_examples=25)
def test_vessels_converge_on_alarms_and_revocations(steps: list[tuple[str, tuple[str, ...]]]) -> None:
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder), *VESSELS) as stores:
        fleet = Meeting(stores)
        fleet.stores["argo"].put(ALARM, alarm())
        number = 0
        for kind, (first, second, _) in steps:
            if kind == "meet":
                fleet.meet(*sorted((first, second)))
            elif kind == "ack":
                fleet.acknowledge(first, second)
            elif kind == "clear":
                fleet.change(
                    "argo", lambda found: found | {"cleared": {"boot": 1, "clock": 2}, "history": [1, 2]}
                )
            else:  # as if the operator had copied the CA's latest statement to two vessels
                number += 1
                said = to_body(Revocations(number, NOW), fleet="north", key=authority().key)
                for vessel in (first, second):
                    found = fleet.stores[vessel].get(REVOCATIONS)
                    fleet.stores[vessel].put(REVOCATIONS, said, parent=found.rev if found else None)
        fleet.all_meet()
        assert_same(*stores)
        if number:
            latest = stores[0].get(REVOCATIONS)
            assert latest is not None
            assert latest.body["number"] == number


def test_crew_app_can_add_its_acknowledgement_and_nothing_else(tmp_path: Path) -> None:
    with databases(tmp_path, "argo", "phone") as stores:
        fleet = Meeting(stores[:1])
        argo, phone = stores
        fleet.stores["phone"], fleet.trusted["phone"] = phone, trust()
        argo.put(ALARM, alarm())
        fleet.meet("phone", "argo", writer=CrewMember("anna"))
        fleet.acknowledge("phone", "anna")
        phone.put(NOTE, body(NOTE, text="oil changed"))
        phone.put("equipment:argo:rpm", body("equipment:argo:rpm", value=7))
        phone.put("fleet:chart", {"type": "fleet"})
        fleet.meet("phone", "argo", writer=CrewMember("anna"))
        seen, noted = argo.get(ALARM), argo.get(NOTE)
        assert seen is not None
        assert noted is not None
        assert seen.body["acks"] == [{"who": "anna", "when": "2026"}]
        assert argo.get("equipment:argo:rpm") is None
        assert argo.get("fleet:chart") is None
        refusals = (
            ("crew members cannot write equipment documents"),
            "crew members cannot write fleet documents",
        )
        assert len(fleet.told) == 2
        for told, refusal in zip(sorted(fleet.told), refusals, strict=True):
            assert refusal in told


def test_passive_vessel_also_receives_the_losing_branch(tmp_path: Path) -> None:
    """Brigid, to which argo connects, must receive both branches, because either may win."""
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        with databases(tmp_path / str(number), "argo", "brigid") as stores:
            fleet = Meeting(stores)
            stores[0].put(ALARM, alarm())
            fleet.meet("argo", "brigid")
            fleet.acknowledge("argo", "anna")
            fleet.acknowledge("brigid", f"bo {number}")
            fleet.meet("argo", "brigid")
            assert_same(*stores)
            found = stores[1].get(ALARM)
            assert found is not None
            assert [ack["who"] for ack in found.body["acks"]] == ["anna", f"bo {number}"]


@pytest.mark.parametrize("document_id", [REVOCATIONS, ALARM])
@pytest.mark.parametrize("rogue_dials", [True, False])
@pytest.mark.parametrize("form", ["made up", "closing", "beside", "beside, closing"])
def test_forged_tombstone_deletes_no_undeletable_document(
    tmp_path: Path, document_id: str, rogue_dials: bool, form: str
) -> None:
    """If the revocations were deleted, a vessel would trust revoked vessels again after a restart."""
    said = alarm()
    if document_id == REVOCATIONS:
        said = to_body(Revocations(3, NOW, ()), fleet=trust().fleet, key=authority().key)
    with databases(tmp_path, "argo", "brigid") as (rogue, other):
        fleet = Meeting([rogue, other])
        rev = other.put(document_id, said)
        fleet.meet("argo", "brigid")
        parent = "1-unheardof" if form.startswith("beside") else rev
        tombstone = "2-ffffffff"
        if form.endswith("closing"):
            tombstone = revisions.make(parent, deleted=True, body=bodies.EMPTY, closing=True)
        rogue.purge([document_id])
        rogue.insert(document_id, tombstone, [parent], b"{}", deleted=True)
        for _ in range(2):
            fleet.meet(*(("argo", "brigid") if rogue_dials else ("brigid", "argo")))
        found = other.get(document_id)
        assert found is not None
        assert not found.deleted
        assert found.rev == rev


@pytest.mark.parametrize("newer", ["argo", "brigid"])
def test_newer_revocations_replace_older_ones_from_another_source(tmp_path: Path, newer: str) -> None:
    """Argo is the active peer. `newer` selects the vessel that has the newer revocations."""
    with databases(tmp_path, "argo", "brigid") as stores:
        fleet = Meeting(stores)
        older = "brigid" if newer == "argo" else "argo"
        for vessel, number in ((older, 1), (newer, 2), (newer, 3)):
            found = fleet.stores[vessel].get(REVOCATIONS)
            said = to_body(Revocations(number, NOW), fleet="north", key=authority().key)
            fleet.stores[vessel].put(REVOCATIONS, said, parent=found.rev if found else None)
        fleet.meet("argo", "brigid")
        assert_same(*stores)
        for store in stores:
            latest = store.get(REVOCATIONS)
            assert latest is not None
            assert latest.body["number"] == 3
        assert fleet.told == []


@pytest.mark.parametrize("rogue_dials", [True, False])
@pytest.mark.parametrize("follows", [True, False])
def test_older_revocations_never_replace_newer_ones(tmp_path: Path, rogue_dials: bool, follows: bool) -> None:
    with databases(tmp_path, "argo", "brigid") as (rogue, other):
        fleet = Meeting([rogue, other])
        old, new = (to_body(Revocations(n, NOW), fleet="north", key=authority().key) for n in (1, 2))
        rev = other.put(REVOCATIONS, new)
        rogue.insert(REVOCATIONS, "9-ffffffff", [rev] if follows else ["8-eeeeeeee"], old)
        for _ in range(2):
            fleet.meet(*(("argo", "brigid") if rogue_dials else ("brigid", "argo")))
        found = other.get(REVOCATIONS)
        assert found is not None
        assert found.body["number"] == 2
        assert other.conflicts() == []


@pytest.mark.parametrize("rogue_dials", [True, False])
def test_unreadable_certificate_affects_only_its_document(tmp_path: Path, rogue_dials: bool) -> None:
    odd = base64.b64encode(of_unknown_version(vessel("cygnet").certificate)).decode()
    unread = with_unreadable_extensions("cygnet", authority())
    signed = signing.sign(vessel("cygnet"), "boot:cygnet:abcdef:3", body("boot:cygnet:abcdef:3"))
    with databases(tmp_path, "argo", "brigid") as (rogue, other):
        fleet = Meeting([rogue, other])
        found = body("boot:cygnet:abcdef:1")
        rogue.put("boot:cygnet:abcdef:1", found | {"certificate": odd, "sig": "AAAA"})
        found = body("boot:cygnet:abcdef:2")
        rogue.put("boot:cygnet:abcdef:2", signing.sign(unread, "boot:cygnet:abcdef:2", found))
        rogue.put("boot:cygnet:abcdef:3", signed)
        fleet.meet(*(("argo", "brigid") if rogue_dials else ("brigid", "argo")))
        assert [document.id for document in other.documents()] == ["boot:cygnet:abcdef:3"]
        assert len(fleet.told) == 2
        assert any("the document's certificate cannot be read" in told for told in fleet.told)
        assert any("does not belong to a vessel of fleet 'north'" in told for told in fleet.told)
