"""`python -m services`: the `logboat` command, where there is no console script."""

from .command import main

raise SystemExit(main())
