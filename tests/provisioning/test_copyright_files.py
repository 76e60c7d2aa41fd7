"""The licences of Debian packages are read from copyright files like those in Debian's packages."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.image import copyright_files, licenses
from provisioning.image.licenses import License

FILE = "/usr/share/doc/pump/copyright"
REFERENCE = License("name", f"see {FILE}")
FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"

SIMPLE = f"""{FORMAT}Upstream-Name: dosfstools
Source: https://example.org/dosfstools

Files: *
Copyright: 1993, Ulla Upstream <ulla@example.org>
           2008-2014, Daniel Developer
License: GPL-3+

License: GPL-3+
 This program is free software: you can redistribute it and/or modify
 it under the terms of the GNU General Public License as published by
 the Free Software Foundation, either version 3 of the License, or
 (at your option) any later version.
 .
 On Debian systems, the license is in /usr/share/common-licenses/GPL-3.
"""

MULTIPLE = f"""{FORMAT}Comment: The licence of each part follows.
License: GPL-2+

Files:
 *
Copyright: 2004, The Authors
License: LGPL-2.1+

Files: src/basic/siphash24.c
Copyright: 2012, Jane Doe
License: CC0-1.0

Files: src/udev/*
       src/shared/lookup3.c
Copyright: none
License: public-domain
 I hereby place this file in the public domain.
 .
 License: Beerware is only an example in this text.

Files: debian/*
Copyright: 2010-2024, Debian
License: LGPL-2.1+

Files: tools/*.pl
Copyright: 1999, Larry
License: GPL-1+ or Artistic, and Expat

License: BSD-3-clause
 A licence without files.
"""

FREE_FORM = """This package was debianized by J. Doe <doe@example.org> on
Sat, 1 Jan 2000 12:00:00 +0100.

It was downloaded from https://example.org/pump/

Copyright:

    Copyright (C) 1991, 1996 Free Software Foundation, Inc.

License: GPL-2+, see /usr/share/common-licenses/GPL-2.
"""


def parse(text: str) -> copyright_files.StatedLicenses:
    return copyright_files.parse(text.encode(), FILE)


def texts(stated: copyright_files.StatedLicenses) -> list[str]:
    """Return the licences as text, with SPDX identifiers marked by `SPDX`."""
    return [f"SPDX {each.text}" if each.form == "id" else each.text for each in stated.licenses]


def test_file_with_one_licence_gives_its_spdx_identifier() -> None:
    stated = parse(SIMPLE)
    assert texts(stated) == ["SPDX GPL-3.0-or-later"]
    assert stated.problem == ""


def test_file_with_several_licences_gives_those_that_apply_to_files_once_each() -> None:
    stated = parse(MULTIPLE)
    assert texts(stated) == [
        "SPDX LGPL-2.1-or-later",
        "SPDX CC0-1.0",
        "public-domain",
        "GPL-1+ or Artistic",
        "SPDX MIT",
    ]
    assert stated.problem == ""


@pytest.mark.parametrize(
    "text", ["", "\n \n", FREE_FORM, SIMPLE.replace("copyright-format/1.0/", "copyright-format/9.0/")]
)
def test_file_without_the_machine_readable_format_is_referred_to(text: str) -> None:
    assert parse(text) == copyright_files.StatedLicenses((REFERENCE,))


@pytest.mark.parametrize("form", ["http://", "https://"])
@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_spelling_of_the_format_is_known(form: str, end: str, newline: str) -> None:
    text = SIMPLE.replace("https://www", f"{form}www").replace("1.0/\n", f"1.0{end}\n").replace("\n", newline)
    assert texts(parse(text)) == ["SPDX GPL-3.0-or-later"]
    assert texts(parse(f"\ufeff{text}")) == ["SPDX GPL-3.0-or-later"]


def test_file_that_is_cut_off_refers_to_itself_and_is_named() -> None:
    stated = parse(MULTIPLE[: MULTIPLE.index("License: CC0-1.0")])
    assert texts(stated) == ["SPDX LGPL-2.1-or-later", f"see {FILE}"]
    assert stated.problem == f"{FILE} names no licence for some of its files"


def test_file_with_a_misspelt_field_refers_to_itself_and_is_named() -> None:
    stated = parse(SIMPLE.replace("License: GPL-3+\n\n", "Licence: GPL-3+\n\n"))
    assert texts(stated) == [f"see {FILE}"]
    assert stated.problem == f"{FILE} names no licence for some of its files"


def test_file_without_files_gives_the_licence_of_the_whole_package_and_is_named() -> None:
    stated = parse(f"{FORMAT}License: ISC\n")
    assert texts(stated) == ["SPDX ISC"]
    assert stated.problem == f"{FILE} lists no files"
    assert texts(parse(FORMAT)) == [f"see {FILE}"]


def test_file_that_is_not_utf8_gives_its_licences_and_is_named() -> None:
    latin = SIMPLE.replace("Ulla", "Ülla").encode("latin-1")
    stated = copyright_files.parse(latin, FILE)
    assert texts(stated) == ["SPDX GPL-3.0-or-later"]
    assert stated.problem == f"{FILE} is not UTF-8"


def test_free_form_file_that_is_not_utf8_is_referred_to() -> None:
    stated = copyright_files.parse(FREE_FORM.replace("Doe", "Döe").encode("latin-1"), FILE)
    assert stated == copyright_files.StatedLicenses((REFERENCE,))


@pytest.mark.parametrize(
    ("synopsis", "expected"),
    [
        ("GPL-2+", ["GPL-2+"]),
        ("GPL-2+ and BSD-3-clause", ["GPL-2+", "BSD-3-clause"]),
        ("GPL-2+ or Artistic-2.0, and BSD-3-clause", ["GPL-2+ or Artistic-2.0", "BSD-3-clause"]),
        ("A or B and C", ["A or B and C"]),
        ("A, B", ["A", "B"]),
        ("A, B or C", ["A, B or C"]),
        ("A and B, or C", ["A and B, or C"]),
        ("A  OR\tB,  AND C", ["A OR B", "C"]),
        ("GPL-2+ with OpenSSL exception and ISC", ["GPL-2+ with OpenSSL exception", "ISC"]),
        ("Permission is granted to use and copy", ["Permission is granted to use and copy"]),
    ],
)
def test_licences_that_all_apply_are_separated_and_choices_are_not(
    synopsis: str, expected: list[str]
) -> None:
    assert list(copyright_files.conjuncts(synopsis)) == expected


@pytest.mark.parametrize(
    ("short_name", "identifier"),
    [
        ("GPL-1+", "GPL-1.0-or-later"),
        ("GPL-2", "GPL-2.0-only"),
        ("gpl-2.0.0", "GPL-2.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("AGPL-3", "AGPL-3.0-only"),
        ("GFDL-1.3+", "GFDL-1.3-or-later"),
        ("GFDL-NIV-1.2", "GFDL-1.2-no-invariants-only"),
        ("GPL-3.0-or-later", "GPL-3.0-or-later"),
        ("Expat", "MIT"),
        ("Apache-2", "Apache-2.0"),
        ("MPL-1.1", "MPL-1.1"),
        ("CC0", "CC0-1.0"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("zlib", "Zlib"),
        ("bzip2-1.0.6", "bzip2-1.0.6"),
    ],
)
def test_short_name_with_an_equivalent_gives_an_spdx_identifier(short_name: str, identifier: str) -> None:
    assert licenses.of_debian(short_name) == License("id", identifier)


@pytest.mark.parametrize(
    "short_name",
    [
        "GPL",
        "GPL-2+ with OpenSSL exception",
        "GPL-9+",
        "MPL-1.1+",
        "MIT",
        "X11",
        "Artistic",
        "Artistic-1",
        "public-domain",
        "BSD",
        "LicenseRef-own",
        "GPL-2+ or Artistic",
        "+",
        "-",
    ],
)
def test_short_name_without_an_equivalent_stays_a_name(short_name: str) -> None:
    assert licenses.of_debian(short_name) == License("name", short_name)


# Files in a root -----------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root file system with the copyright files of two packages."""
    place = tmp_path / "root"
    for name, text in (("gcc-14-base", SIMPLE), ("zlib1g", FREE_FORM)):
        (place / f"usr/share/doc/{name}").mkdir(parents=True)
        (place / f"usr/share/doc/{name}/copyright").write_text(text)
    return place


def only(root: Path, name: str) -> copyright_files.StatedLicenses:
    (stated,) = copyright_files.read(root, [name]).values()
    return stated


def test_every_package_is_read_from_its_own_file(root: Path) -> None:
    stated = copyright_files.read(root, ["gcc-14-base", "zlib1g"])
    assert {name: texts(each) for name, each in stated.items()} == {
        "gcc-14-base": ["SPDX GPL-3.0-or-later"],
        "zlib1g": ["see /usr/share/doc/zlib1g/copyright"],
    }
    assert not any(each.problem for each in stated.values())


def test_documentation_that_is_a_link_to_another_packages_is_read(root: Path) -> None:
    (root / "usr/share/doc/libgcc-s1").symlink_to("gcc-14-base")
    (root / "usr/share/doc/perl").mkdir()
    (root / "usr/share/doc/perl/copyright").symlink_to("../gcc-14-base/copyright")
    for name in ("libgcc-s1", "perl"):
        assert only(root, name) == only(root, "gcc-14-base")


def test_link_out_of_the_image_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/copyright").write_text(SIMPLE)
    (root / "usr/share/doc/pump").symlink_to(tmp_path / "secret")
    stated = only(root, "pump")
    assert stated.licenses == (REFERENCE,)
    assert stated.problem == f"{FILE} is a link to a path outside of the image"


def test_file_that_cannot_be_read_is_referred_to_and_named(root: Path) -> None:
    assert only(root, "pump").problem == f"{FILE} cannot be read: No such file or directory"
    assert only(root, "pump").licenses == (REFERENCE,)
    (root / "usr/share/doc/pump").symlink_to("pump")
    assert re.match(f"{FILE} cannot be read: .", only(root, "pump").problem)
    (root / "usr/share/doc/pump").unlink()
    (root / "usr/share/doc/pump/copyright").mkdir(parents=True)
    assert only(root, "pump").problem == f"{FILE} is not a regular file"


# Properties ----------------------------------------------------------------------------------------

_LINES = st.lists(
    st.sampled_from(
        [FORMAT, "Files: *\n", "License: ", "GPL-2+", " and ", " or ", ", ", "\n", " ", "+", "-", "(", "1.0"]
    )
    | st.text(max_size=5)
).map("".join)


@given(st.binary() | _LINES.map(str.encode) | _LINES.map(lambda text: text.encode("utf-16")))
def test_parser_never_raises_and_always_states_a_licence(content: bytes) -> None:
    stated = copyright_files.parse(content, FILE)
    assert stated.licenses
    assert all(each.text.strip() for each in stated.licenses)


@given(_LINES)
def test_text_after_the_header_never_raises(text: str) -> None:
    stated = parse(f"{FORMAT}\nFiles: *\nLicense: {text}")
    assert all(each.form in ("id", "name") and each.text for each in stated.licenses)


@given(st.text())
def test_every_short_name_gives_a_licence(short_name: str) -> None:
    found = licenses.of_debian(short_name)
    assert found.form == "id" or found.text == short_name


@given(st.none() | st.text(), st.none() | st.text(), st.lists(st.text()))
def test_metadata_of_a_python_package_never_raises(
    expression: str | None, text: str | None, classifiers: list[str]
) -> None:
    licenses.of_python(expression, text, classifiers)
