"""Assignment of tests to pytest workers, which reduces the duration of a run.

A run on several workers ends when its last test ends. Tests that take seconds mostly wait for other
processes, so they are assigned first and one by one. Tests that share a peer program are assigned together.
The many quick tests follow, one file at a time, so that a file's fixtures are created only once. A run
without workers keeps the order of the files.
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
"""Program that the tests of a file share, by file. Each program takes a second or more to start."""

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
"""Files whose tests take seconds each, beginning with the longest tests."""


def order(items: list[pytest.Item]) -> None:
    """Sort tests in place. Files that share a program come first, then long tests, then all others."""
    rank = {file: place for place, file in enumerate((*TOGETHER, *APART))}
    items.sort(key=lambda item: rank.get(_file(item.nodeid), len(rank)))


def _file(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]


class Scheduling(LoadScopeScheduling):
    """Scheduler that assigns the tests of `APART` one by one, and other tests by shared program or file."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self.config.option.loadscopereorder = False

    def remove_node(self, node: WorkerController) -> str | None:
        """Reclaim the tests that a crashed worker has not run, and return the test that crashed it, if any.

        The test that crashed the worker has failed, and is not run again. Work units without remaining tests
        are dropped. Otherwise, a worker that was assigned an empty unit would wait indefinitely, because the
        scheduler assigns more work only when a test ends.
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
        """Assign more tests to a worker that has reported its collection.

        A replacement worker reports its collection late. A worker runs a test only when it knows which test
        follows, or that no test follows.
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
