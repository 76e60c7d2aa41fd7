"""Values that were copied from examples in the documentation are reported, but not rejected."""

import re
from pathlib import Path

import pytest

from provisioning.starter_files import VESSEL, starter_file
from services.config.check import check
from services.config.example_values import PASSWORD_HASHES, PASSWORDS, SSH_KEY

ROOT = Path(__file__).parents[2]
DOCUMENTED = [
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "examples").glob("*/vessel.toml"),
]
OWN = """\
[network]
country = "DE"
wifi = [{ ssid = "marina", password = "grey seal 42" }]
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOwn skipper@laptop"]
[[gateway]]
name = "office"
kind = "couchbase"
url = "wss://sync.example.organic:4984/fleet"
"""


def test_getting_started_is_good_with_a_reminder_of_each_example(tmp_path: Path) -> None:
    page = (ROOT / "docs/getting-started.md").read_text()
    block = next(each for each in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[network]" in each)
    path = tmp_path / "vessel.toml"
    path.write_text(block)
    checked = check(path)
    assert checked.good
    assert [reminder.key for reminder in checked.reminders] == ["wifi", "ssh_keys"]
    assert 'the password of "marina" is from the documentation\'s examples' in checked.text
    assert checked.text.startswith("vessel.toml: good\n")


@pytest.mark.parametrize("url", ["wss://sync.example.org:4984/fleet", "mqtts://broker.example:8883"])
def test_host_that_is_reserved_for_documentation_is_pointed_out(tmp_path: Path, url: str) -> None:
    path = tmp_path / "vessel.toml"
    kind = "mqtt" if url.startswith("mqtt") else "couchbase"
    path.write_text(
        f'[mesh]\nstatic = ["wss://harbour.example.org:4984"]\n'
        f'[[gateway]]\nname = "office"\nkind = "{kind}"\nurl = "{url}"\n'
    )
    checked = check(path)
    assert checked.good
    assert [(each.line, each.key) for each in checked.reminders] == [(2, "static"), (6, "url")]


def test_values_of_ones_own_cause_no_reminder(tmp_path: Path) -> None:
    path = tmp_path / "vessel.toml"
    path.write_text(OWN)
    checked = check(path)
    assert checked.reminders == ()
    assert checked.text.startswith("vessel.toml: good\n")


def test_all_passwords_keys_and_hashes_of_the_documentation_are_known() -> None:
    texts = "\n".join([starter_file(VESSEL), *(path.read_text() for path in DOCUMENTED)])
    passwords = set(re.findall(r'ssid = "[^"]*", password = "([^"…]+)"', texts))
    assert passwords == PASSWORDS
    keys = set(re.findall(r"ssh-ed25519 (\S{60,}) ", texts))
    assert keys == {SSH_KEY}
    hashes = set(re.findall(r'password_hash = "(scrypt[^"]+)"', texts))
    assert {each for each in hashes if not each.endswith("A" * 43)} == PASSWORD_HASHES
