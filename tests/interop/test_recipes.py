"""The library's example program replicates recipes with a real Couchbase Lite."""

import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sync.api import Database
from tests.interop.couchbase_lite.client import CouchbaseLite
from tests.interop.couchbase_lite.client import Database as App

PROGRAM = Path(__file__).parents[2] / "examples" / "recipes.py"
WAIT_S = 60.0


@pytest.fixture
def app(couchbase_lite: CouchbaseLite, numbers: Iterator[int]) -> Iterator[App]:
    database = couchbase_lite.open(f"recipes{next(numbers)}")
    yield database
    database.close()


@contextmanager
def serving(path: Path) -> Iterator[str]:
    """Run the example program for the duration of the block, and yield the URL that it prints."""
    command = [sys.executable, str(PROGRAM), str(path), "127.0.0.1", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROGRAM.parents[1]) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(WAIT_S)


def certificate_at(url: str) -> str:
    """Connect to a listener, and return its certificate in PEM format."""
    found = re.fullmatch(r"wss://([\d.]+):(\d+)/recipes", url)
    assert found is not None
    return ssl.get_server_certificate((found[1], int(found[2])))


def test_couchbase_lite_and_the_example_have_the_same_recipes(app: App, tmp_path: Path) -> None:
    path = tmp_path / "recipes.db"
    app.put("soup", {"needs": ["peas", "water"]})
    app.put_blob("soup", "photo", b"a green photo", content_type="image/jpeg")
    with serving(path) as url:
        replicator = app.replicator(url, user="cook", password="s3cret", certificate=certificate_at(url))
        assert replicator.run().error is None
        assert app.body("pancakes") == {"needs": ["eggs", "flour", "milk"]}
        soup = app.get("soup")
        app.delete("pancakes")
        assert replicator.run().error is None
    assert soup is not None
    with Database.open(path, create=False) as recipes:
        found, pancakes = recipes.get("soup"), recipes.get("pancakes")
        assert found is not None
        assert found.rev == soup.rev
        assert recipes.blobs.read(found.body["photo"]["digest"]) == b"a green photo"
        assert pancakes is not None
        assert pancakes.deleted


def test_an_app_without_the_password_gets_no_recipe(app: App, tmp_path: Path) -> None:
    with serving(tmp_path / "recipes.db") as url:
        status = app.replicator(url, user="cook", password="guessed", certificate=certificate_at(url)).run()
    assert status.error is not None
    assert status.error.code == 10401
    assert app.ids() == set()


def test_the_example_is_short_and_imports_only_the_public_interface() -> None:
    source = PROGRAM.read_text()
    assert len(source.splitlines()) <= 30
    imported = re.findall(r"^(?:from|import) (?:sync|services|sensors)\b.*", source, re.MULTILINE)
    assert imported == ["from sync import api"]
