"""The support archive contains no secret, and can be made even on a damaged appliance."""

import errno
import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from services.bundle.archive import packed
from services.bundle.contents import MOST_BYTES, parts
from services.bundle.secrets import REMOVED, Remover
from services.cli.main import main
from services.config.loader import ConfigurationError, load
from services.doctor import network
from tests.gateway import builders
from tests.services.doctor.test_checks import Rig, interface

from .commands import logboat

SECRETS = {
    "wifi": "harbour-wifi-password",
    "access point": "crews-own-password",
    "hash": "scrypt$8192$8$1$cQv5wvzFlGCK8Rqa9BCF2g$CDaYbf0o",
    "gateway": "officepassword77",
    "in an address": "inaddress99",
    "in the journal": "harbour-wifi-password",
}
CONFIG = f"""\
[vessel]
id = "argo"
[network]
country = "DE"
wifi = [{{ ssid = "marina", password = "{SECRETS["wifi"]}" }}]
access_point = {{ ssid = "argo", password = '{SECRETS["access point"]}' }}
[[user]]
name = "bridge"
password_hash = "{SECRETS["hash"]}"
[[gateway]]
name = "office"
kind = "couchbase"
url = "wss://sync.example.org/fleet"
user = "argo"
password_file = "office.password"
"""


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(network, "read_interfaces", lambda: (interface("eth0"),))
    monkeypatch.setattr(network, "_comes_back", lambda _index: True)
    made = Rig(tmp_path)
    made.put("etc/logboat.toml", CONFIG)
    made.put("etc/office.password", f"{SECRETS['gateway']}\n")
    made.put("fw/logboat/vessel.toml", CONFIG)
    made.put("fw/logboat/PROBLEMS.txt", "vessel.toml:3: what\n")
    made.said["journalctl --no-pager"] = (
        f"argo wpa_supplicant: psk={SECRETS['wifi']}\n"
        f"argo sync: https://argo:{SECRETS['in an address']}@sync.example.org\n"
        f"argo sync: sent {SECRETS['gateway']} and got 401\n"
    )
    with builders.store(tmp_path / "data/log.db") as database:
        builders.write_readings(database, "argo", "main", [1], samples=200)
    return made


def contents(rig: Rig) -> dict[str, str]:
    data = packed(parts(rig.appliance()), folder="x", utc=0.0)
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            file = archive.extractfile(entry)
            assert file is not None
            found[entry.name.removeprefix("x/")] = file.read().decode()
    return found


def test_no_secret_leaves_the_vessel(rig: Rig) -> None:
    key = (rig.root / "identity/vessel.key").read_text()
    whole = "\n".join(contents(rig).values())
    for what, secret in SECRETS.items():
        assert secret not in whole, what
    for line in key.splitlines():
        if not line.startswith("-----"):
            assert line not in whole
    assert REMOVED in whole


def test_archive_contains_the_information_needed_for_support(rig: Rig) -> None:
    found = contents(rig)
    assert 'ssid = "marina"' in found["config/logboat.toml"]
    assert 'id = "bilge"' in found["config/sensors.toml"]
    assert "vessel.toml:3" in found["card/PROBLEMS.txt"]
    assert "recorder" in found["doctor.txt"]
    assert '"log": "qwerty"' in found["live/recorder.json"]
    assert "reading:argo:main:qwerty:000000000001" in found["documents.json"]
    assert "and 195 more" in found["documents.json"]
    assert "got 401" in found["logs/daemons.txt"]
    assert "log.db" in found["data.txt"]
    assert "python: 3." in found["versions.txt"]


def test_damaged_store_is_reported_in_the_archive(rig: Rig) -> None:
    (rig.root / "data/log.db").write_bytes(b"rubbish" * 1_000)
    found = contents(rig)
    assert "not available" in found["documents.json"]
    assert "store" in found["doctor.txt"]


def test_long_log_keeps_its_end(rig: Rig) -> None:
    rig.said["journalctl --no-pager"] = "early\n" + "x" * MOST_BYTES + "\nlate\n"
    log = contents(rig)["logs/daemons.txt"]
    assert "early" not in log
    assert log.endswith("late\n")


