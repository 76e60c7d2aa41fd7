"""Logboat's replicator uses only the default collection of a real Sync Gateway's databases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.net.authenticators import BasicAuthenticator
from sync.net.endpoints import URLEndpoint
from sync.net.replicator import Replicator, ReplicatorConfiguration, Status
from sync.store import Database
from tests.interop.sync_gateway.gateway import HOST, Gateway, GatewayDatabase, running

pytestmark = pytest.mark.timeout(600)  # the first test builds the gateway
SCOPES: dict[str, Any] = {
    "mixed": {"_default": {"collections": {"_default": {}, "notes": {}}}},
    "named": {"fleet": {"collections": {"notes": {}}}},
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway"), scopes=SCOPES) as gateway:
        for name in SCOPES:
            GatewayDatabase(gateway, name).add_user("argo", "secret")
        yield gateway


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "ours.db") as database:
        yield database


def replicate(database: Database, gateway: Gateway, name: str) -> Status:
    async def main() -> Status:
        endpoint = URLEndpoint(f"ws://{HOST}:{gateway.public_port}/{name}")
        configuration = ReplicatorConfiguration(
            database, endpoint, authenticator=BasicAuthenticator("argo", "secret")
        )
        async with asyncio.timeout(60):
            return await Replicator(configuration).run()

    return asyncio.run(main())


def test_only_the_default_collection_is_replicated(ours: Database, gateway: Gateway) -> None:
    ours.put("from-sea", {"channels": ["notes"]})
    gateway.admin("PUT", "/mixed._default._default/from-shore", {"channels": ["notes"]})
    gateway.admin("PUT", "/mixed._default.notes/elsewhere", {"channels": ["notes"]})
    assert replicate(ours, gateway, "mixed").problem is None
    assert sorted(document.id for document in ours.documents()) == ["from-sea", "from-shore"]
    for collection, ids in (("_default", ["from-sea", "from-shore"]), ("notes", ["elsewhere"])):
        rows = gateway.admin("GET", f"/mixed._default.{collection}/_all_docs")["rows"]
        assert [row["id"] for row in rows] == ids


def test_database_without_a_default_collection_is_reported_at_once(ours: Database, gateway: Gateway) -> None:
    ours.put("from-sea", {"channels": ["notes"]})
    problem = replicate(ours, gateway, "named").problem
    assert problem is not None
    assert problem.code == 404
    assert "has no default collection" in problem.text
    assert gateway.admin("GET", "/named.fleet.notes/_all_docs")["rows"] == []
