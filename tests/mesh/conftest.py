"""Networks for the tests here."""

from collections.abc import Iterator

import pytest

from tests.namespaces import Network


@pytest.fixture
def network() -> Iterator[Network]:
    """Hosts and segments of this test's own."""
    with Network.for_test() as network:
        yield network
