"""A replicator reports its activity in order: connecting, busy, idle, offline, stopped."""

import asyncio
from pathlib import Path

from sync.net.endpoints import URLEndpoint
from sync.net.listener import URLEndpointListener, URLEndpointListenerConfiguration
from sync.net.replicator import Replicator, ReplicatorConfiguration, Status
from sync.peer.active import Activity
from sync.store import Database
from tests.ports import free_port

PATIENCE_S = 60.0


def test_continuous_replicator_reports_idle_offline_and_idle_again(tmp_path: Path) -> None:
    async def main() -> None:
        with Database.open(tmp_path / "a.db") as ours, Database.open(tmp_path / "b.db") as theirs:
            told: asyncio.Queue[Activity] = asyncio.Queue()

            def say(status: Status) -> None:
                told.put_nowait(status.activity)

            async def until(activity: Activity) -> None:
                async with asyncio.timeout(PATIENCE_S):
                    while await told.get() is not activity:
                        pass

            port = free_port()
            listener = URLEndpointListener(
                URLEndpointListenerConfiguration(
                    {"log": theirs}, port=port, network_interface="127.0.0.1", disable_tls=True
                )
            )
            await listener.start()
            replicator = Replicator(
                ReplicatorConfiguration(ours, URLEndpoint(listener.urls[0]), continuous=True), on_status=say
            )
            replicator.start()
            await until(Activity.IDLE)
            assert replicator.status.activity is Activity.IDLE
            ours.put("a", {})
            await until(Activity.BUSY)
            await until(Activity.IDLE)
            assert theirs.get("a") is not None
            await listener.stop()
            await until(Activity.OFFLINE)
            assert replicator.status.problem is not None
            again = URLEndpointListener(
                URLEndpointListenerConfiguration(
                    {"log": theirs}, port=port, network_interface="127.0.0.1", disable_tls=True
                )
            )
            await again.start()
            ours.put("b", {})
            replicator.reachability_changed()
            await until(Activity.IDLE)
            assert theirs.get("b") is not None
            status = await replicator.stop()
            assert status == Status(Activity.STOPPED, status.progress, None)
            await again.stop()

    asyncio.run(main())
