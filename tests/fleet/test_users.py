"""Passwords of the crew are stored as hashes, are checked correctly, and are never shown."""

import base64
import hashlib

import pytest

from sync.fleet import users
from sync.fleet.errors import PasswordHashError

SALT = bytes(range(16))
STORED = "scrypt$8192$8$1$AAECAwQFBgcICQoLDA0ODw$ls2szwqJZRik99QKKYOcskUBW9CffZElhDn07psqnD0"


def test_a_password_matches_its_hash_and_no_other_does() -> None:
    assert users.make_hash("a good password", SALT) == STORED
    assert users.verify(STORED, "a good password")
    assert not users.verify(STORED, "a good passwort")
    assert not users.verify(STORED, "")
    assert not users.verify(STORED, "x" * 100_000)


def test_composed_and_decomposed_accents_are_the_same_password() -> None:
    assert users.verify(users.make_hash("m\u00f6venschiss", SALT), "mo\u0308venschiss")


def test_hash_with_other_parameters_is_accepted() -> None:
    weaker = "scrypt$1024$8$1$AAECAwQFBgcICQoLDA0ODw$"
    made = hashlib.scrypt(b"a good password", salt=SALT, n=1024, r=8, p=1, dklen=32)
    assert users.verify(weaker + base64.b64encode(made).decode().rstrip("="), "a good password")


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        ("a good password", "does not have the form"),
        ("", "does not have the form"),
        ("scrypt$8192$8$1$AAECAwQFBgcICQoLDA0ODw", "does not have the form"),
        ("bcrypt$8192$8$1$AAAA$AAAA", "does not have the form"),
        (STORED.replace("8192", "8191"), "parameters"),
        (STORED.replace("8192", "1048576"), "parameters"),
        (STORED.replace("$8$1$", "$8$999$"), "parameters"),
        (STORED.replace("$8$1$", "$0$1$"), "parameters"),
        (STORED.replace("8192", "-8192"), "invalid numbers or invalid base64"),
        (STORED.replace("8192", "٨"), "invalid numbers or invalid base64"),
        (STORED[:-1] + "*", "invalid numbers or invalid base64"),
        (STORED[:-4], "copied completely"),
        (STORED.replace("AAECAwQFBgcICQoLDA0ODw", "AAEC"), "copied completely"),
    ],
)
def test_invalid_hash_is_refused_and_not_quoted(stored: str, why: str) -> None:
    with pytest.raises(PasswordHashError, match=why) as caught:
        users.parse(stored)
    assert "good password" not in str(caught.value)


@pytest.mark.parametrize("password", ["", "short", "line\nbreak", "x" * 2000])
def test_invalid_password_is_not_hashed(password: str) -> None:
    with pytest.raises(PasswordHashError, match="the password must"):
        users.make_hash(password, SALT)


def test_checker_accepts_only_its_users() -> None:
    ok = users.checker({"bridge": STORED})
    assert ok("bridge", "a good password")
    assert not ok("bridge", "another one")
    assert not ok("stranger", "a good password")
    with pytest.raises(PasswordHashError):
        users.checker({"bridge": "a good password"})


def test_repr_does_not_contain_the_hash() -> None:
    assert repr(users.parse(STORED)) == "PasswordHash(n=8192, r=8, p=1)"
