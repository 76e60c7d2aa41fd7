"""Commands never show a secret from a configuration file, even if the file is invalid."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from sensors.registry import all_kinds
from sensors.settings import CorrectionKeys, SamplingKeys, SensorsFile
from sensors.toml.reference import describe
from services.bundle.redaction import HARMLESS, SECRET, SECTIONS, redact
from services.config.model import Configuration

LEAST_SHOWN = 6
"""Number of consecutive characters that reveal a secret; fewer may occur by chance."""
UNITS = (
    'password = "{s}"',
    "password = '{s}'",
    "password={s}",
    'password = "x" # {s}',
    'pasword = "{s}"',
    'psk = "{s}" ',
    "mystery = '{s}'",
    'password = "\\"{s}"',
    "# {s}",
    'name = "SY Argo"  # {s}',
    'password = """\n{s}\n"""',
    "password = '''\n{s}'''",
    'password = """{s}"""',
    'password = """\nname = "{s}"\n"""',
    'password = """\n[vessel]\nname = "{s}"\n"""',
    'name = """\n{s}\n"""',
    'mystery = ["a", "{s}"]',
    'mystery = [\n"{s}",\n]',
    'mystery = [[\n"]",["{s}"],\n], "{s}"]',
    'mystery = {{ name = "{s}" }}',
    'mystery = {{\n  name = "{s}"\n}}',
    'wifi = [{{ ssid = "m", password = "{s}" }}]',
    'wifi = [\n  {{ ssid = "m", password = "{s}" }}, # {s}\n  {{ pasword = \'{s}\', ssid = "x" }}\n]',
    'wifi = [{{ ssid = "m, password = "{s}" }}]',
    'wifi = {{ ssid = "m", key.password = ["{s}"], mystery = {{ name = "{s}" }} }}',
    'vessel.password = "{s}"',
    'password.name = "{s}"',
    '"pass word" = "{s}"',
    '"a=b" = "{s}"',
    '[mystery]\nname = "{s}"\n[vessel]',
    '[[mystery.vessel]]\nname = "{s}"\n[vessel]',
    "password: {s}",
    "{s}",
    '"{s}"',
    "{s} = 1",
    'password = "{s}',
    'password = {s}"',
    'password =\n"{s}"',
    'password = "abc\\\n{s}"',
    'url = "wss://argo:{s}@host/x"',
    'url = "wss://host/x?token={s}"',
    'static = ["wss://a:{s}@b"]',
    'ssh_keys = ["ssh-ed25519 {s}"]',
    "id = {s}",
)
JUNK = (
    'name = "abc',
    "name = 'abc",
    "sender = [",
    "deadband = [1, [",
    "}}",
    "x]",
    "x = {{",
    "[vessel",
    "[[sensor]",
    '"""',
    "name = '''",
    '"',
    "'",
    "=",
    'name = "a" "b"',
    "id = [[[",
    '# "',
    'a = "\\',
    "\x00",
    "\r",
    "\u2028",
    "x = [ # [",
    "[vessel]",
    "[[sensor]] # here",
    'kind = "switch"',
    "pin = 17",
    "",
)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a configuration file that may have errors, and the secret in this file."""
    secret = draw(st.text("QXZKJVWY7384-", min_size=12, max_size=60))
    written = draw(st.sampled_from([secret, "".join(f"\\u{ord(c):04x}" for c in secret), secret + '\\"']))
    parts = draw(st.lists(st.sampled_from(UNITS), min_size=1, max_size=4))
    for junk in draw(st.lists(st.sampled_from(JUNK), max_size=4)):
        parts.insert(draw(st.integers(0, len(parts))), junk)
    return draw(st.sampled_from(["\n", "\r\n"])).join(parts).format(s=written), secret


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(files())
@example(('id = [[[\n"QXZKJVWY7384"\n\x00\n[vessel]\ndeadband = [\n1\n]', "QXZKJVWY7384"))
@example(('name = """\npassword = """\nname = "QXZKJVWY7384"\n"""\n', "QXZKJVWY7384"))
def test_no_secret_is_shown(made: tuple[str, str]) -> None:
    _check(*made)


