"""Tests of the limits for the generations of revisions that another vessel sends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import documents
from sync.documents import REVOCATIONS
from sync.fleet import generations, signing, unvouched_revisions
from sync.fleet.generations import LEAD, LEAD_OF_OTHERS, MEMBER, STEP, UNVOUCHED, generation_to_vouch_for
from sync.fleet.revocations import Revocations
from sync.fleet.rights import CertifiedVessel, Rights
from sync.peer.revision_writer import TemporaryObjection
from sync.store import Database, Document, revisions
from sync.store.revisions import SOUND_LIMIT
from tests.peer.rig import databases, replicate
from tests.store.test_generations import as_before

from .builders import Here, body, document, revoked, trust, vessel
from .test_rights import ALARM, ANNA, NOTE

ARGO, BRIGID, CAREEN = CertifiedVessel("argo"), CertifiedVessel("brigid"), CertifiedVessel("careen")
EQUIPMENT = "equipment:argo:bilge"
FORWARDED = "forwarded:office:argo"
BOOT = "boot:argo:abcdef:1"
ABOUT = "vessel:argo"
GAP = "gap:argo:bilge:abcdef:000000000001"
LAST = 2**31 - 1
A_YEAR_OF_EQUIPMENT = 365 * 24 * 360


def rights(here: Here, revocations: Revocations | None = None, *, store: str = "careen") -> Rights:
    return Rights(vessel=store, log=lambda: None, trust=lambda: trust(revocations), leaves=here.leaves)


def at(document_id: str, generation: int, *, signer: Any = None, **more: Any) -> Document:
    """Return a document with this generation.

    Types of documents that must be signed are signed by argo, unless `signer` names another vessel.
    """
    content = {"type": document_id} if document_id == "shopping" else body(document_id, **more)
    if signer is None and document_id in (ABOUT, BOOT):
        signer = "argo"
    if signer is not None:
        content = signing.sign(vessel(signer), document_id, content)
    found = document(document_id, content)
    _, digest = revisions.split(found.rev)
    return Document(document_id, revisions.join(generation, digest), 0, False, False, found.raw)


def holding(*found: Document) -> Here:
    here = Here()
    here.add(*found)
    return here


@pytest.mark.parametrize("document_id", [EQUIPMENT, FORWARDED, BOOT, ABOUT, GAP, ALARM, NOTE, "shopping"])
@pytest.mark.parametrize("generation", [LAST, SOUND_LIMIT, SOUND_LIMIT - 1])
def test_no_vessel_can_write_a_document_with_the_last_generation(document_id: str, generation: int) -> None:
    for here in (Here(), holding(at(document_id, 5))):
        for writer in (ARGO, BRIGID):
            why_not = rights(here).objection(writer, at(document_id, generation))
            assert why_not is not None
            assert str(generation) in why_not


@pytest.mark.parametrize("document_id", [ALARM, NOTE])
def test_crew_cannot_write_a_document_with_the_last_generation(document_id: str) -> None:
    here = holding(at(document_id, 5, acks=[]))
    acknowledged = {"acks": [{"who": "anna", "when": "2026"}]}
    assert rights(here).objection(ANNA, at(document_id, 6, **acknowledged)) is None
    assert "above the highest generation stored here" in str(
        rights(here).objection(ANNA, at(document_id, LAST - 1, acks=[]))
    ) or ("no later edit would have" in str(rights(here).objection(ANNA, at(document_id, LAST - 1, acks=[]))))
    assert "above the highest generation stored here" in str(
        rights(here).objection(ANNA, at(document_id, LEAD + 6, **acknowledged))
    )


@pytest.mark.parametrize("document_id", [EQUIPMENT, FORWARDED])
def test_new_card_accepts_the_millionth_revision(document_id: str) -> None:
    for writer in (ARGO, BRIGID):
        assert rights(Here()).objection(writer, at(document_id, 1_000_000)) is None
    about = at(ABOUT, 40, **{MEMBER: generation_to_vouch_for(1_000_000)})
    signer = "argo" if document_id == FORWARDED else None
    for writer in (ARGO, BRIGID):
        found = at(document_id, 1_000_000, signer=signer)
        assert rights(holding(about)).objection(writer, found) is None


@pytest.mark.parametrize(
    ("document_id", "lead"), [(ALARM, LEAD), (NOTE, LEAD), (REVOCATIONS, LEAD), ("shopping", LEAD_OF_OTHERS)]
)
def test_shared_document_is_accepted_after_a_year_but_not_after_a_jump(document_id: str, lead: int) -> None:
    def found(generation: int) -> Document:
        if document_id in (ALARM, NOTE):
            return at(document_id, generation)
        return Document(document_id, f"{generation}-abcd", 0, False, False, b"{}")

    here = holding(found(20))
    judged = rights(here).generations
    name = documents.parse_id(document_id)
    assert judged.objection(name, found(20 + lead)) is None
    assert "above the highest generation stored here" in str(judged.objection(name, found(21 + lead)))
    assert rights(Here()).generations.objection(name, found(lead)) is None
    assert "above the highest generation stored here" in str(
        rights(Here()).generations.objection(name, found(lead + 1))
    )


def test_revision_beyond_the_generation_that_its_vessel_vouches_for_is_refused() -> None:
    most = generation_to_vouch_for(30_000)
    about = at(ABOUT, 40, **{MEMBER: most})
    judge = rights(holding(about))
    for document_id in (EQUIPMENT, BOOT, ABOUT):
        more = {MEMBER: most} if document_id == ABOUT else {}
        assert judge.objection(BRIGID, at(document_id, most, **more)) is None
        why_not = judge.objection(BRIGID, at(document_id, most + 1, **more))
        assert why_not is not None
        assert f"argo has confirmed only generations up to {most}" in why_not
        assert isinstance(why_not, TemporaryObjection), "the vessel may have vouched for more since"
    newer = at(ABOUT, 41, **{MEMBER: generation_to_vouch_for(most)})
    assert judge.objection(BRIGID, newer) is None
    assert rights(holding(newer)).objection(BRIGID, at(EQUIPMENT, most + 1)) is None


def test_only_the_vessel_itself_with_a_valid_certificate_can_vouch() -> None:
    equipment = at(EQUIPMENT, UNVOUCHED + 1)
    good = at(ABOUT, 40, **{MEMBER: generation_to_vouch_for(UNVOUCHED + 1)})
    assert rights(holding(good)).objection(BRIGID, equipment) is None
    for about in (
        at(ABOUT, 40, signer="brigid", **{MEMBER: generation_to_vouch_for(UNVOUCHED + 1)}),
        document(ABOUT, body(ABOUT, **{MEMBER: generation_to_vouch_for(UNVOUCHED + 1)})),
        at(ABOUT, 40, **{MEMBER: LAST}),
        at(ABOUT, 40, **{MEMBER: True}),
        at(ABOUT, 40, **{MEMBER: "many"}),
    ):
        assert "above the highest generation stored here" in str(
            rights(holding(about)).objection(BRIGID, equipment)
        )
    gone = revoked(vessel("argo").certificate)
    assert "above the highest generation stored here" in str(
        rights(holding(good), gone).objection(BRIGID, equipment)
    )


def test_forwarded_document_is_passed_on_only_with_its_vessels_signature() -> None:
    signed, plain = at(FORWARDED, 7, signer="argo"), at(FORWARDED, 7)
    forged = at(FORWARDED, 7, signer="brigid")
    about = at(ABOUT, 40, **{MEMBER: STEP})
    for here in (Here(), holding(about)):
        assert rights(here).objection(BRIGID, signed) is None
        assert rights(here).objection(ARGO, signed) is None
        assert rights(here).objection(ARGO, plain) is None
        assert (
            rights(here).objection(BRIGID, forged)
            == "the document is signed by brigid, but only argo can write it"
        )
    assert rights(Here()).objection(BRIGID, plain) is None, "argo's version may be one that signs none"
    why_not = rights(holding(about)).objection(BRIGID, plain)
    assert why_not == "not signed by its vessel"
    assert isinstance(why_not, TemporaryObjection), (
        "argo may have gone back to an earlier version, until the next update"
    )


@pytest.mark.parametrize("later", [{}, {MEMBER: STEP}])
def test_unsigned_forwarded_document_is_refused_once_its_vessel_has_vouched(
    later: dict[str, int], tmp_path: Path
) -> None:
    """An unsigned revision may come from an earlier software version or be an old one that was passed on."""
    with databases(tmp_path, "brigid", "careen") as (brigid, careen):
        stored(careen, at(ABOUT, 40, **{MEMBER: 2 * STEP}))
        unvouched_revisions.remove_unvouched_of(careen, generations_of(careen), ["argo"])
        for store in (brigid, careen):
            stored(store, at(ABOUT, 41, **later))
        stored(brigid, at(FORWARDED, 7))
        judge = Rights(
            vessel="careen",
            log=lambda: None,
            trust=trust,
            leaves=careen.leaves,
            stored_voucher=lambda name: unvouched_revisions.stored_voucher(careen, name),
        )
        wire = replicate(brigid, careen, passive={"rule": judge.rule(BRIGID)})
        assert careen.get(FORWARDED) is None
        assert {ended.problem.code for ended in wire.told if ended.problem} == {503}
        stored(brigid, at(FORWARDED, 8, signer="argo"))
        replicate(brigid, careen, passive={"rule": judge.rule(BRIGID)})
        assert careen.get(FORWARDED) is not None


@pytest.mark.parametrize("digest", ["z" * 32, "A" * 32, "f" * 65, "~", "1.2.3"])
def test_digest_that_would_win_every_conflict_is_refused(digest: str) -> None:
    found = Document(NOTE, f"1-{digest}", 0, False, False, document(NOTE).raw)
    for writer in (BRIGID, ANNA):
        try:
            why_not = rights(Here()).objection(writer, found)
        except ValueError as error:
            why_not = str(error)
        assert why_not is not None


@given(highest=st.integers(0, SOUND_LIMIT - 1), before=st.one_of(st.none(), st.integers(-1, 2**31)))
def test_vessel_vouches_for_slightly_more_than_its_highest_generation(
    highest: int, before: int | None
) -> None:
    most = generation_to_vouch_for(highest, before)
    assert highest <= most < SOUND_LIMIT
    assert most <= highest + 2 * STEP
    assert generation_to_vouch_for(highest, most) == most or most == SOUND_LIMIT - 1


kinds = st.sampled_from([EQUIPMENT, FORWARDED, BOOT, ABOUT, GAP, ALARM, NOTE])


@given(
    document_id=kinds,
    attempts=st.lists(st.one_of(st.integers(1, 2**31 - 1), st.just(LAST), st.integers(1, 10**5)), max_size=8),
    known=st.integers(1, A_YEAR_OF_EQUIPMENT),
    vouches=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_next_revision_of_a_vessel_is_accepted_despite_revisions_from_others(
    document_id: str, attempts: list[int], known: int, vouches: bool
) -> None:
    """Brigid sends arbitrary revisions of argo's document to careen and argo.

    Argo then writes a new revision, which careen must accept.
    """
    if document_id in (ALARM, NOTE):
        known = min(known, LEAD)
    here = holding(at(document_id, known))
    if vouches:
        here.add(at(ABOUT, 40 if document_id != ABOUT else known, **{MEMBER: generation_to_vouch_for(known)}))
    own = Here(dict(here.found))
    highest = known
    for generation in attempts:
        more = {MEMBER: generation_to_vouch_for(known)} if document_id == ABOUT else {}
        offered = at(document_id, generation, **more)
        if rights(here).objection(BRIGID, offered) is None:
            name = documents.parse_id(document_id)
            assert rights(own, store="argo").generations.objection(name, offered) is None, "argo hears of it"
            if generation > highest:
                highest = generation
                here.add(offered)
                own.add(offered)
    following = at(
        document_id, highest + 1, **({MEMBER: generation_to_vouch_for(highest + 1)} if vouches else {})
    )
    if vouches:
        here.add(at(ABOUT, highest + 1, **{MEMBER: generation_to_vouch_for(highest + 1)}))
    assert rights(here).objection(ARGO, following) is None
    if not vouches or document_id != FORWARDED:
        assert rights(here).objection(BRIGID, following) is None


# Repair


def stored(store: Database, *found: Document) -> None:
    with as_before():
        for each in found:
            store.insert(each.id, each.rev, [], each.raw)


def generations_of(store: Database, revocations: Revocations | None = None) -> generations.Generations:
    return Rights(
        vessel="careen",
        log=lambda: None,
        trust=lambda: trust(revocations),
        leaves=store.leaves,
        stored_voucher=lambda name: unvouched_revisions.stored_voucher(store, name),
    ).generations


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], Database]:
    return lambda: Database.open(tmp_path / "log.db", policy=documents.POLICY)


def test_revisions_accepted_by_an_earlier_version_are_removed_once_and_requested_again(
    opened: Callable[[], Database],
) -> None:
    with opened() as store:
        fine = [at(NOTE, 3), at("equipment:brigid:oil", 1_000_000), at(BOOT, 2)]
        stored(store, *fine, *(at(each, LAST) for each in (EQUIPMENT, FORWARDED, ABOUT, ALARM, GAP)))
        store.checkpoints.put("vessel:argo", "cp-x", b'{"local": 7}', parent=None)
        store.put_local("checkpoint:cp-x", {"local": 7})
        assert sorted(unvouched_revisions.remove_unvouched(store, generations_of(store))) == sorted(
            [EQUIPMENT, FORWARDED, ABOUT, ALARM, GAP]
        )
        assert {each.id for each in store.documents(deleted=True)} == {each.id for each in fine}
        assert store.checkpoints.all() == []
        assert store.get_local("checkpoint:cp-x") is not None, "what went ashore is not sent there again"
        assert unvouched_revisions.removal_count(store) == 1
        assert unvouched_revisions.remove_unvouched(store, generations_of(store)) == []
        assert unvouched_revisions.removal_count(store) == 1


def test_earlier_revision_is_removed_when_its_vessel_vouches_for_less(opened: Callable[[], Database]) -> None:
    with opened() as store:
        stored(store, at(EQUIPMENT, UNVOUCHED), at("equipment:brigid:oil", UNVOUCHED))
        assert unvouched_revisions.remove_unvouched(store, generations_of(store)) == []
        stored(store, at(ABOUT, 40, **{MEMBER: STEP}))
        assert unvouched_revisions.remove_unvouched_of(store, generations_of(store), ["brigid"]) == []
        assert unvouched_revisions.remove_unvouched_of(store, generations_of(store), ["argo"]) == [EQUIPMENT]


def test_revision_vouched_for_by_a_revoked_certificate_is_removed(opened: Callable[[], Database]) -> None:
    with opened() as store:
        stored(
            store,
            at(ABOUT, SOUND_LIMIT - 1, **{MEMBER: SOUND_LIMIT - 1}),
            at(EQUIPMENT, SOUND_LIMIT - 1),
            at(FORWARDED, SOUND_LIMIT - 1, signer="argo"),
        )
        assert unvouched_revisions.remove_unvouched(store, generations_of(store)) == []
        gone = revoked(vessel("argo").certificate)
        assert sorted(unvouched_revisions.remove_unvouched(store, generations_of(store, gone))) == sorted(
            [ABOUT, EQUIPMENT, FORWARDED]
        )


def test_old_vouching_document_passed_on_as_new_removes_nothing(opened: Callable[[], Database]) -> None:
    """An attacker can send an old `vessel` document as a new revision, because its signature is valid."""
    old, new = {MEMBER: STEP}, {MEMBER: 10 * STEP}
    with opened() as store:
        judge = generations_of(store)
        stored(store, at(ABOUT, 40, **old))
        assert unvouched_revisions.remove_unvouched_of(store, judge, ["argo"]) == []
        stored(store, at(ABOUT, 41, **new))
        assert unvouched_revisions.remove_unvouched_of(store, judge, ["argo"]) == []
        stored(store, at(EQUIPMENT, 9 * STEP), at(ABOUT, 42, **old))
        for _ in range(3):
            assert unvouched_revisions.remove_unvouched_of(store, judge, ["argo"]) == []
    with opened() as store:
        judge = generations_of(store)
        assert unvouched_revisions.remove_unvouched_of(store, judge, ["argo"]) == []
        assert unvouched_revisions.remove_unvouched(store, judge) == []
        assert judge.vouched_generation("argo") == 10 * STEP, "nor is anything refused for it"
        assert unvouched_revisions.removal_count(store) == 0
        assert store.get(EQUIPMENT) is not None


def test_vessel_that_vouches_for_less_each_time_causes_one_removal(opened: Callable[[], Database]) -> None:
    with opened() as store:
        judge = generations_of(store)
        stored(store, at(EQUIPMENT, UNVOUCHED))
        for generation, word in enumerate(({MEMBER: 50 * STEP}, {}, {MEMBER: 20 * STEP}, {}, {MEMBER: STEP})):
            stored(store, at(ABOUT, 40 + generation, **word))
            removed = unvouched_revisions.remove_unvouched_of(store, judge, ["argo"])
            assert removed == ([EQUIPMENT] if not generation else [])
            stored(store, at(f"equipment:argo:oil-{generation}", UNVOUCHED))
        assert unvouched_revisions.removal_count(store) == 1


def test_vessel_that_never_vouches_causes_no_removal(opened: Callable[[], Database]) -> None:
    with opened() as store:
        stored(store, at(ABOUT, 40), at(EQUIPMENT, UNVOUCHED + LEAD))
        assert unvouched_revisions.remove_unvouched_of(store, generations_of(store), ["argo"]) == []
        assert unvouched_revisions.removal_count(store) == 0


def test_first_vouching_after_a_revocation_counts_as_the_first(opened: Callable[[], Database]) -> None:
    with opened() as store:
        stored(store, at(ABOUT, 40, **{MEMBER: SOUND_LIMIT - 1}))
        assert unvouched_revisions.remove_unvouched_of(store, generations_of(store), ["argo"]) == []
        judge = generations_of(store, revoked(vessel("argo").certificate))
        assert judge.vouched_generation("argo") is None
        stored(store, at(EQUIPMENT, UNVOUCHED))
        renewed = vessel("argo", number=2)
        content = signing.sign(renewed, ABOUT, body(ABOUT, **{MEMBER: STEP}))
        with as_before():
            store.insert(ABOUT, "41-abcd", [], content)
        assert unvouched_revisions.remove_unvouched_of(store, judge, ["argo"]) == [EQUIPMENT]
        assert judge.vouched_generation("argo") == STEP
        assert unvouched_revisions.remove_unvouched_of(store, judge, ["argo"]) == []
