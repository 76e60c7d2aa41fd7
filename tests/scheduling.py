"""Assignment of tests to workers: the longest tests first, and tests that share a peer together.

A run on several workers ends when its last test ends. Tests that take seconds mostly wait for other
processes. They are therefore started first, and are assigned one by one. The many quick tests fill the gaps
afterwards, one file at a time, so that a file's fixtures are made only once. A run without workers keeps the
order of the files.
"""

from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

TOGETHER: Final = {
    "tests/interop/test_couchbase_lite.py": "Couchbase Lite",
    "tests/interop/couchbase_lite/test_wire.py": "Couchbase Lite",
    "tests/interop/test_replicating_with_sync_gateway.py": "Sync Gateway",
    "tests/interop/test_sync_gateway_replicating_with_us.py": "Sync Gateway",
    "tests/interop/test_channels_of_sync_gateway.py": "Sync Gateway",
    "tests/interop/test_refused_by_sync_gateway.py": "Sync Gateway",
    "tests/interop/test_sync_gateway.py": "Sync Gateway",
}
"""Files that share a program that takes a second or more to start, each with the name of the program."""

APART: Final = (
    "tests/services/walk/test_walk.py",
    "tests/faults/test_full_card.py",
    "tests/mesh/test_fleets.py",
    "tests/faults/test_damage.py",
    "tests/mesh/test_links.py",
    "tests/mesh/test_candidates.py",
    "tests/services/test_demo_run.py",
    "tests/faults/test_delay.py",
    "tests/faults/test_kill.py",
    "tests/faults/test_read_only.py",
    "tests/mesh/test_discovery.py",
    "tests/mesh/test_trust.py",
    "tests/services/test_replacement.py",
    "tests/attacks/test_siege.py",
    "tests/attacks/test_memory.py",
    "tests/attacks/test_admission.py",
    "tests/net/test_firewall.py",
    "tests/attacks/test_inflated.py",
    "tests/attacks/test_lists.py",
    "tests/attacks/test_expensive_requests.py",
    "tests/attacks/test_curious_user.py",
    "tests/services/test_any_configuration.py",
    "tests/services/test_sync_daemon.py",
    "tests/gateway/test_couchbase.py",
    "tests/gateway/test_mqtt_broker.py",
    "tests/services/test_gateways.py",
    "tests/services/test_command_db_sync.py",
    "tests/net/test_proxy.py",
)
"""Files whose tests take seconds each. The files with the longest tests come first."""


def order(items: list[pytest.Item]) -> None:
    """Sort the tests in place: files that share a peer, then long tests, then all others in the old order."""
    rank = {file: place for place, file in enumerate((*TOGETHER, *APART))}
    items.sort(key=lambda item: rank.get(_file(item.nodeid), len(rank)))


def _file(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]


class Scheduling(LoadScopeScheduling):
    """Scheduler that assigns the tests of `APART` one by one, and other tests by program or by file."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self.config.option.loadscopereorder = False

    def remove_node(self, node: WorkerController) -> str | None:
        """Take back the tests that a dead worker has not run, and return the test that crashed it, if any.

        The test that crashed the worker has failed, and is not run again. Units without remaining tests are
        dropped. Otherwise a worker that was assigned an empty unit would wait, because only the end of a test
        makes the scheduler assign more.
        """
        crashed = None
        for scope, unit in self.assigned_work.pop(node).items():
            left = {nodeid: done for nodeid, done in unit.items() if not done}
            if crashed is None and left:
                crashed = next(iter(left))
                del left[crashed]
            if left:
                self.workqueue[scope] = left
        if crashed is not None:
            for other in self.nodes:
                self._reschedule(other)
        return crashed

    def _reschedule(self, node: WorkerController) -> None:
        """Assign more tests to a worker once the worker has reported its collection.

        A replacement worker reports its collection late. A worker runs a test only when it has been told the
        next test, or that there is no next test.
        """
        if node not in self.registered_collections:
            return
        super()._reschedule(node)
        while self.workqueue and not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            self._assign_work_unit(node)
        if not self.workqueue:
            node.shutdown()

    def _split_scope(self, nodeid: str) -> str:
        file = _file(nodeid)
        return nodeid if file in APART else TOGETHER.get(file, file)
