"""Every setting of Raspberry Pi Imager has an effect, needs no action, or is reported."""

import copy
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import yaml

from provisioning.imager import networkconfig, userdata
from provisioning.imager.reader import ImagerReading, read
from services.boot.imager import checks

from .imager_cards import CARDS, ImagerCard

FULFILLED: Final = {
    **dict.fromkeys((*userdata.NO_EFFECT, *networkconfig.NO_EFFECT), None),
    "packages": None,  # avahi-daemon, which is not necessary
    "runcmd": None,  # the commands that enable SSH and Wi-Fi
    "version": None,
    "config_version": None,
    "instance-id": None,
    "dhcp4": "true",
    "shell": "/bin/bash",
    "lock_passwd": None,  # a user without a password is locked
    "sudo": "null",
    "ssh_pwauth": "false",
    "hardware": "false",
    "key-management": "none",
    "groups": "['sudo']",
    "enabled": "True",
    "password_authentication": "False",
    "password_encrypted": None,  # recognised from the password
    "hidden": "False",
    "mode": None,  # sign-in method of Raspberry Pi Connect
    "token": None,
    "country": None,  # also set in cmdline.txt
    "regulatory-domain": None,
    "model": None,
    "layout": None,
    "conf": None,
    "preserve_sources_list": None,
    "ctrl_interface": None,
    "ap_scan": None,
    "update_config": None,
    "key_mgmt": None,
    "ieee80211w": None,
    "regdom": None,
}
"""Imager's keys that need no action, each with the value for which this is true, or None for any value."""


def found_in(contents: dict[str, bytes]) -> ImagerReading:
    return read(contents, checks({"root", "skipper"}))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_card_is_read(card: ImagerCard) -> None:
    found = found_in(dict(card.contents))
    assert found.asked == card.asked
    assert tuple(note.key for note in found.notes) == card.notes
    assert tuple(problem.key for problem in found.problems) == card.problems
    assert all(note.remedy for note in (*found.notes, *found.problems))
    kept = {problem.file.name for problem in found.problems} | {"meta-data", "cmdline.txt"}
    empty = {name for name, content in card.contents.items() if _facts(found_in({name: content})) == _NOTHING}
    assert set(found.understood) == set(card.contents) - kept - empty


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_no_key_of_a_card_is_lost(card: ImagerCard) -> None:
    """The removal of any key must change the settings, the notes or the problems that Logboat finds."""
    lost = []
    for name, content in card.contents.items():
        for label, value, with_it, without in WITHOUT[name](content.decode()):
            others = dict(card.contents)
            before = found_in({**others, name: with_it.encode()})
            after = found_in({**others, name: without.encode()})
            is_answered = _facts(before) != _facts(after)
            if not is_answered and FULFILLED.get(label, "-") not in (None, value):
                lost.append(f"{name}: {label} = {value}")
    assert lost == []


def _facts(found: ImagerReading) -> tuple[object, ...]:
    return found.asked, [str(each) for each in found.notes], [str(each) for each in found.problems]


_NOTHING: Final = _facts(found_in({}))
Removals = Iterator[tuple[str, str, str, str]]
"""Iterator over (key, value, text with the key, text without the key) for the keys of a file."""


def _of_tree(parse: Callable[[str], Any], dump: Callable[[Any], str]) -> Callable[[str], Removals]:
    def removals(text: str) -> Removals:
        tree = parse(text)
        for path, value in _leaves(tree):
            without = copy.deepcopy(tree)
            place = without
            for part in path[:-1]:
                place = place[part]
            del place[path[-1]]
            names = [part for part in path if isinstance(part, str)]
            yield names[-1], str(value), dump(tree), dump(without)

    return removals


def _leaves(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(tree, list) and tree and isinstance(tree[0], dict):
        for number, value in enumerate(tree):
            yield from _leaves(value, (*path, number))
    elif path:
        yield path, tree


def _toml(tree: dict[str, Any]) -> str:
    rows = []
    for key, value in tree.items():
        if isinstance(value, dict):
            rows += [f"[{key}]", *(f"{name} = {json.dumps(each)}" for name, each in value.items())]
        else:
            rows.append(f"{key} = {json.dumps(value)}")
    return "\n".join([*rows, ""])


def _of_script(text: str) -> Removals:
    rows = text.splitlines(keepends=True)
    calls = re.compile(r"(?:imager_custom|/userconf) (\w+|')|(NOPASSWD|auth\.key\" <<)")
    in_supplicant = False
    for number, row in enumerate(rows):
        match = calls.search(row)
        if "WPAEOF" in row:
            in_supplicant = "<<" in row and "&& false" in text
        elif match is not None and not row.startswith("if "):
            yield match[1] or match[2], row, text, "".join(rows[:number] + rows[number + 1 :])
        elif in_supplicant and "=" in row and "{" not in row:
            key, _, value = row.strip().partition("=")
            yield key, value, text, "".join(rows[:number] + rows[number + 1 :])


def _of_command_line(text: str) -> Removals:
    yield "regdom", text, text, re.sub(r"cfg80211\S*", "", text)


_yaml = _of_tree(
    lambda text: yaml.load(text, Loader=yaml.BaseLoader),  # keeps every value as text
    lambda tree: yaml.safe_dump(tree, allow_unicode=True, width=1000),
)
WITHOUT: Final[dict[str, Callable[[str], Removals]]] = {
    "firstrun.sh": _of_script,
    "cmdline.txt": _of_command_line,
    "user-data": _yaml,
    "network-config": _yaml,
    "meta-data": _yaml,
    "custom.toml": _of_tree(tomllib.loads, _toml),
    "rpi-preseed.toml": _of_tree(tomllib.loads, _toml),
}
"""Functions that return the `Removals` for the text of a file, by file name."""


def test_there_are_cards_of_every_format() -> None:
    assert len(CARDS) >= 20
    assert {name for card in CARDS for name in card.contents} == set(WITHOUT)