@pytest.mark.torture
@settings(max_examples=15_000, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(files())
def test_no_secret_is_shown_in_many_random_files(made: tuple[str, str]) -> None:
    _check(*made)


def _check(text: str, secret: str) -> None:
    shown = redact(text).text
    for form in (secret, "".join(f"\\u{ord(c):04x}" for c in secret)):
        for start in range(len(form) - LEAST_SHOWN + 1):
            assert form[start : start + LEAST_SHOWN] not in shown
    assert shown.count("\n") == text.count("\n")


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(files())
def test_redacted_values_are_removed_from_other_files_of_the_archive(made: tuple[str, str]) -> None:
    """Messages may quote a redacted value, so its decoded form is removed from messages too."""
    text, secret = made
    try:
        values = list(_texts(tomllib.loads(text)))
    except (tomllib.TOMLDecodeError, RecursionError):
        values = []
    assume('"""' not in text and "'''" not in text and "#" not in text)
    assume("[mystery]\n" not in text)
    found = redact(text)
    for value in values:
        if value == secret:
            assert value in found.secrets


def _texts(table: Any) -> Any:
    if isinstance(table, dict):
        for value in table.values():
            yield from _texts(value)
    elif isinstance(table, list):
        for value in table:
            yield from _texts(value)
    elif isinstance(table, str):
        yield table


@given(st.text())
def test_any_text_can_be_redacted(text: str) -> None:
    assert redact(text).text.count("\n") == text.count("\n")


WHOLE = """\
[vessel]
id = "argo"
name = "SY Argo"

[network]
country = "DE"
wifi = [
    {ssid = "marina", password = (removed), hidden = true},
]
[[sensor]]
id = "oil"
kind = "analog"
calibration = [[0.5, 0.0], [2.5, 1.0]]
alarm = {above = "90 °C", severity = "alarm", text = "hot"}
pin = 17
password = (removed)
(unknown key) = (removed)
pasword = (removed)
every = "5 s"  # (removed)
"""


def test_harmless_lines_are_kept() -> None:
    text = WHOLE.replace("(unknown key)", "tralala").replace("(removed)", '"secret"')
    shown = redact(text).text
    assert [line.replace(" ", "") for line in shown.split("\n")] == [
        line.replace(" ", "") for line in WHOLE.split("\n")
    ]


def test_redaction_continues_after_a_syntax_error() -> None:
    shown = redact('name = "abc\npin = 17\nwifi = [{ ssid = "a\nid = "x"\n[[sensor]]\nid = "oil"\n').text
    assert shown == 'name = (removed)\npin = 17\nwifi = (removed)\n(removed)\n[[sensor]]\nid = "oil"\n'


def keys_in(section: type) -> Iterator[str]:
    for row in describe(section):
        yield row.name
        if row.section is not None:
            yield from keys_in(row.section)


def test_each_key_of_a_configuration_is_classified() -> None:
    """The value of a new key is redacted until a developer classifies it as harmless."""
    common = (Configuration, SensorsFile, SamplingKeys, CorrectionKeys)
    declared = (*common, *(kind.options for kind in all_kinds().values()))
    known = {key for section in declared for key in keys_in(section)}
    assert len(known) > 60
    assert known - HARMLESS - SECRET - SECTIONS == set()
    assert set() == HARMLESS & SECRET


@pytest.mark.parametrize("word", ["password", "psk", "secret", "token", "passphrase", "key_mgmt"])
def test_no_key_of_a_secret_is_classified_as_harmless(word: str) -> None:
    assert word not in HARMLESS | SECTIONS


def test_login_of_an_enterprise_network_is_left_out_but_its_files_and_security_are_shown() -> None:
    text = '[[network.wifi]]\nssid = "port"\neap = "peap"\nuser = "anna@b.example"\n'
    text += 'password = "geheim"\nca = "b.pem"\n'
    shown = redact(text).text
    assert "anna" not in shown
    assert "geheim" not in shown
    assert all(part in shown for part in ('ssid = "port"', 'eap = "peap"', 'ca = "b.pem"'))
    assert 'user = "argo"' in redact('[[gateway]]\nuser = "argo"\n').text
