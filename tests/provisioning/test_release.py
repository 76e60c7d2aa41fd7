"""No release can be built until SECURITY.md states where to report a vulnerability."""

import subprocess
from pathlib import Path

import pytest

from provisioning.image import release
from provisioning.image.__main__ import REPOSITORY, main
from provisioning.image.errors import RecipeError


def test_release_is_refused_while_the_placeholder_remains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "SECURITY.md").write_text(f"# Policy\n\n**{release.PLACEHOLDER}**\n")
    monkeypatch.setattr("provisioning.image.__main__.REPOSITORY", tmp_path)
    assert main(["--release", "--output", str(tmp_path / "out")]) == 2
    assert "SECURITY.md:3: no security contact is set" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_release_with_a_contact_passes(tmp_path: Path) -> None:
    (tmp_path / "SECURITY.md").write_text("# Policy\n\nWrite to the harbour office.\n")
    release.check(tmp_path)


@pytest.mark.parametrize("text", [None, ""])
def test_release_without_a_policy_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "SECURITY.md").write_text(text)
    with pytest.raises(RecipeError, match="nobody knows where to report a vulnerability"):
        release.check(tmp_path)


def test_placeholder_is_in_one_file() -> None:
    """Setting the contact requires a change to one file only."""
    command = ["git", "grep", "--name-only", release.PLACEHOLDER]
    found = subprocess.run(command, check=True, cwd=REPOSITORY, capture_output=True, text=True).stdout.split()
    assert set(found) - {"provisioning/image/release.py"} <= {"SECURITY.md"}
