"""All measures, one after the other: `make bench`. `ARGS=quick` takes a sixth of the time."""

import sys

from tests.mesh import traffic

from . import delay, gateway, recorder, replication, store


def main() -> int:
    """Prints the tables; 1 if a promise about time was broken."""
    seconds = 10.0 if "quick" in sys.argv[1:] else 60.0
    recorder.main(seconds)
    store.main()
    replication.main(quick="quick" in sys.argv[1:])
    gateway.main(quick="quick" in sys.argv[1:])
    traffic.main(12 if "quick" in sys.argv[1:] else traffic.VESSELS, each=5)
    return delay.main(seconds)


if __name__ == "__main__":
    sys.exit(main())
