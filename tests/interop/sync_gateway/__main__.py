"""Runs a Sync Gateway for manual trials, with `python -m tests.interop.sync_gateway`.

The program ends when the user presses Enter or when its input ends.
"""

import sys
import tempfile
from pathlib import Path

from tests.interop.sync_gateway.gateway import running


def main() -> None:
    """Run a gateway with a database `log` and a user `argo` who may read every channel."""
    with tempfile.TemporaryDirectory(prefix="sync-gateway-") as home, running(Path(home)) as gateway:
        log = gateway.database("log")
        log.add_user("argo", "secret")
        print(f"replicate with {log.url} as user argo, password secret")
        print(f"administer at  http://127.0.0.1:{gateway.admin_port}/log/")
        print(f"its log        {gateway.log}")
        print("Enter ends it.", flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
