"""Tests of the messages that Couchbase Lite, as the active peer, sends to a scripted peer.

The following statements describe Couchbase Lite 3.0.0 (Java, Community Edition). Each is checked by a test:

- It requests `/log/_blipsync`, offers `BLIP_3+CBMobile_3,BLIP_3+CBMobile_2` in one header, and offers no
  WebSocket extension. It supports no collections, and has no listener.
- It sends no credentials before a 401 with `WWW-Authenticate: Basic`. It then repeats the request with
  credentials, on a new connection. It encodes them as ISO 8859-1, even if the 401 names another charset. It
  reports HTTP statuses and WebSocket close codes as error codes 10000 + status.
- A continuous replicator retries after close code 4001, and after a broken connection. Any other code,
  including 1000, 1001 (going away) and 1011, stops it permanently. It treats 1012 to 1014 as protocol errors.
- It pins the whole certificate, and then does not check the host name. Another certificate causes error 5008.
- A push consists of getCheckpoint, proposeChanges, rev and setCheckpoint. proposeChanges is urgent and
  compressed, and has `conflictIncludesRev`. Each proposal has the remote's last known revision ("" for none)
  and the body's size. rev has `noconflicts: 1`, the history, and `deleted: 1` for a deletion. setCheckpoint
  has `rev: ""` if there was no checkpoint, and a body with `time` and `local`. After a failed checkpoint it
  proposes all documents again, without a remote revision.
- A continuous replicator that has caught up sends an empty proposeChanges, urgent and without a reply.
- A pull begins with subChanges with `batch: 200`, `versioning: rev-trees`, `revocations: true`, and `filter`,
  `channels` and `continuous` if they apply. Document ids are in the body, as `{"docIDs": […]}`. The first
  pull has no `since`. The reply to changes has `maxHistory: 20`, `blobs: true` and `deltas: true`. For a
  document to be sent, it contains the ancestors whose bodies are still stored, newest first.
- Deltas are enabled in both directions. A delta is sent only to a peer whose reply to proposeChanges has
  `deltas`.
- `_attachments` (`blob_/<property>`, stubs) are added only for peers whose reply has no `blobs`.
- A revision id whose digest has an odd number of hexadecimal digits is rejected with HTTP 400.
- If the peer does not supply a blob, its document ends with an error, but the replication continues.
"""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sync.blip import ResponseReceived
from sync.net.tls_identity import TLSIdentity
from tests.interop.couchbase_lite.client import (
    BOTH,
    PULL,
    PUSH,
    CouchbaseLite,
    CouchbaseLiteError,
    Database,
    Failure,
)
from tests.interop.couchbase_lite.scripted_peer import Offered, ScriptedPeer

WORDS = {f"remark {place}": "topped up the header tank, a litre and a half" for place in range(20)}
"""Text that makes a body long enough for a delta to be worthwhile."""


@pytest.fixture
def app(couchbase_lite: CouchbaseLite, numbers: Iterator[int]) -> Iterator[Database]:
    database = couchbase_lite.open(f"app{next(numbers)}")
    yield database
    database.close()


def bodies(requests: Any) -> list[Any]:
    return [json.loads(request.body) for request in requests]


# Couchbase Lite without a peer


def test_a_document_is_stored_changed_and_deleted(app: Database) -> None:
    first = app.put("note:argo:1", {"text": "Ölwechsel", "hours": 250.0, "parts": [1, None, {"a": True}]})
    found = app.get("note:argo:1")
    assert found is not None
    assert found.rev == first
    assert found.body == {"text": "Ölwechsel", "hours": 250.0, "parts": [1, None, {"a": True}]}
    assert app.put("note:argo:1", {"text": "done"}).startswith("2-")
    assert app.body("note:argo:1") == {"text": "done"}
    assert app.ids() == {"note:argo:1"}
    app.delete("note:argo:1")
    assert app.get("note:argo:1") is None
    assert app.ids() == set()


