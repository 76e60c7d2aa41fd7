"""The background task of a gateway logs an error in a document or an iteration, and continues."""

import logging
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.fleet import signing
from sync.gateway import task_errors
from sync.gateway.couchbase import CouchbaseGateway, CouchbaseGatewayConfiguration
from sync.gateway.forwarded import EPOCHS_AHEAD, Forwarded
from sync.gateway.mqtt.configuration import MqttGatewayConfiguration
from sync.gateway.mqtt.gateway import MqttGateway
from sync.gateway.policy import Situation
from sync.gateway.report import GatewayState
from sync.store import Database, revisions
from tests.fleet.builders import trust, vessel
from tests.polling import until
from tests.store.test_generations import LAST, as_before

from . import builders
from .broker import Broker, Listener
from .test_couchbase import IDENTITY, ashore, url
from .test_mqtt_broker import QUICK

OWN = "forwarded:office:argo"
KEY = "argo:main:abcdef"


@pytest.fixture
def argo(tmp_path: Path) -> Iterator[Database]:
    with builders.store(tmp_path / "argo.db") as found:
        builders.write_vessel(found, "argo", ["main"])
        builders.write_readings(found, "argo", "main", [1, 4, 7], samples=3)
        yield found


@pytest.fixture
def shore(tmp_path: Path) -> Iterator[Database]:
    with builders.store(tmp_path / "shore.db") as found:
        yield found


def gateway_to(database: Database, where: str, **more: Any) -> CouchbaseGateway:
    given: dict[str, Any] = {"situation": lambda: Situation(frozenset({"eth0"})), **more}
    return CouchbaseGateway(
        database,
        CouchbaseGatewayConfiguration("office", where, pinned=IDENTITY.fingerprint),
        vessel="argo",
        rng=random.Random(1),
        longest_wait=0.3,
        person_wait=0.3,
        look_every=0.1,
        **given,
    )


def bound(database: Database) -> object:
    found = database.get(OWN)
    return None if found is None else found.body.get("bounds")


def freeze(database: Database, body: Mapping[str, Any]) -> None:
    before = database.put(OWN, body)
    with as_before():
        database.insert(OWN, LAST, [before], body)


async def test_frozen_record_of_forwarded_documents_is_written_again(argo: Database, shore: Database) -> None:
    freeze(argo, {"type": "forwarded", "vessel": "argo", "gateway": "office", "bounds": {}})
    async with ashore(shore) as listener:
        gateway = gateway_to(argo, url(listener))
        gateway.start()
        try:
            await until(lambda: bound(argo), "what is ashore is written down")
            assert gateway.report().state is GatewayState.CONNECTED
            builders.write_readings(argo, "argo", "main", [10], samples=3)
            await until(lambda: "12" in str(bound(argo)), "and again")
        finally:
            await gateway.stop()


