"""Hooks of MkDocs: they add files of this repository outside `docs` that pages refer to.

On a page, a link such as `../services/schemas/status.json` works for a reader of the repository. The site
contains only the files in `docs`. So files that pages link to are added to the site, and links to them are
rewritten. A link to any other file of the repository becomes the file's name.
"""

import html
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "examples/README.md": "examples.md",
}
"""Pages of the site that are elsewhere in the repository, where people look for them."""
FOLDERS = {
    "services/schemas/": "schemas/",
    "examples/": "examples/",
    "provisioning/templates/": "starter-files/",  # MkDocs leaves out a folder with the name templates
}
"""Folders whose files are added to the site, and the folder of the site that they are in."""
WIDE = 3
"""Number of columns from which a table is too wide for a phone."""
_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#:\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add pages and files from outside `docs` to the site."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_moved(text, Path(source).parent)))
    for folder, place in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".json", ".py", ".toml"):
                name = place + path.relative_to(ROOT / folder).as_posix()
                files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links that leave `docs` to where the site has their target."""
    folder = posixpath.dirname(page.file.src_uri)
    to_top = "../" * len(Path(folder).parts)

    def inside(link: re.Match[str]) -> str:
        words, target, anchor = link.groups()
        path = posixpath.normpath(posixpath.join("docs", folder, target))
        if path.startswith("docs/"):
            return link[0]
        place = PAGES.get(path) or _in_folder(path)
        if place is not None:
            return f"[{words}]({to_top}{place}{anchor or ''})"
        return words if words.strip("`") == path else f"{words} (`{path}`)"

    return _LINK.sub(inside, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Mark tables with many columns, and name the column of each of their cells, for the style sheet."""
    return _TABLE.sub(_labelled, content)


def _labelled(table: re.Match[str]) -> str:
    heads = re.findall(r"<th[^>]*>(.*?)</th>", table[0], re.DOTALL)
    columns = [re.sub(r"<[^>]*>", "", head) for head in heads]
    if len(columns) < WIDE:
        return table[0]
    if len(set(columns)) < len(columns):
        # The table is a drawing, such as that of the header's two rows of pins. Its rows must stay rows.
        return table[0].replace("<table>", "<table data-drawing>")

    def row(found: re.Match[str]) -> str:
        names = iter(columns)
        return re.sub(r"<td", lambda _: f'<td data-label="{html.escape(next(names))}"', found[0])

    return re.sub(r"<tr>.*?</tr>", row, table[0].replace("<table>", "<table data-wide>"), flags=re.DOTALL)


def _moved(text: str, folder: Path) -> str:
    """Return the text of a page in another folder, with its links as a page in `docs` has them."""

    def moved(link: re.Match[str]) -> str:
        words, target, anchor = link.groups()
        path = posixpath.relpath(posixpath.normpath((folder / target).as_posix()), "docs")
        return f"[{words}]({path}{anchor or ''})"

    return _LINK.sub(moved, text)


def _in_folder(path: str) -> str | None:
    """Return where the site has a file of `FOLDERS`, or None if the site does not have the file."""
    for folder, place in FOLDERS.items():
        if path.startswith(folder) and (ROOT / path).is_file():
            return place + path.removeprefix(folder)
    return None