def test_blob_is_returned_unchanged(app: Database) -> None:
    app.put("note:argo:1", {"text": "see picture"})
    app.put_blob("note:argo:1", "picture", b"\0\xff" * 5000, content_type="image/png")
    blob = app.get_blob("note:argo:1", "picture")
    assert blob is not None
    assert (blob.data, blob.length, blob.type) == (b"\0\xff" * 5000, 10_000, "image/png")


def test_failed_command_raises_an_error(app: Database) -> None:
    with pytest.raises(CouchbaseLiteError, match="no such document: note:argo:none"):
        app.delete("note:argo:none")


def test_port_without_a_listener_ends_a_replication_with_an_error(app: Database) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        status = app.replicator(f"ws://127.0.0.1:{nobody.getsockname()[1]}/log").run()
    assert status.error is not None
    assert (status.error.domain, status.error.code) == ("CouchbaseLite", 5022)


# The handshake


def test_handshake_offers_two_subprotocols_and_no_extension(app: Database) -> None:
    with ScriptedPeer() as peer:
        assert app.replicator(peer.url, headers={"X-Vessel": "argo"}).run().error is None
    assert peer.path == "/log/_blipsync"
    assert peer.headers["Sec-WebSocket-Protocol"] == "BLIP_3+CBMobile_3,BLIP_3+CBMobile_2"
    assert "Sec-WebSocket-Extensions" not in peer.headers
    assert "Authorization" not in peer.headers
    assert peer.headers["X-Vessel"] == "argo"
    assert peer.headers["User-Agent"].startswith("CouchbaseLite/3.0.0")


def test_older_subprotocol_is_accepted(app: Database) -> None:
    app.put("note:argo:1", {})
    with ScriptedPeer(subprotocol="BLIP_3+CBMobile_2") as peer:
        assert app.replicator(peer.url, kind=PUSH).run().error is None
    assert len(peer.asked("rev")) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_http_status_is_reported_as_a_code_from_10000(app: Database, status: int) -> None:
    credentials: list[str | None] = []

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            credentials.append(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="log"')
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refuse) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            url = f"ws://127.0.0.1:{server.server_port}/log"
            end = app.replicator(url, user="bridge", password="sécret").run()
        finally:
            server.shutdown()
            serving.join()
    assert end.error is not None
    assert end.error.code == 10_000 + status
    assert credentials[0] is None
    assert set(credentials[1:]) == ({"Basic YnJpZGdlOnPpY3JldA=="} if status == 401 else set())


@pytest.fixture(scope="module")
def identity() -> TLSIdentity:
    return TLSIdentity.self_signed("argo")


@pytest.fixture
def tls(identity: TLSIdentity, tmp_path: Path) -> ssl.SSLContext:
    identity.save(tmp_path / "both.pem", tmp_path / "both.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


def test_pinned_certificate_is_accepted(app: Database, identity: TLSIdentity, tls: ssl.SSLContext) -> None:
    app.put("note:argo:1", {})
    with ScriptedPeer(tls=tls) as peer:
        replicator = app.replicator(peer.url, certificate=identity.chain_pem().decode())
        assert replicator.run().error is None
    assert len(peer.asked("rev")) == 1
    assert len(replicator.certificates()) == 1


def test_other_certificates_are_refused(app: Database, tls: ssl.SSLContext) -> None:
    other = TLSIdentity.self_signed("argo")
    with ScriptedPeer(tls=tls) as peer:
        pinned = app.replicator(peer.url, certificate=other.chain_pem().decode()).run()
        trusting_the_machine = app.replicator(peer.url).run()
    for error in (pinned.error, trusting_the_machine.error):
        assert error is not None
        assert error.code == 5008
    assert peer.requests == []


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 4001])
def test_only_close_code_4001_causes_a_retry(app: Database, code: int) -> None:
    with ScriptedPeer() as peer:
        replicator = app.replicator(peer.url, continuous=True, max_attempts=None)
        replicator.start()
        replicator.wait("idle")
        peer.hang_up(code)
        status = replicator.wait("stopped", "offline")
        assert status.level == ("offline" if code == 4001 else "stopped")
        assert status.error is not None
        assert status.error.code == 10_000 + (1001 if code == 1000 else code)
        replicator.stop()


