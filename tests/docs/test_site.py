"""The checker for the built site reports dead links, lost pictures, and content loaded from other sites."""

from pathlib import Path

import pytest

from .site import faults, lost_pictures, main

GOOD = '<html><body><h1 id="top">A</h1><a href="sub/b.html#more">B</a><img src="a.svg"></body></html>'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(GOOD)
    (tmp_path / "sub/b.html").write_text('<h2 id="more">More</h2><a href="../index.html#top">A</a>')
    (tmp_path / "a.svg").write_text("<svg></svg>")
    return tmp_path


def test_good_site_has_no_faults(site: Path) -> None:
    assert list(faults(site)) == []
    assert main(site, site) == 0


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ('<script src="https://cdn.example/x.js"></script>', "loads https://cdn.example/x.js from outside"),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', "loads //cdn.example/x.css from outside"),
        ('<style>p { background: url("http://a.example/b.png") }</style>', "loads http://a.example/b.png"),
        ('<p style="background: url(https://a.example/b)">', "loads https://a.example/b"),
        ('<style>@import "https://a.example/b.css";</style>', "loads https://a.example/b.css"),
        ('<img src="missing.svg">', "missing.svg is not in the site"),
        ('<a href="nowhere.html">', "nowhere.html leads nowhere"),
        ('<a href="sub/b.html#less">', "sub/b.html#less leads to no heading"),
        ('<a href="#less">', "#less leads to no heading"),
    ],
)
def test_fault_is_found(site: Path, element: str, fault: str) -> None:
    (site / "index.html").write_text(GOOD.replace("</body>", f"{element}</body>"))
    (found,) = faults(site)
    assert fault in found
    assert main(site, site) == 1


def test_links_may_lead_to_other_sites(site: Path) -> None:
    (site / "index.html").write_text('<h1 id="top"><a href="https://signalk.org">S</a></h1>')
    assert list(faults(site)) == []


@pytest.mark.parametrize(("name", "text"), [("x.css", "@import 'https://a.example/b'"), ("a.svg", None)])
def test_style_sheets_and_pictures_load_nothing_from_outside(site: Path, name: str, text: str | None) -> None:
    (site / name).write_text(text or '<svg><image href="#x" xlink:href="https://a.example/b"/></svg>')
    (found,) = faults(site)
    assert "https://a.example/b from outside" in found


def test_folder_without_pages_is_a_fault(tmp_path: Path) -> None:
    assert main(tmp_path) == 1


def test_missing_picture_is_found(site: Path) -> None:
    docs = site / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("# A\n\n![one](a.svg)\n\n![two](b.svg)\n")
    assert list(lost_pictures(site, docs)) == ["index.html: shows 1 of 2 pictures"]
