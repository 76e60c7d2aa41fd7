"""Run the `logboat` command with `python -m services`, for systems without the console script."""

from .cli.main import main

raise SystemExit(main())
