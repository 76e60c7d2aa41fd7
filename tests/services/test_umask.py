"""Even under a umask of 000, other users can write to none of the new files and read none of the secrets.

These tests disable later changes of file modes, because a file must be protected from its creation.
"""

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.ingest.active_config import ActiveConfiguration
from services.config.last_good import load_or_last_good
from services.recovery.store_check import mark_damaged
from sync.folders import make_folder
from sync.store import Database
from tests.polling import wait_until
from tests.provisioning.bundles import Card, bundle, content, put

from .commands import logboat

LOGBOAT = str(Path(sys.executable).with_name("logboat"))
SECRETS = (".key", ".password", "identity.pem", "logboat.toml", ".backup", ".tar.gz", "authorized_keys")
SENSORS = '[[sensor]]\nid = "x"\nkind = "simulated"\npath = "propulsion.main.revolutions"\nmodel = "engine"\n'


@pytest.fixture(autouse=True)
def lax(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set a umask of 000, and disable later changes of modes, so that files keep their initial modes."""
    fchmod = os.fchmod

    def before_its_name(descriptor: int, mode: int) -> None:
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):  # an unbound socket cannot be reached
            fchmod(descriptor, mode)

    for module in (os, Path):
        monkeypatch.setattr(module, "chmod", lambda *_args, **_named: None)
    monkeypatch.setattr(os, "fchmod", before_its_name)
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(root: Path) -> list[str]:
    """Return the paths that other users may write to, and the secret paths that they may read.

    Files in a folder that others cannot enter are not included.
    """
    found = []
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                continue
            wrong = 0o007 if name.endswith(SECRETS) else 0o002
            if mode & wrong:
                found.append(f"{stat.filemode(mode)} {path.relative_to(root)}")
        folders[:] = [name for name in folders if Path(folder, name).stat().st_mode & 0o001]
    return found


def in_full(root: Path) -> list[str]:
    """Return the same paths, plus those in folders that others cannot enter.

    The folders' modes may change later.
    """
    return [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if not path.is_symlink() and path.lstat().st_mode & 0o002
    ]


@contextlib.contextmanager
def running(*words: object) -> Iterator[None]:
    process = subprocess.Popen([LOGBOAT, *map(str, words)], stderr=subprocess.DEVNULL, umask=0)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_daemons_and_commands_create_nothing_that_others_may_write(tmp_path: Path) -> None:
    vessel = tmp_path / "vessel"
    config, sensors = tmp_path / "logboat.toml", tmp_path / "sensors.toml"
    config.write_text('[vessel]\nid = "argo"\n')
    sensors.write_text(SENSORS)
    places = (
        "--config",
        config,
        "--sensors",
        sensors,
        "--data",
        vessel / "deep/data",
        "--run",
        vessel / "r/run",
    )
    with running("record", *places), running("lights", *places), running("db", "changes", vessel / "no.db"):
        state, log = vessel / "r/run/recorder.json", vessel / "deep/data/log.db"
        wait_until(lambda: state.exists() and log.exists(), "the recorder records")
        with running("db", "changes", log, "--follow", *places):
            assert in_full(vessel) == []
    for words in (("store", "check", "--repair"), ("note", "hello"), ("bundle", vessel / "b.tar.gz")):
        done = logboat(*map(str, (*words, *places)))
        assert done.returncode == 0, done.stderr
    (vessel / "deep/data/damaged").unlink(missing_ok=True)
    assert in_full(vessel) == []
    assert open_to_others(vessel) == []
    assert (vessel / "deep/data/last-good/lock").exists()


def test_damaged_store_is_set_aside_where_others_may_not_write(tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_folder(data)
    for name in ("log.db", "samples.db"):
        os.close(os.open(data / name, os.O_CREAT, 0o660))
        (data / name).write_bytes(b"rubbish" * 5_000)
    logboat("store", "check", "--repair", "--data", str(data))
    assert len(list(data.rglob("*"))) > 4
    assert in_full(tmp_path) == []


def test_others_may_not_write_the_mark_of_damage(tmp_path: Path) -> None:
    mark_damaged(tmp_path, "log.db: disk I/O error")
    assert (tmp_path / "damaged").read_text() == "log.db: disk I/O error\n"
    assert in_full(tmp_path) == []


def test_library_creates_nothing_that_others_may_write(tmp_path: Path) -> None:
    store = tmp_path / "store/deep"
    make_folder(store)
    with (
        Database.open(store / "a.db", announce=tmp_path / "store/watch/deep") as database,
        database.watch(),
    ):
        database.blobs.put(b"anchor" * 1000)
        assert {path.name for path in store.iterdir()} > {"a.db", "a.db-wal"}
        assert len(list((tmp_path / "store/watch/deep").iterdir())) == 1
        assert in_full(tmp_path) == []


def test_fleets_folder_is_accessible_only_to_its_operator(tmp_path: Path) -> None:
    phrase = tmp_path / "passphrase"
    phrase.write_text("correct horse battery staple\n")
    fleet, more = tmp_path / "made/north", ("--passphrase-file", str(phrase))
    vessel_card = tmp_path / "made/card"
    make_folder(vessel_card / "logboat")
    for words in (
        ("init", str(fleet), "--name", "north", *more),
        ("add", str(fleet), "argo", *more),
        ("backup", str(fleet), "--to", str(tmp_path / "made/north.backup"), *more),
        ("restore", str(tmp_path / "made/again"), "--from", str(tmp_path / "made/north.backup"), *more),
        ("card", str(fleet), "argo", "--bundle-only", "--to", str(vessel_card), "--yes"),
    ):
        done = logboat("fleet", *words)
        assert done.returncode == 0, (words, done.stderr)
    assert in_full(tmp_path / "made") == []
    assert open_to_others(tmp_path / "made") == []


def test_applied_files_are_protected_from_their_creation(tmp_path: Path) -> None:
    make_folder(tmp_path / "board", 0o755)
    card = Card(tmp_path / "board")
    put(card.fat, {**bundle(), "office.password": b"hunter-two\n"})
    modes = {path: path.lstat().st_mode for path in (tmp_path / "board").rglob("*")}
    assert card.start().problems == ()
    assert content(card.etc)
    made = ActiveConfiguration(card.etc).folder
    assert open_to_others(made) == []
    assert [path for path in in_full(card.etc.parent) if card.etc.parent / path not in modes] == []


def test_stored_configuration_is_accessible_only_to_its_owner(tmp_path: Path) -> None:
    config, sensors = tmp_path / "logboat.toml", tmp_path / "sensors.toml"
    config.write_text("[vessel]\nid = 'argo'\n")
    sensors.write_text("no_sensors = true\n")
    load_or_last_good(config, sensors, tmp_path / "deep/data")
    assert in_full(tmp_path / "deep") == []
    assert open_to_others(tmp_path / "deep") == []
    kept = next((tmp_path / "deep/data/last-good").glob("*-*/logboat.toml"))
    assert kept.stat().st_mode & 0o077 == 0
