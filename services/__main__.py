"""Run the `logboat` command by `python -m services`, where no console script is installed."""

from .cli.main import main

raise SystemExit(main())
