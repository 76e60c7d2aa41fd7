"""Checks the built documentation site for dead links, and for content that is loaded from other sites.

`make docs` runs this check. The command for the check alone is `python -m tests.docs.site build/site`.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from .pages import DOCS

_LOADING: Final = {"src", "srcset", "data", "poster", "action", "xlink:href"}
"""HTML attributes whose targets a browser loads automatically, unlike the targets of links."""
_LINKS_THAT_LOAD: Final = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "manifest",
}
_IN_STYLES: Final = re.compile(r"url\(\s*['\"]?(?!data:|#)([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """Parsed page of the site, with its links, its anchors, and the references to content that it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads = list[str]()
        self.links = list[str]()
        self.anchors = set[str]()
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the links, anchors and loaded content of an element."""
        values = {name: value or "" for name, value in attrs}
        self._in_style = tag == "style"
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.loads += [values[name] for name in values.keys() & _LOADING]
        self.loads += _of_style(values.get("style", ""))
        if tag == "link" and _LINKS_THAT_LOAD & set(values.get("rel", "").split()):
            self.loads.append(values.get("href", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])

    def handle_data(self, data: str) -> None:
        """Collect the content that an embedded style sheet loads."""
        if self._in_style:
            self.loads += _of_style(data)


def faults(site: Path) -> Iterator[str]:
    """Yield a message for each dead link, and for each reference that loads content from another site."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site)
        for target in page.loads:
            if _is_outside(target):
                yield f"{name}: loads {target} from outside"
            elif target and path.name != "404.html" and not (path.parent / _file(target)).exists():
                yield f"{name}: {target} is not in the site"
        if path.name == "404.html":  # shown at any address, so its links are relative to the root
            continue
        for target in page.links:
            if _is_outside(target) or target.startswith("mailto:"):
                continue
            there = (path.parent / _file(target)).resolve() if _file(target) else path
            anchor = unquote(urlsplit(target).fragment)
            if not there.exists():
                yield f"{name}: {target} leads nowhere"
            elif anchor and there.suffix == ".html" and anchor not in pages[there].anchors:
                yield f"{name}: {target} leads to no heading"
    for path in sorted([*site.rglob("*.css"), *site.rglob("*.svg")]):
        text = path.read_text(encoding="utf-8")
        inside = Page(text).loads if path.suffix == ".svg" else []
        for target in [*_of_style(text), *inside]:
            if _is_outside(target):
                yield f"{path.relative_to(site)}: loads {target} from outside"


def lost_pictures(site: Path, docs: Path) -> Iterator[str]:
    """Yield a message for each page that contains fewer pictures than its Markdown file."""
    for source in sorted(docs.rglob("*.md")):
        page = (site / source.relative_to(docs)).with_suffix(".html")
        expected = len(re.findall(r"^!\[", source.read_text(encoding="utf-8"), re.MULTILINE))
        shown = page.read_text(encoding="utf-8").count("<img") if page.exists() else 0
        if shown < expected:
            yield f"{page.relative_to(site)}: shows {shown} of {expected} pictures"


def _is_outside(target: str) -> bool:
    return target.startswith("//") or urlsplit(target).scheme in ("http", "https", "ws", "wss", "ftp")


def _file(target: str) -> str:
    return unquote(urlsplit(target).path)


def _of_style(text: str) -> list[str]:
    return [first or second for first, second in _IN_STYLES.findall(text)]


def main(site: Path, docs: Path = DOCS) -> int:
    """Check the site, print the errors found, and return the exit status."""
    pages = len(list(site.rglob("*.html")))
    if not pages:
        print(f"{site}: no page; run make docs")
        return 1
    found = [*faults(site), *lost_pictures(site, docs)]
    print(*found, sep="\n", end="\n" if found else "")
    print(
        f"site: {len(found)} faults" if found else f"site: {pages} pages, no dead link, nothing from outside"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
