"""ARCHITECTURE.md and the glossary match the paths, names and order of folders in the repository."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
GLOSSARY = "".join(page.read_text() for page in sorted((ROOT / "docs").glob("glossary*.md")))
PATHS = sorted({*re.findall(r"`((?:\w+/)+[\w.]*)`", ARCHITECTURE + GLOSSARY)})
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
ORDERS = {name: each["layers"] for each in CONTRACTS for name in each.get("containers", [])}


@pytest.mark.parametrize("path", PATHS)
def test_path_in_the_documents_exists(path: str) -> None:
    relative = {"copies/", "set-aside/"}  # folders in an appliance's data folder
    assert path in relative or (ROOT / path).exists()


def folders(container: str) -> list[list[str]]:
    """Return the subfolders of a folder by level, highest level first, as listed in ARCHITECTURE.md."""
    table = ARCHITECTURE.partition(f"| level | `{container}/` | content |\n")[2].partition("\n\n")[0]
    levels = dict[int, list[str]]()
    for level, name in re.findall(r"^\| (\d+) \| `(\w+)` \|", table, re.MULTILINE):
        levels.setdefault(int(level), []).append(name)
    return [levels[level] for level in sorted(levels, reverse=True)]


@pytest.mark.parametrize("container", ORDERS)
def test_order_of_folders_is_the_one_that_lint_checks(container: str) -> None:
    expected = [layer.split(" | ") for layer in ORDERS[container]]
    assert folders(container) == expected


TASKS = {
    "add a kind of sensor": "sensors/kinds/bme280.py",
    "change how long an alarm must hold": "services/alarms/rules.py",
    "add a light": "services/config/model.py",
    "add a state of a light": "services/lights/states.py",
    "add an MQTT topic": "sync/gateway/mqtt/topics.py",
    "add a field to reading documents": "services/documents/reading_documents.py",
    "add an MQTT key of `logboat.toml`": "sync/gateway/mqtt/keys.py",
    "add a subcommand": "services/cli/main.py",
    "change the retention order": "services/documents/retention.py",
    "add an overlay for another clock chip": "provisioning/overlays/clock_chips.py",
    "add a check of the doctor": "services/doctor/checks.py",
}


@pytest.mark.parametrize("task", TASKS)
def test_file_for_a_common_task_is_named(task: str) -> None:
    (row,) = (line for line in ARCHITECTURE.splitlines() if line.startswith(f"| {task} |"))
    assert f"`{TASKS[task]}`" in row


NAMES = {
    "sensors/kinds/bme280.py": "KIND",
    "services/cli/main.py": "GROUPS",
    "provisioning/overlays/clock_chips.py": "CLOCK_CHIPS",
    "services/doctor/checks.py": "CHECKS",
    "services/documents/reading_documents.py": "reading",
}


@pytest.mark.parametrize("path", NAMES)
def test_name_in_the_document_is_defined_in_its_module(path: str) -> None:
    assert re.search(rf"^(?:def )?{NAMES[path]}\b", (ROOT / path).read_text(), re.MULTILINE)
