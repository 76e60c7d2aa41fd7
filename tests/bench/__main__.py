"""Runs all benchmarks one after another, for `make bench`.

`make bench ARGS=quick` runs shorter benchmarks. `ARGS=status` runs a single benchmark. `ARGS="status 100000"`
runs it with a different number of documents. For other benchmarks, the number is one of bytes, seconds,
alarms or starts.
"""

import sys

from tests.mesh import traffic

from . import delay, gateway, lights, outputs, recorder, recordings, replication, rules, status, store


def main(arguments: list[str]) -> int:
    """Run the benchmarks. Return 1 if a time limit was exceeded, or 2 if the arguments are invalid."""
    if arguments and arguments != ["quick"]:
        return one(arguments[0], arguments[1:])
    quick = bool(arguments)
    seconds = 10.0 if quick else 60.0
    recorder.main(seconds)
    lights.main(seconds / 2)
    outputs.main(20 if quick else outputs.EDGES)
    rules.main(3 if quick else rules.STARTS)
    store.main()
    status.main(50_000 if quick else 1_000_000)
    slow = recordings.main(6_000_000 if quick else recordings.BYTES)
    replication.main(quick=quick)
    gateway.main(quick=quick)
    traffic.main(12 if quick else traffic.VESSELS, each=5)
    return delay.main(seconds) or slow


def one(name: str, figures: list[str]) -> int:
    """Run the benchmark `name`, and return the exit status.

    `figures` may contain a number of seconds, documents or bytes.
    """
    figure = float(figures[0]) if figures else None
    match name:
        case "status":
            status.main(1_000_000 if figure is None else int(figure))
        case "lights":
            lights.main(figure or 30.0)
        case "outputs":
            outputs.main(outputs.EDGES if figure is None else int(figure))
        case "recorder":
            recorder.main(figure or 60.0)
        case "delay":
            return delay.main(figure or 60.0)
        case "recordings":
            return recordings.main(recordings.BYTES if figure is None else int(figure))
        case "rules":
            rules.main(rules.STARTS if figure is None else int(figure))
        case "store":
            store.main()
        case "replication":
            replication.main(quick=False)
        case "gateway":
            gateway.main(quick=False)
        case "traffic":
            traffic.main(traffic.VESSELS, each=5)
        case _:
            print(f"there is no measure {name!r}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
