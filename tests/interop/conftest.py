"""Fixtures for the peers, which each pytest worker starts once. Each test uses separate databases."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.interop.couchbase_lite.client import CouchbaseLite
from tests.interop.couchbase_lite.running import running as couchbase_lite_running
from tests.interop.sync_gateway.gateway import Gateway
from tests.interop.sync_gateway.gateway import running as gateway_running


@pytest.fixture(scope="session")
def couchbase_lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CouchbaseLite]:
    with couchbase_lite_running(tmp_path_factory.mktemp("couchbase-lite")) as program:
        yield program


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway_running(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Return a counter for database names, which must be unique within one peer program."""
    return count()
