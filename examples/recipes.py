"""Share recipes with Couchbase Lite apps: python examples/recipes.py recipes.db 127.0.0.1 4984."""

import asyncio
import sys
from pathlib import Path

from sync import api


def is_cook(user: str, password: str) -> bool:
    """Return True if the app may replicate the recipes."""
    return (user, password) == ("cook", "s3cret")


async def main(path: str, address: str, port: str) -> None:
    """Serve the recipes until Ctrl-C."""
    with api.Database.open(Path(path)) as recipes:
        recipes.put_if_absent("pancakes", {"needs": ["eggs", "flour", "milk"]})
        configuration = api.URLEndpointListenerConfiguration(
            {"recipes": recipes},
            port=int(port),
            network_interface=address,
            authenticator=api.ListenerPasswordAuthenticator(is_cook),
        )
        await (listener := api.URLEndpointListener(configuration)).start()
        print(listener.urls[0], flush=True)
        await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
