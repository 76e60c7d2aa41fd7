"""Tests of the public API, which consists of the names that applications import from `sync.api`."""

import subprocess
import sys
from pathlib import Path

import pytest

from sync import api
from sync.api import Database, ReplicatorConfiguration, ReplicatorType, URLEndpoint

PUSH_AND_PULL = {
    ReplicatorType.PUSH: (True, False),
    ReplicatorType.PULL: (False, True),
    ReplicatorType.PUSH_AND_PULL: (True, True),
}


def test_all_listed_names_exist() -> None:
    assert [name for name in api.__all__ if not hasattr(api, name)] == []
    assert api.__all__ == sorted(api.__all__, key=lambda name: (name[0].islower(), name))


def test_importing_sync_alone_loads_neither_tls_nor_the_store() -> None:
    code = "import sync, sys; sys.exit(' '.join({'ssl', 'apsw', 'cryptography'} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", ReplicatorType)
def test_replicator_type_determines_push_and_pull(kind: ReplicatorType, tmp_path: Path) -> None:
    with Database.open(tmp_path / "log.db") as database:
        made = ReplicatorConfiguration(database, URLEndpoint("wss://localhost/log"), replicator_type=kind)
    assert (made.push, made.pull) == PUSH_AND_PULL[kind]


def test_a_replicator_type_that_contradicts_push_is_refused(tmp_path: Path) -> None:
    with (
        Database.open(tmp_path / "log.db") as database,
        pytest.raises(ValueError, match="replicator_type is push, but push=False"),
    ):
        ReplicatorConfiguration(
            database, URLEndpoint("wss://localhost/log"), push=False, replicator_type=ReplicatorType.PUSH
        )
