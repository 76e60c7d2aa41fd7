"""The store follows the policy that an application defines for its documents."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sync import documents
from sync.store import PLAIN, Database, DocumentPolicy
from sync.store.reader import _ranges_without

ids = st.text(alphabet="ab:;\ud7ff\ue000\U0010ffff", min_size=1, max_size=4)


class Recipes(DocumentPolicy):
    immutable_prefixes = ("menu:", "photo:")

    def is_single_writer(self, document_id: str) -> bool:
        return document_id.startswith("kitchen:")


@given(prefixes=st.sets(ids, max_size=4), document_id=ids)
def test_ranges_without_prefixes_contain_exactly_the_other_ids(prefixes: set[str], document_id: str) -> None:
    name = document_id.encode(errors="surrogatepass")
    found = [
        low
        for low, high in _ranges_without(prefixes)
        if low.encode(errors="surrogatepass") <= name
        and (isinstance(high, bytes) or name < high.encode(errors="surrogatepass"))
    ]
    assert len(found) == (not document_id.startswith(tuple(prefixes)))


def test_policy_has_defaults(tmp_path: Path) -> None:
    with Database.open(tmp_path / "recipes.db", policy=Recipes()) as database:
        policy = database.policy
        assert policy.is_single_writer("kitchen:1")
        assert policy.is_immutable("menu:monday")
        assert not policy.is_immutable("soup")
        assert policy.channels_of("soup") is None


def test_database_without_a_policy_treats_all_documents_equally(tmp_path: Path) -> None:
    with Database.open(tmp_path / "log.db") as database:
        policy = database.policy
    assert policy is PLAIN
    for document_id in (documents.vessel_id("argo"), documents.reading_id("argo", "rpm", "abcdef", 1)):
        assert not policy.is_single_writer(document_id)
        assert not policy.is_immutable(document_id)
        assert policy.channels_of(document_id) is None


def test_a_newer_revision_of_a_single_writer_follows(tmp_path: Path) -> None:
    with Database.open(tmp_path / "recipes.db", policy=Recipes()) as database:
        for document_id in ("kitchen:1", "soup"):
            database.put(document_id, {"n": 1})
            database.insert(document_id, "2-ffffffffffffffffffffffffffffffff", ["1-00"], {"n": 2})
        assert len(database.leaves("kitchen:1")) == 1
        assert len(database.leaves("soup")) == 2
