"""Facts such as a path or a limit are defined in one module only, and other modules do not repeat them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("sensors", "sync", "services", "provisioning")


@dataclass(frozen=True)
class OnePlace:
    """Fact with a pattern for code that states the fact, and the modules that may contain such code."""

    fact: str
    pattern: str
    modules: frozenset[str]


def one(fact: str, pattern: str, *modules: str) -> OnePlace:
    return OnePlace(fact, pattern, frozenset(modules))


FACTS = [
    one(
        "whether the vessel is recording",
        r"DURABLE_WITHIN_S|\.last_durable\.clock *[<>]|- *\w+(\.\w+)*\.last_durable",
        "services/state/recorder_state.py",
        "services/state/thresholds.py",
        "services/doctor/daemons.py",  # for the text of the check's result
    ),
    one("whether the card is nearly full", r"NEARLY_FULL\b", "services/state/thresholds.py"),
    one("whether a certificate expires soon", r"EXPIRES_SOON_S", "services/state/thresholds.py"),
    one(
        "whether a sensor is faulty",
        r"(==|!=|not in \(None,) \"good\"",
        "sync/gateway/mqtt/signalk.py",  # `sync` must not import `sensors`
    ),
    one(
        "synchronisation of folders",
        r"\bO_DIRECTORY\b",
        "sync/durable_files.py",
        "sync/store/notify.py",  # to watch a folder
        "provisioning/folder.py",  # to lock a folder
    ),
    one(
        "synchronisation of files",
        r"\bos\.fsync\b",
        "sync/durable_files.py",
        "sync/store/blobs.py",  # a blob that arrives in pieces
        "services/logs/error_log.py",  # a file that stays open
        "provisioning/files.py",  # overwriting and reading back on the card itself
        "provisioning/card/image_writing.py",  # a block device
        "provisioning/image/build_cache.py",  # a file that another program has written
    ),
    one(
        "HTTP statuses and close codes",
        r"^_?[A-Z_]+(: Final)? = (40[1-9]|41\d|42\d|50[1-4]|100[1-9]|101[1-4]|4001)$"
        r"|(code|status|_code)\b *(=|==|!=) *(4\d\d|50\d|10[01]\d|4001)\b|(Refusal|Reject|reject)\(\d",
    ),
    one("the names of the lights", r"\"power\", *\"record\""),
    one("the channels of documents", r"\"(readings|equipment)\", *\"(equipment|alarms)\""),
    one("the severities of alarms", r"\"alert\", *\"warn\"", "sync/fleet/severities.py"),
    one("the states of links and gateways", r"\bstate *(==|!=|in) *\(?\"(linked|silent|refused|connect)"),
    one(
        "when network time replaces the last known time",
        r"\bDISBELIEVED_AFTER\b",
        "services/clocks/clock_quality.py",
    ),
    one("whether the time is known", r"source *(==|!=) *\"floor\""),
]


@pytest.mark.parametrize("rule", FACTS, ids=lambda rule: rule.fact)
def test_fact_is_stated_in_one_place(rule: OnePlace) -> None:
    pattern = re.compile(rule.pattern, re.MULTILINE)
    found = {path for path, text in _modules() if pattern.search(text)}
    assert sorted(found - rule.modules) == []
    assert sorted(rule.modules - found) == []


def _modules() -> Iterator[tuple[str, str]]:
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            yield str(path.relative_to(ROOT)), path.read_text()