# Pushing


def test_messages_of_a_first_push(app: Database) -> None:
    live = app.put("note:argo:1", {"n": 1})
    app.put("note:argo:2", {"n": 2})
    app.delete("note:argo:2")
    with ScriptedPeer() as peer:
        replicator = app.replicator(peer.url, kind=PUSH)
        assert replicator.run().error is None
    checkpoint, proposal, first, second, end = peer.requests
    assert checkpoint.properties.keys() == {"Profile", "client"}
    assert proposal.properties == {"Profile": "proposeChanges", "conflictIncludesRev": "true"}
    assert proposal.urgent
    assert proposal.compressed
    [one, two] = json.loads(proposal.body)
    assert one == ["note:argo:1", live, "", 8]
    assert first.properties == {
        "Profile": "rev",
        "id": "note:argo:1",
        "rev": live,
        "sequence": "1",
        "noconflicts": "1",
    }
    assert json.loads(first.body) == {"n": 1}
    assert second.properties["deleted"] == "1"
    assert second.properties["rev"] == two[1]
    assert second.properties["history"].startswith("1-")
    assert end.properties == {
        "Profile": "setCheckpoint",
        "client": checkpoint.properties["client"],
        "rev": "",
    }
    assert json.loads(end.body).keys() == {"time", "local"}
    assert json.loads(end.body)["local"] == 3
    assert [(ended.id, ended.deleted) for ended in replicator.documents] == [
        ("note:argo:1", False),
        ("note:argo:2", True),
    ]


def test_update_is_pushed_as_a_delta_to_a_peer_that_accepts_deltas(app: Database) -> None:
    first = app.put("note:argo:1", {**WORDS, "n": 1})
    with ScriptedPeer() as peer:
        app.replicator(peer.url, kind=PUSH).run()
        second = app.put("note:argo:1", {**WORDS, "n": 2})
        assert app.replicator(peer.url, kind=PUSH).run().error is None
        peer.deltas = False
        third = app.put("note:argo:1", {**WORDS, "n": 3})
        assert app.replicator(peer.url, kind=PUSH).run().error is None
    _, delta, whole = peer.asked("rev")
    assert (delta.properties["deltaSrc"], json.loads(delta.body)) == (first, {"n": 2})
    assert "deltaSrc" not in whole.properties
    assert json.loads(whole.body) == {**WORDS, "n": 3}
    proposals = [proposal[:3] for request in bodies(peer.asked("proposeChanges")) for proposal in request]
    assert proposals == [
        ["note:argo:1", first, ""],
        ["note:argo:1", second, first],
        ["note:argo:1", third, second],
    ]


def test_push_starts_over_when_the_peer_has_lost_the_checkpoint(app: Database) -> None:
    app.put_many({f"note:argo:{n}": {"n": n} for n in range(3)})
    with ScriptedPeer() as peer:
        app.replicator(peer.url, kind=PUSH).run()
        peer.checkpoints.clear()
        app.put("note:argo:0", {"n": 10})
        assert app.replicator(peer.url, kind=PUSH).run().error is None
    _, again = bodies(peer.asked("proposeChanges"))
    assert {(proposal[0], proposal[2]) for proposal in again} == {(f"note:argo:{n}", "") for n in range(3)}


@pytest.mark.parametrize("knows_blobs", [True, False])
def test_attachments_are_added_for_peers_that_do_not_know_blobs(app: Database, knows_blobs: bool) -> None:
    app.put("note:argo:1", {"text": "see picture"})
    app.put_blob("note:argo:1", "picture", b"picture" * 100)
    with ScriptedPeer(blobs=knows_blobs) as peer:
        app.replicator(peer.url, kind=PUSH).run()
    [pushed] = bodies(peer.asked("rev"))
    assert pushed["picture"]["@type"] == "blob"
    if knows_blobs:
        assert "_attachments" not in pushed
    else:
        stub = pushed["_attachments"]["blob_/picture"]
        assert (stub["stub"], stub["digest"]) == (True, pushed["picture"]["digest"])


