"""On a computer without a vessel, `logboat status` reports this, and mentions the demo."""

from argparse import Namespace
from pathlib import Path

import pytest

from services.screens import no_vessel

from .commands import logboat


def test_status_without_a_vessel_says_so_and_names_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = ("--data", str(tmp_path / "data"), "--run", str(tmp_path / "run"))
    monkeypatch.setattr(no_vessel, "_exists", lambda _: False)
    done = logboat("status", *places)
    assert (done.returncode, done.stderr) == (0, "")
    said = " ".join(line.strip() for line in done.stdout.splitlines())
    assert said.startswith("no vessel on this computer: none of /etc/logboat/logboat.toml, ")
    assert said.endswith(
        f"{tmp_path}/run exists to do: run this command on the vessel's own computer (for example over"
        " SSH); for a simulated vessel, give its --config, --sensors, --data and --run; to try Logboat here:"
        " logboat demo"
    )
    assert no_vessel.ADVICE in logboat("status", *places, "--json").stdout


@pytest.mark.parametrize("present", ["config", "sensors", "data", "run"])
def test_any_file_of_a_vessel_counts_as_a_vessel(tmp_path: Path, present: str) -> None:
    args = Namespace(**{name: tmp_path / name for name in ("config", "sensors", "data", "run")})
    assert no_vessel.missing_places(args).endswith(f"{tmp_path}/data and {tmp_path}/run exists")
    (tmp_path / present).mkdir()
    assert no_vessel.missing_places(args) == ""
