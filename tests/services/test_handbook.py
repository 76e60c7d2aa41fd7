"""`logboat help` shows the pages of the handbook on terminals of any width."""

from pathlib import Path

import pytest

from provisioning.image.system import HANDBOOK, put_handbook
from services.cli import handbook
from services.cli.main import main
from services.terminal.markdown import lines_of, title_of
from services.terminal.present import StyledLine

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))

PAGE = """# The *bilge*

<!-- Made by hand. -->

See [the lights](lights.md), or [Signal K](https://signalk.org). Run `logboat ack`
when the water is **gone**.

- first item
  goes on
1. second item

| light | what it `means` |
| --- | --- |
| fault | `a|b` \\| an alarm is active, and the crew must look at it |

```toml
[[sensor]]
id = "a line of code that is never folded, whatever the width of the terminal"
```
"""


def text_of(lines: list[StyledLine]) -> str:
    return "\n".join(line.text for line in lines)


def test_every_element_is_shown_without_its_markup() -> None:
    assert text_of(list(lines_of(PAGE, 100))).splitlines() == [
        "The bilge",
        "",
        "See the lights, or Signal K (https://signalk.org). Run logboat ack when the water is gone.",
        "",
        "- first item goes on",
        "1. second item",
        "",
        "light  what it means",
        "fault  a|b | an alarm is active, and the crew must look at it",
        "",
        "    [[sensor]]",
        '    id = "a line of code that is never folded, whatever the width of the terminal"',
    ]


def test_wide_table_becomes_a_list() -> None:
    text = "| light | what it means | what to do |\n| --- | --- | --- |\n| fault | an alarm is active | |\n"
    assert text_of(list(lines_of(text, 20))) == "fault\n  what it means: an\n    alarm is active"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.parametrize("width", [40, 80])
def test_page_fits_the_terminal(page: Path, width: int) -> None:
    text = page.read_text()
    assert title_of(text)
    too_long = [
        line.text
        for line in lines_of(text, width)
        if len(line.text) > width and not line.text.startswith("    ")
    ]
    assert too_long == []


@pytest.mark.parametrize("topic", ["lights", "Lights.md", "light", "switch"])
def test_topic_is_found_by_its_name_or_prefix(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", topic]) == 0
    assert capsys.readouterr().out.startswith("Contact: switch" if topic == "switch" else "The lights")


def test_list_names_every_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    shown = capsys.readouterr().out
    assert [page.stem for page in PAGES if f"\n{page.stem} " not in shown] == []


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        ("status", "'status' is a command\ntry: logboat status --help"),
        ("glosary", "has no page 'glosary'; did you mean glossary"),
        ("zzz", "has no page 'zzz'\ntry: logboat help"),
    ],
)
def test_unknown_topic_is_wrong_usage(topic: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", topic]) == 2
    assert message in capsys.readouterr().err


def test_word_that_is_no_topic_is_found_in_the_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cards.md").write_text("# Cards\n\nWi-Fi, WiFi and wifi\n")
    (tmp_path / "networks.md").write_text("# Networks\n\n## Wi-Fi networks\n")
    (tmp_path / "pins.md").write_text("# Pins\n\nWifireless\n")
    monkeypatch.setattr(handbook, "_IN_REPOSITORY", tmp_path)
    for word in ("wifi", "Wi-Fi"):
        assert main(["help", word]) == 2
        assert "these pages contain the word: networks, cards\ntry: logboat help networks" in (
            capsys.readouterr().err
        )


def test_handbook_of_the_card_is_used_where_there_is_no_repository(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handbook, "_IN_REPOSITORY", tmp_path / "none")
    monkeypatch.setattr(handbook, "INSTALLED", tmp_path / HANDBOOK)
    assert main(["help", "faults"]) == 1
    assert "the handbook is not installed" in capsys.readouterr().err
    put_handbook(ROOT, tmp_path)
    assert main(["help", "faults"]) == 0
    assert capsys.readouterr().out.startswith("Common faults")


def test_handbook_is_on_the_card_where_the_command_looks_for_it() -> None:
    assert Path("/", HANDBOOK) == Path("/usr/share/logboat/handbook") == handbook.INSTALLED
