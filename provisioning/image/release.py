"""Checks the additional condition for a release: `SECURITY.md` must state where to report vulnerabilities."""

from pathlib import Path
from typing import Final

from provisioning.image.errors import RecipeError

POLICY: Final = "SECURITY.md"
PLACEHOLDER: Final = "SECURITY-CONTACT-NOT-SET"
"""Placeholder in `SECURITY.md` until the maintainers have chosen a contact."""


def check(repository: Path) -> None:
    """Raise RecipeError if `SECURITY.md` names no contact for reporting vulnerabilities."""
    policy = repository / POLICY
    lines = policy.read_text(encoding="utf-8").splitlines() if policy.exists() else []
    if not lines:
        text = (
            f"{POLICY}: the file does not exist, so nobody knows where to report a vulnerability; create it"
        )
        raise RecipeError(text)
    for number, line in enumerate(lines, start=1):
        if PLACEHOLDER in line:
            text = f"{POLICY}:{number}: no security contact is set; replace {PLACEHOLDER} with an address"
            raise RecipeError(text)
