"""Run the `logboat` command by `python -m services`, where no console script is installed."""

from .command import main

raise SystemExit(main())
