"""The next radio key can be decrypted only by the vessels for which it was encrypted."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from sync.fleet.errors import RadioKeyError
from sync.fleet.radio_key import RadioKey, RadioPasswords, from_body, open_passwords, seal, to_body
from sync.fleet.revocations import serial_text
from tests.net.certificates import NOW

from .builders import authority, vessel

PASSWORDS = st.text(
    st.sampled_from([chr(n) for n in range(32, 127) if chr(n) != '"']), min_size=8, max_size=63
)
KEYS = RadioPasswords("the first of the two", "the second of the two")
LATER = NOW + timedelta(days=14)


def ephemeral(secret: int = 0) -> ec.EllipticCurvePrivateKey:
    return (
        ec.derive_private_key(secret, ec.SECP256R1()) if secret else ec.generate_private_key(ec.SECP256R1())
    )


def statement(
    *vessels: str,
    keys: RadioPasswords = KEYS,
    number: int = 1,
    fleet: str = "north",
    begins: datetime = LATER,
) -> RadioKey:
    parts = tuple(
        seal(keys, vessel(each).certificate, vessel=each, fleet=fleet, number=number, ephemeral=ephemeral())
        for each in vessels
    )
    return RadioKey(number, NOW, begins, parts)


@given(before=PASSWORDS, after=PASSWORDS, number=st.integers(1, 2**53 - 1), secret=st.integers(1, 2**200))
def test_each_vessel_decrypts_its_own_part_of_the_document(
    before: str, after: str, number: int, secret: int
) -> None:
    keys = RadioPasswords(before, after)
    parts = tuple(
        seal(
            keys,
            vessel(each).certificate,
            vessel=each,
            fleet="north",
            number=number,
            ephemeral=ephemeral(secret + place),
        )
        for place, each in enumerate(("argo", "brigid"))
    )
    stated = RadioKey(number, NOW, LATER, parts)
    body = to_body(stated, fleet="north", key=authority().key)
    found = from_body(body, authority().certificate)
    assert found == stated
    for each in ("argo", "brigid"):
        assert open_passwords(found, vessel(each), vessel=each, fleet="north") == keys
    text = str(body)
    assert before not in text
    assert after not in text
    assert open_passwords(found, vessel("careen"), vessel="careen", fleet="north") is None


def test_two_encryptions_of_the_same_key_differ() -> None:
    [first], [second] = statement("argo").parts, statement("argo").parts
    assert first.sealed != second.sealed


@pytest.mark.parametrize(
    ("who", "name", "fleet", "number"),
    [
        ("brigid", "argo", "north", 1),
        ("argo", "brigid", "north", 1),
        ("argo", "argo", "south", 1),
        ("argo", "argo", "north", 2),
    ],
)
def test_part_can_be_decrypted_only_for_its_vessel_fleet_and_number(
    who: str, name: str, fleet: str, number: int
) -> None:
    """If a part is presented as the part for a different vessel, that vessel cannot decrypt it."""
    [part] = statement("argo").parts
    passed_off = replace(part, vessel=name, serial=serial_text(vessel(who).certificate.serial_number))
    stated = RadioKey(number, NOW, LATER, (passed_off,))
    with pytest.raises(
        RadioKeyError, match=f"the entry for {name} in statement {number} cannot be decrypted"
    ):
        open_passwords(stated, vessel(who), vessel=name, fleet=fleet)


@given(data=st.data())
def test_changed_part_cannot_be_decrypted(data: st.DataObject) -> None:
    stated = statement("argo")
    sealed = bytearray(base64.b64decode(stated.parts[0].sealed))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    changed = replace(stated.parts[0], sealed=base64.b64encode(sealed).decode())
    with pytest.raises(RadioKeyError):
        open_passwords(replace(stated, parts=(changed,)), vessel("argo"), vessel="argo", fleet="north")


@given(
    sealed=st.one_of(
        st.text(max_size=300), st.binary(max_size=300).map(lambda b: base64.b64encode(b).decode())
    )
)
def test_any_content_of_a_part_raises_a_specific_error(sealed: str) -> None:
    stated = statement("argo")
    changed = replace(stated.parts[0], sealed=sealed)
    with pytest.raises(RadioKeyError, match="cannot be decrypted"):
        open_passwords(replace(stated, parts=(changed,)), vessel("argo"), vessel="argo", fleet="north")


@pytest.mark.parametrize("member", ["number", "from", "parts", "fleet", "sig"])
def test_signature_of_the_ca_covers_every_member(member: str) -> None:
    body = to_body(statement("argo"), fleet="north", key=authority().key)
    changed = {
        "number": 2,
        "from": "2020-01-01T00:00:00Z",
        "parts": [],
        "fleet": "south",
        "sig": to_body(statement("argo"), fleet="north", key=authority("south").key)["sig"],
    }[member]
    with pytest.raises(RadioKeyError, match="not signed by the fleet's CA"):
        from_body(body | {member: changed}, authority().certificate)


def test_key_that_is_no_valid_password_is_not_encrypted() -> None:
    for wrong in ("short", 'quoted"words"', "two\nlines of it", "x" * 64):
        with pytest.raises(RadioKeyError, match="the radio password is not valid"):
            statement("argo", keys=RadioPasswords("a good one", wrong))


def test_second_key_applies_from_its_time_on() -> None:
    stated = statement("argo")
    assert not stated.has_begun(LATER - timedelta(seconds=1))
    assert stated.has_begun(LATER)
    assert from_body(
        to_body(stated, fleet="north", key=authority().key), authority().certificate
    ).begins == LATER.astimezone(UTC)
