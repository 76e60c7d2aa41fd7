"""Signed documents can be created and changed only by the vessel or the CA that signs them."""

import base64
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.fleet import signatures, signing
from sync.fleet.errors import RevocationsError, SignatureError
from sync.fleet.revocations import from_body, to_body
from sync.store import bodies
from tests.net.certificates import of_unknown_version, self_signed, with_unreadable_extensions

from .builders import authority, body, revoked, trust, vessel

BOOT = "boot:argo:abcdef:1"
ODD = with_unreadable_extensions("argo", authority())

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
members = st.dictionaries(
    st.text(min_size=1, max_size=6).filter(lambda member: member[0] != "_"), values, max_size=5
)


def b64(encoded: bytes) -> str:
    return base64.b64encode(encoded).decode()


def signed(document_id: str = BOOT, by: str = "argo", **more: Any) -> dict[str, Any]:
    return signing.sign(vessel(by), document_id, body(document_id, **more))


def test_signature_names_the_vessel() -> None:
    assert signing.signer(BOOT, signed(anchors=[[1.5, 2, "rtc", 0.1]]), trust()) == "argo"


@given(members)
@settings(max_examples=40)
def test_signature_survives_any_formatting_of_the_same_json(more: dict[str, Any]) -> None:
    found = signing.sign(vessel("argo"), BOOT, more | body(BOOT))
    written = bodies.decode(BOOT, bodies.canonical(BOOT, found))
    backwards = dict(reversed(list(written.items())))
    assert signing.signer(BOOT, backwards, trust()) == "argo"


@given(members, st.data())
@settings(max_examples=60)
def test_any_change_invalidates_the_signature(more: dict[str, Any], data: st.DataObject) -> None:
    good = signing.sign(vessel("argo"), BOOT, more | body(BOOT))
    member = data.draw(st.sampled_from(sorted(good)) | st.text(min_size=1, max_size=4))
    changed = copy.deepcopy(good)
    if member in changed and data.draw(st.booleans()):
        del changed[member]
    else:
        changed[member] = data.draw(values)
    if bodies.canonical(BOOT, {"b": changed}) == bodies.canonical(BOOT, {"b": good}):
        return
    with pytest.raises(SignatureError):
        signing.signer(BOOT, changed, trust())


def test_same_body_gets_the_same_signature_and_no_new_revision() -> None:
    assert signed() == signed()
    assert signing.sign(vessel("argo"), BOOT, signed()) == signed()


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (body(BOOT), "not signed by its vessel"),
        (signed() | {"certificate": 7}, "cannot be read"),
        (signed() | {"certificate": "AAAA"}, "cannot be read"),
        (signed() | {"certificate": "A" * 100_000}, "cannot be read"),
        (signed() | {"certificate": b64(of_unknown_version(vessel("argo").certificate))}, "cannot be read"),
        (signing.sign(ODD, BOOT, body(BOOT)), "does not belong to a vessel of fleet 'north'"),
        (signed() | {"sig": "no"}, "the signature of argo does not match the content"),
        (signed() | {"sig": None}, "the signature of argo does not match the content"),
        (signed("boot:argo:abcdef:2"), "the signature of argo does not match the content"),
        (
            signing.sign(vessel("argo", fleet="south"), BOOT, body(BOOT)),
            "does not belong to a vessel of fleet 'north'",
        ),
        (signing.sign(self_signed("argo"), BOOT, body(BOOT)), "does not belong to a vessel of fleet 'north'"),
    ],
)
def test_invalid_signature_is_refused_with_the_reason(found: dict[str, Any], why: str) -> None:
    with pytest.raises(SignatureError, match=why):
        signing.signer(BOOT, found, trust())


def test_certificate_with_the_right_name_from_another_ca_is_refused() -> None:
    foreign = authority("south").issue("argo", uri="logboat:north:argo")
    with pytest.raises(SignatureError, match="does not belong to a vessel"):
        signing.signer(BOOT, signing.sign(foreign, BOOT, body(BOOT)), trust())


def test_signature_stays_valid_after_the_certificate_is_revoked() -> None:
    assert signing.signer(BOOT, signed(), trust(revoked(vessel("argo").certificate))) == "argo"


def test_signature_of_the_ca_is_valid_for_one_document_only() -> None:
    ca = authority()
    sealed = signatures.seal("fleet:chart", {"text": "x"}, ca.key)
    assert signatures.is_sealed("fleet:chart", sealed, ca.certificate)
    assert not signatures.is_sealed("fleet:tide", sealed, ca.certificate)
    assert not signatures.is_sealed("fleet:chart", sealed | {"text": "y"}, ca.certificate)
    assert not signatures.is_sealed("fleet:chart", sealed, authority("south").certificate)
    assert not signatures.is_sealed("fleet:chart", {"id": "fleet:chart"}, ca.certificate)


def test_revocations_are_decoded_as_they_were_encoded() -> None:
    stated = revoked(vessel("argo").certificate, number=3)
    ca = authority()
    assert from_body(to_body(stated, fleet="north", key=ca.key), ca.certificate) == stated
    assert stated.revocation_of(vessel("argo").certificate) is stated.entries[0]
    assert stated.revocation_of(vessel("brigid").certificate) is None


def test_only_the_ca_revokes() -> None:
    ca, stated = authority(), revoked(vessel("argo").certificate)
    with pytest.raises(RevocationsError, match="not signed by the fleet's CA"):
        from_body(to_body(stated, fleet="north", key=authority("south").key), ca.certificate)
    with pytest.raises(RevocationsError, match="not signed"):
        from_body(to_body(stated, fleet="north", key=ca.key) | {"number": 9}, ca.certificate)
    with pytest.raises(RevocationsError, match="in an unknown format"):
        from_body(signatures.seal("fleet:revocations", {"number": "7"}, ca.key), ca.certificate)
