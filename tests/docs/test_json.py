"""Tests that the program in docs/json.md validates the output of a command."""

import re
from pathlib import Path

import pytest

from tests.services import documents as build
from tests.services.appliance import Appliance, logboat

__all__ = ["logboat"]  # a fixture

TEXT = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
(PROGRAM,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("spoil", [False, True])
def test_program_runs_as_printed(spoil: bool, logboat: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    logboat.put(build.boot())
    logboat.live()
    told = logboat("status", "--json").out
    monkeypatch.chdir(logboat.root)
    Path("status.json").write_text(told.replace('"running":true', '"running":"perhaps"') if spoil else told)
    if not spoil:
        exec(PROGRAM, {})
        return
    with pytest.raises(Exception, match="'perhaps' is not of type 'boolean'"):
        exec(PROGRAM, {})
