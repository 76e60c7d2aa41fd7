"""Licences of packages in the forms that CycloneDX has: SPDX identifiers, SPDX expressions and names.

The list of SPDX identifiers is that of the library `packaging`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

_TOKEN: Final = re.compile(r"(?!licenseref-)[a-z0-9.-]+", re.IGNORECASE)
_VERSION: Final = re.compile(r"\d+(?:\.\d+)*")
_GNU: Final = {
    "gpl": "GPL-{}",
    "lgpl": "LGPL-{}",
    "agpl": "AGPL-{}",
    "gfdl": "GFDL-{}",
    "gfdl-niv": "GFDL-{}-no-invariants",
}
"""SPDX names of the GNU licences, by Debian's short names. In the names, `{}` stands for the version."""
_OTHER_NAMES: Final = {"expat": "MIT", "cc0": "CC0-1.0"}
"""SPDX identifiers of licences for which Debian uses a different short name, by that short name."""
_AMBIGUOUS: Final = frozenset({"mit", "x11", "artistic-1", "artistic-1.0"})
"""Short names that look like SPDX identifiers, but that Debian's packages use for several licences.

Debian's format says that there are many versions of the MIT licence, and calls SPDX's `MIT` "Expat". Its
`Artistic-1` is usually the licence of Perl, which SPDX calls `Artistic-1.0-Perl`.
"""


@dataclass(frozen=True, slots=True)
class License:
    """A licence of a package."""

    form: Literal["id", "expression", "name"]
    text: str


def named(name: str) -> License:
    """Return a licence that has no SPDX identifier."""
    return License("name", name)


def of_spdx(text: str) -> License:
    """Return the licence for an SPDX identifier or expression. Any other text is used as a licence's name."""
    try:
        expression = canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return named(text)
    return License("id" if _TOKEN.fullmatch(expression) else "expression", expression)


def of_debian(short_name: str) -> License:
    """Return the licence for a short name in a Debian copyright file.

    A short name without an SPDX equivalent is kept as the licence's name.

    The meaning of the short names is defined in
    https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/#license-specification. Names that are
    not defined there are often SPDX identifiers.
    """
    key = short_name.lower()
    for candidate in _candidates(key):
        if key not in _AMBIGUOUS and _TOKEN.fullmatch(candidate):
            found = of_spdx(candidate)
            if found.form == "id":
                return found
    return named(short_name)


def of_python(expression: str | None, text: str | None, classifiers: Iterable[str]) -> tuple[License, ...]:
    """Return the licences that the metadata of a Python package states.

    Args:
        expression: the field License-Expression, which is an SPDX expression
        text: the older field License, which can contain anything; its first line is used
        classifiers: the fields Classifier, which are used if there are no other fields
    """
    if stated := (expression or text or "").strip():
        return (of_spdx(stated.splitlines()[0]),)
    return tuple(named(each.split(" :: ")[-1]) for each in classifiers if each.startswith("License :: "))


def _candidates(key: str) -> Iterable[str]:
    """Return the SPDX identifiers that a short name can stand for; a trailing ".0" is ignored."""
    later = key.endswith("+")
    family, _, version = key.removesuffix("+").rpartition("-")
    if not _VERSION.fullmatch(version):
        return (_OTHER_NAMES.get(key, key),)
    while version.endswith(".0"):
        version = version.removesuffix(".0")
    complete = version if "." in version else f"{version}.0"
    if family in _GNU:
        return (f"{_GNU[family].format(complete)}-{'or-later' if later else 'only'}",)
    return () if later else (key, f"{family}-{version}", f"{family}-{complete}")
