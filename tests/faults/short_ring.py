"""Runs the `logboat` command with a journal that keeps no batch after it has been documented."""

import sys
from unittest.mock import patch

from services.cli.main import main

if __name__ == "__main__":
    with patch("services.recorder.disk_budget.RING_BYTES", 0):
        sys.exit(main())