def test_full_disk_is_reported_and_standard_output_can_be_used(
    rig: Rig, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    places = ["--config", str(rig.root / "etc/logboat.toml"), "--sensors", str(rig.root / "etc/sensors.toml")]
    places += ["--data", str(rig.root / "data"), "--run", str(rig.root / "run")]
    places += ["--identity", str(rig.root / "identity")]
    assert main(["bundle", "/dev/full", *places]) == 1
    assert Path("/dev/full").is_char_device()
    assert b"logboat bundle - > FILE" in capsysbinary.readouterr().err
    assert main(["bundle", str(tmp_path / "b.tar.gz"), *places]) == 0
    assert b"without passwords" in capsysbinary.readouterr().out
    assert (tmp_path / "b.tar.gz").stat().st_size < 2_000_000


def test_archive_that_cannot_be_written_leaves_the_earlier_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.tar.gz"
    path.write_bytes(b"earlier")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    done = logboat("bundle", str(path), "--data", str(tmp_path / "data"), "--run", str(tmp_path / "run"))
    assert done.returncode == 1
    assert re.search(r"b\.tar\.gz: No space left on device for \S+ kB; write the archive", done.stderr)
    assert [each.name for each in tmp_path.iterdir()] == ["b.tar.gz"]
    assert path.read_bytes() == b"earlier"


@pytest.mark.parametrize(
    "text",
    [
        "password = 'SECRET1'",
        'password: "SECRET1"',
        '{"password":"SECRET1"}',
        "psk=SECRET1",
        "sae_password=SECRET1 x",
        "wss://user:SECRET1@host/x",
        "Cookie: SyncGatewaySession=SECRET1; path=/",
        "Authorization: Basic SECRET1",
        "-----BEGIN EC PRIVATE KEY-----\nSECRET1\n-----END EC PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nSECRET1",
    ],
)
def test_secrets_are_recognised_by_their_form(text: str) -> None:
    assert "SECRET1" not in Remover().clean(text)


def test_text_without_secrets_is_kept() -> None:
    text = 'password_file = "office.password"\nkey = "argo.key"\nname = "x"\n'
    assert Remover(["abc"]).clean(text) == text


HIDDEN = {
    "in a comment": "comment-secret-1",
    "misspelt": "misspelt-secret-2",
    "in three quotes": "tripled-secret-3",
    "with escapes": 'escaped"secret\u00e9-4',
    "long": "a-very-long-secret-" * 4,
    "in a text file": "notes-secret-5",
    "in another file": "other-secret-6",
}
BROKEN = f"""\
[vessel]
id = "argo"
# once it was {HIDDEN["in a comment"]}
name = "SY "Argo"
[network]
pasword = "{HIDDEN["misspelt"]}"
wifi = [{{ ssid = "marina", psk = "escaped\\"secret\\u00e9-4" }}]
passphrase = '{HIDDEN["long"]}'
[mesh
[[user]]
password = \"\"\"
{HIDDEN["in three quotes"]}
\"\"\"
"""


def test_no_secret_of_an_invalid_file_leaves_the_vessel(rig: Rig) -> None:
    """Secrets are also removed from other files, where messages may quote them as JSON or truncated."""
    escaped = HIDDEN["with escapes"]
    rig.put("fw/logboat/vessel.toml", BROKEN)
    rig.put("etc/logboat.toml", BROKEN)
    rig.put("fw/logboat/my notes.txt", HIDDEN["in a text file"])
    rig.put("fw/logboat/old.toml", f'name = "{HIDDEN["in another file"]}"')
    rig.put("fw/config.txt", f"dtoverlay=pps-gpio,gpiopin=18\n# {HIDDEN['in a text file']}\n[pi4]\n")
    rig.put("run/odd.json", json.dumps({"problem": f"{escaped} is wrong", "more": HIDDEN["long"][:40]}))
    rig.said["journalctl --no-pager"] = (
        f"sync: {json.dumps(escaped)} {HIDDEN['long'][:40]}… {HIDDEN['misspelt']}\n" + "\x1b[2J\u009b\n"
    )
    found = contents(rig)
    whole = "\n".join(found.values())
    for what, secret in HIDDEN.items():
        for start in range(len(secret) - 8):
            assert secret[start : start + 9] not in whole, what
    assert json.dumps(escaped)[1:-1] not in whole
    assert 'id = "argo"' in found["card/vessel.toml"]
    assert 'ssid = "marina"' in found["card/vessel.toml"]
    assert "dtoverlay=pps-gpio,gpiopin=18" in found["card/config.txt"]
    assert "config/logboat.toml: removed: " in found["left-out.txt"]
    assert "2 other files" in found["left-out.txt"]
    assert whole.replace("\n", "").replace("\t", "").isprintable()


def test_secret_is_removed_before_text_is_truncated(rig: Rig) -> None:
    secret = SECRETS["wifi"]
    for place in range(len(secret)):
        rig.said["journalctl --no-pager"] = f"early {secret}" + "x" * (MOST_BYTES - place)
        log = contents(rig)["logs/daemons.txt"]
        assert not any(secret[start : start + 5] in log for start in range(len(secret) - 5))


@pytest.mark.parametrize(
    "text",
    [
        r'{"password":"a\"SECRET1"}',
        'password = "abc SECRET1',
        "psk='abc SECRET1",
        "wpa_passphrase=SECRET1",
    ],
)
def test_secret_after_a_quote_is_removed_to_its_end(text: str) -> None:
    assert "SECRET1" not in Remover().clean(text)


@pytest.mark.parametrize("secret", ["5hunter2hunter2", "12 hunter2hunter2"])
def test_no_message_repeats_a_password_that_lacks_its_quotes(tmp_path: Path, secret: str) -> None:
    path = tmp_path / "vessel.toml"
    path.write_text(f"[[network.wifi]]\npassword = {secret}\n")
    with pytest.raises(ConfigurationError) as wrong:
        load(path)
    assert "hunter2" not in str(wrong.value)
