"""Helpers for tests of `logboat top`: they fill an appliance with data, press keys and read the screen."""

import contextlib
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from services.console.environment import Environment
from services.screens.top.app import Top
from services.screens.top.facts import TopFactsCollector
from services.screens.top.widgets import Lines, ScreenPartView
from tests.services import documents as build
from tests.services.appliance import Appliance

SYNCED = build.boot(1, build.network(0, build.UTC))
PATIENCE_S = 30.0


def arguments(logboat: Appliance, **changes: Any) -> Namespace:
    """Return parsed arguments for the command `top`."""
    places = {
        "config": logboat.root / "logboat.toml",
        "sensors": logboat.root / "sensors.toml",
        "data": logboat.data,
        "run": logboat.run_folder,
        "identity": logboat.root / "identity",
        "json": False,
        "by": None,
    }
    return Namespace(**(places | changes))


def world(logboat: Appliance) -> Environment:
    """Return a command's environment, with the clock, the running processes and the user of the appliance."""
    return Environment(
        clock=logboat.clock, alive=lambda pid: pid in logboat.living, user=lambda: logboat.user
    )


def looker(logboat: Appliance, **changes: Any) -> TopFactsCollector:
    """Return a reader of the appliance's state that does not use systemd."""
    return TopFactsCollector(arguments(logboat, **changes), world(logboat), ask_units=lambda: "")


def busy(logboat: Appliance) -> None:
    """Fill the appliance with sensors, alarms, vessels and gateways.

    Some sensors are good, some are faulty, and some have alarms. One alarm is over. One vessel is linked,
    and one is refused. There are two gateways.
    """
    sensors = {f"tank-{place:02d}": _tank(place / 20) for place in range(20)}
    sensors["main-rpm"] = build.live_sensor(64.0, alarm="alarm")
    sensors["fuel"] = build.live_sensor(
        None,
        name="Fuel",
        path="tanks.fuel.main.currentLevel",
        unit="ratio",
        state="open",
        detail="2.97 V is above 2.9 V",
    )
    logboat.put(
        build.vessel(),
        SYNCED,
        build.reading(*range(300), sensor="main-rpm", start=99_690.0),
        build.alarm(sensor="main-rpm", raised=99_820.0),
        build.alarm(
            18,
            severity="warn",
            text="Fuel is low",
            condition="below 0.15",
            value=0.1,
            unit="ratio",
            sensor="fuel",
            raised=96_400.0,
            cleared=97_000.0,
        ),
    )
    logboat.live(sensors=sensors)
    logboat.mesh(
        peers=[
            build.peer("brigid"),
            build.peer("carrick", "refused", problem="its certificate expired on 2025-01-01"),
        ],
        routes={"brigid": build.route("brigid")},
        gateways=[
            gateway("office", lastAcknowledged=build.UTC + 99_997.2),
            gateway("club", "mqtt", state="waiting", backlogDocuments=12, backlogBytes=34_000),
        ],
    )


def _tank(level: float) -> dict[str, Any]:
    return build.live_sensor(level, name="Tank", path="tanks.freshWater.1.currentLevel", unit="ratio")


def gateway(name: str, kind: str = "couchbase", **changes: Any) -> dict[str, Any]:
    """Return the state of a gateway."""
    return {"name": name, "kind": kind, "url": "wss://example.org/log", "state": "connected"} | changes


@contextlib.asynccontextmanager
async def screen(
    logboat: Appliance,
    size: tuple[int, int] = (80, 24),
    looks: TopFactsCollector | None = None,
    *,
    unicode: bool = True,
) -> AsyncIterator[Pilot[None]]:
    """Run `logboat top` on a terminal of this size; the screen updates only on request."""
    looks = looks or looker(logboat)
    first = looks.collect(patience=PATIENCE_S)
    app = Top(looks, first, every=3600.0, who=lambda: logboat.user, unicode=unicode)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield pilot


async def look_again(pilot: Pilot[None]) -> None:
    """Refresh the screen, and read every file again."""
    app = top(pilot)
    app._looker.read_again(PATIENCE_S)
    app.look_again()
    await settled(pilot)


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press these keys, one after another."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


async def settled(pilot: Pilot[None]) -> None:
    """Wait until the screen is completely drawn and all parts have their final heights."""
    before = None
    for _ in range(200):
        await pilot.pause()
        views = pilot.app.screen_stack[0].query(Lines)
        now = shown(pilot)
        if now == before and all(view._drawn == view.visible_lines() and _has_height(view) for view in views):
            return
        before = now
    raise AssertionError("the screen does not come to rest")


def _has_height(view: Lines) -> bool:
    """Return True if a part has the height that it requested, or less on a small screen."""
    wanted = view.styles.height
    return wanted is None or view.size.height == wanted.value or view.app.size.height < 24


def top(pilot: Pilot[None]) -> Top:
    assert isinstance(pilot.app, Top)
    return pilot.app


def part(pilot: Pilot[None], name: str) -> ScreenPartView:
    return pilot.app.screen_stack[0].query_one(f"#{name}", ScreenPartView)


def shown(pilot: Pilot[None]) -> str:
    """Return the text of the screen, line by line."""
    return "\n".join(strip.text.rstrip() for strip in pilot.app.screen._compositor.render_strips())


def spoilt(path: Path) -> None:
    """Overwrite the middle of a store with zeros."""
    content = bytearray(path.read_bytes())
    content[8_192 : len(content) - 4_096] = bytes(len(content) - 12_288)
    path.write_bytes(content)
