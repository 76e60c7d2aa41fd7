"""Tests that compare Logboat's deltas with those of Fleece, the library that Couchbase Lite uses.

The files in this folder were recorded with Fleece's own functions (couchbase/fleece at 2383b99, which
Couchbase Lite Core c2eee3f uses), called through `JSONDelta::create` and `JSONDelta::apply`:

- `fleece_pairs.jsonl` contains pairs of documents, `old` and `new`. `theirs` contains two deltas that Fleece
  made. For one of them, strings of at least 8 bytes were patched, and for the other only strings of Fleece's
  usual minimum length. `ours` is the delta that Logboat made. Fleece applied `ours` to `old` and got `new`.
- `fleece_verdicts.jsonl` contains correct and incorrect deltas, with Fleece's result for each. `new` is a
  valid result. `lax` is a result that is not JSON or cannot have been intended. If Fleece rejected the delta,
  neither member is present.

Sync Gateway's own implementation, `go-fleecedelta`, is not public. Only the deltas that Sync Gateway's public
tests expect are known, and the last test in this module checks them.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from sync import delta
from sync.delta import DeltaError

HERE = Path(__file__).parent


def recorded(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def alike(one: Any, other: Any) -> bool:
    """Return True if two values are equal as JSON.

    1 and 1.0 are equal, because Fleece does not always distinguish them. 1 and true are not equal.
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


PAIRS = recorded("fleece_pairs.jsonl")
VERDICTS = recorded("fleece_verdicts.jsonl")


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_deltas_made_by_fleece_produce_the_new_document(pair: dict[str, Any]) -> None:
    for theirs in pair.get("theirs", []):
        assert alike(delta.apply(pair["old"], theirs), pair["new"]), theirs


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_deltas_made_here_are_those_that_fleece_applied(pair: dict[str, Any]) -> None:
    """If this test fails because Logboat now makes better deltas, record new files with Fleece."""
    assert delta.make(pair["old"], pair["new"]) == pair["ours"]


@pytest.mark.parametrize("verdict", VERDICTS, ids=range(len(VERDICTS)))
def test_verdict_on_a_delta_is_that_of_fleece_or_stricter(verdict: dict[str, Any]) -> None:
    if "new" in verdict:
        assert alike(delta.apply(verdict["old"], verdict["delta"]), verdict["new"])
    else:
        with pytest.raises(DeltaError):
            delta.apply(verdict["old"], verdict["delta"])


def test_recordings_are_complete() -> None:
    assert len(PAIRS) == 190
    assert sum(", 0, 2]" in json.dumps(pair.get("theirs", "")) for pair in PAIRS) > 40
    assert {"new", "lax"} <= {key for verdict in VERDICTS for key in verdict}


STUB = {"digest": "sha1-Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "length": 11, "revpos": 2, "stub": True}
GREETINGS: dict[str, Any] = {"greetings": [{"hello": "world!"}, {"hi": "alice"}]}


@pytest.mark.parametrize(
    ("new", "theirs"),
    [
        (
            {"greetings": [*GREETINGS["greetings"], {"howdy": 1234567890123}]},
            {"greetings": {"2-": [{"howdy": 1234567890123}]}},
        ),
        (
            {"greetings": [*GREETINGS["greetings"], {"howdy": "bob"}]},
            {"greetings": {"2-": [{"howdy": "bob"}]}},
        ),
        (GREETINGS | {"_attachments": {"hello.txt": STUB}}, {"_attachments": [{"hello.txt": STUB}]}),
    ],
)
def test_deltas_of_sync_gateway_are_made_and_applied(new: Any, theirs: Any) -> None:
    assert delta.make(GREETINGS, new) == theirs
    assert delta.apply(GREETINGS, theirs) == new
