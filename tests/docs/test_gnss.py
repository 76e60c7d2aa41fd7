"""The fault messages and time limits on the page about satellite receivers match the code."""

import re
from pathlib import Path

from services.config.loader import load
from services.gnss import discipline, faults, time_judge

from .pages import DOCS

PAGE = (DOCS / "gnss.md").read_text()


def test_page_lists_every_fault_with_its_remedy() -> None:
    assert faults.markdown() in PAGE


def test_periods_on_the_page_are_those_of_the_software() -> None:
    words = " ".join(PAGE.split())
    assert f"for {time_judge.CONFIRMED_AFTER_S:g} seconds" in words
    assert f"for {time_judge.BACKWARD_AFTER_S / 60:g} minutes" in words
    assert f"more than {time_judge.BACKWARD_S:g} seconds" in words
    assert f"± {discipline.SENTENCE_UNCERTAINTY_S:g} s" in words
    assert f"± {discipline.PULSE_UNCERTAINTY_S * 1000:g} ms" in words


def test_examples_on_the_page_are_valid(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        (tmp_path / "vessel.toml").write_text(example)
        assert load(tmp_path / "vessel.toml").clock.gnss is not None