async def test_record_that_cannot_be_stored_is_reported_and_forwarding_continues(
    argo: Database, shore: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def sign(_: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**body, "sig": "x", "number": 10**400}

    async with ashore(shore) as listener:
        gateway = gateway_to(argo, url(listener), sign=sign)
        gateway.start()
        try:
            await until(lambda: OWN in caplog.text, "the document is named")
            builders.write_alarm(argo, "argo", "main", 2)
            await until(lambda: shore.count("alarm:") == 1, "what comes later goes ashore")
            assert gateway.report().state is GatewayState.CONNECTED
            assert caplog.text.count(OWN) == 1, "it is named once"
        finally:
            await gateway.stop()


@pytest.mark.parametrize("fault", [ValueError("awry"), KeyError("x")])
async def test_error_in_one_iteration_does_not_end_a_couchbase_gateway(
    argo: Database, shore: Database, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    faults = [fault] * 3

    def situation() -> Situation:
        if faults:
            raise faults.pop()
        return Situation(frozenset({"eth0"}))

    async with ashore(shore) as listener:
        gateway = gateway_to(argo, url(listener), situation=situation)
        gateway.start()
        try:
            await until(lambda: shore.count("reading:") == 3, "all goes ashore")
            await until(lambda: gateway.report().problem is None, "nothing stands in the way")
            assert "continues after an error: internal error" in caplog.text
        finally:
            await gateway.stop()


async def test_error_in_one_iteration_does_not_end_an_mqtt_gateway(
    argo: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sync.gateway.mqtt.gateway.PAUSE_S", 0.1)
    faults = [ValueError("awry")] * 2

    def wants(_document_id: str, _body: object) -> bool:
        if faults:
            raise faults.pop()
        return True

    broker = Broker(tmp_path / "broker").start()
    gateway = MqttGateway(
        argo,
        MqttGatewayConfiguration("shore", broker.url, wants=wants),
        vessel="argo",
        patience=QUICK,
        rng=random.Random(1),
    )
    try:
        with Listener(broker.port) as listener:
            gateway.start()
            await until(
                lambda: set(builders.first_numbers(m.payload for m in listener.on("/reading"))) >= {1, 4, 7},
                "all is published",
            )
        assert "continues after an error: internal error" in caplog.text
    finally:
        await gateway.stop()
        broker.stop()


def test_store_error_ends_the_task_only_if_the_store_is_damaged(
    argo: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    endurance = task_errors.TaskErrors(argo, "office")
    assert endurance.outlasts(ValueError("one"))
    assert endurance.outlasts(ValueError("one"))
    assert len(caplog.records) == 1
    assert endurance.words == "internal error: ValueError: one"
    endurance.is_over()
    assert endurance.words is None


@pytest.mark.parametrize("epoch", [EPOCHS_AHEAD + 1, 2**31, 2**53 - 1])
def test_epoch_far_ahead_is_ignored(argo: Database, epoch: int) -> None:
    argo.insert("forwarded:office:brigid", "1-ab", [], f'{{"epoch":{epoch},"bounds":{{}}}}'.encode())
    forwarded = Forwarded(argo, "office", "argo")
    assert forwarded.epoch == 0
    forwarded.begin_epoch()
    assert forwarded.epoch == 1
    assert forwarded.write() is False
    found = argo.get(OWN)
    assert found is not None
    assert found.body["epoch"] == 1


@pytest.mark.parametrize("number", [10**12, 2**53 - 1, -1, 0])
def test_impossible_bound_is_ignored(argo: Database, number: int) -> None:
    raw = f'{{"bounds":{{"{KEY}":{number}}}}}'.encode()
    argo.insert("forwarded:office:brigid", "1-ab", [], raw)
    forwarded = Forwarded(argo, "office", "argo")
    assert not forwarded.is_ashore(documents.reading_id("argo", "main", "abcdef", 1))


def test_record_of_forwarded_documents_is_signed_even_if_it_was_unsigned_before(argo: Database) -> None:
    identity = vessel("argo")

    def sign(document_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return signing.sign(identity, document_id, body)

    plain = Forwarded(argo, "office", "argo")
    plain.begin_epoch()
    first = argo.get(OWN)
    assert first is not None
    assert not signing.is_signed(first.body)
    forwarded = Forwarded(argo, "office", "argo", sign=sign)
    assert forwarded.write()
    found = argo.get(OWN)
    assert found is not None
    assert signing.signer(OWN, found.body, trust()) == "argo"
    assert found.body["epoch"] == 1
    assert not forwarded.write()
    assert not Forwarded(argo, "office", "argo", sign=sign).write(), "it is signed already"
    assert not Forwarded(argo, "office", "argo").write(), "without an identity it stays as it is"


def test_own_old_state_that_returns_as_a_newer_revision_is_replaced(argo: Database) -> None:
    forwarded = Forwarded(argo, "office", "argo")
    forwarded.begin_epoch()
    old = argo.get(OWN)
    assert old is not None
    forwarded.begin_epoch()
    argo.insert(OWN, f"500-{'ab' * 16}", [], old.raw)
    assert not forwarded.read_bounds()
    assert forwarded.write()
    found = argo.get(OWN)
    assert found is not None
    assert (found.body["epoch"], revisions.generation(found.rev)) == (2, 501)