def test_continuous_push_reports_that_it_has_caught_up(app: Database) -> None:
    with ScriptedPeer() as peer:
        replicator = app.replicator(peer.url, kind=BOTH, continuous=True)
        replicator.start()
        replicator.wait("idle")
        app.put("note:argo:1", {})
        replicator.wait_pushed("note:argo:1")
        assert replicator.stop().error is None
    caught_up = [request for request in peer.asked("proposeChanges") if request.body == b"[]"]
    assert caught_up
    assert all(request.no_reply and request.urgent for request in caught_up)
    assert peer.asked("subChanges")[0].properties["continuous"] == "true"


# Pulling


def test_messages_of_a_pull_of_new_and_known_documents(app: Database) -> None:
    app.put("note:argo:1", {"n": 1})
    second = app.put("note:argo:1", {"n": 2})
    offers = (
        Offered("note:argo:1", "3-abcd", {"n": 3}, (second,)),
        Offered("note:argo:2", "1-abcd", {"new": True}),
        Offered("note:argo:3", "1-abc", {}),
    )
    with ScriptedPeer(offers) as peer:
        replicator = app.replicator(peer.url, kind=PULL, channels=["alarms", "notes"])
        assert replicator.run().error is None
    [request] = peer.asked("subChanges")
    assert request.properties == {
        "Profile": "subChanges",
        "batch": "200",
        "versioning": "rev-trees",
        "revocations": "true",
        "filter": "sync_gateway/bychannel",
        "channels": "alarms,notes",
    }
    assert request.body == b""
    _, answer = peer.replies[0]
    assert isinstance(answer, ResponseReceived)
    assert answer.properties == {"maxHistory": "20", "blobs": "true", "deltas": "true"}
    assert json.loads(answer.body) == [[second], [], []]
    assert app.body("note:argo:1") == {"n": 3}
    assert app.body("note:argo:2") == {"new": True}
    refused = replicator.failed()
    assert refused.keys() == {"note:argo:3"}
    assert isinstance(refused["note:argo:3"], Failure)
    assert refused["note:argo:3"].code == 10_400


def test_the_ids_to_pull_are_the_body_of_the_request(app: Database) -> None:
    with ScriptedPeer() as peer:
        app.replicator(peer.url, kind=PULL, document_ids=["note:argo:1", "note:argo:2"]).run()
    assert bodies(peer.asked("subChanges")) == [{"docIDs": ["note:argo:1", "note:argo:2"]}]


def test_a_delta_is_applied_when_pulled(app: Database) -> None:
    first = app.put("note:argo:1", {**WORDS, "n": 1})
    offer = Offered("note:argo:1", "2-abcd", {**WORDS, "n": 2}, (first,), delta=(first, {"n": 2}))
    with ScriptedPeer((offer,)) as peer:
        assert app.replicator(peer.url, kind=PULL).run().error is None
    assert app.body("note:argo:1") == {**WORDS, "n": 2}


def test_missing_blob_fails_only_its_document(app: Database) -> None:
    blob = {"@type": "blob", "digest": "sha1-pvvfcrHJIxYrwXFYtRv7FU/ZALI=", "length": 500}
    offers = (Offered("note:argo:1", "1-abcd", {"picture": blob}), Offered("note:argo:2", "1-abcd", {}))
    with ScriptedPeer(offers) as peer:
        replicator = app.replicator(peer.url, kind=PULL)
        assert replicator.run().error is None
    [asked] = peer.asked("getAttachment")
    assert asked.properties["digest"] == blob["digest"]
    assert asked.properties["docID"] == "note:argo:1"
    assert replicator.failed().keys() == {"note:argo:1"}
    assert app.ids() == {"note:argo:2"}
