"""Measures the rates of writing and reading documents, and the cost of a change as the store grows."""

import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sync import documents
from sync.store import Database

BATCH = 200


def body(number: int) -> dict[str, object]:
    """Return the body of a reading, which has about 300 bytes as JSON."""
    chance = random.Random(number)
    return {
        "type": "reading",
        "vessel": "bench",
        "channels": ["readings", "vessel.bench"],
        "first": number,
        "last": number,
        "samples": [[n * 1000, round(chance.random(), 4)] for n in range(12)],
    }


def timed(work: Callable[[], int]) -> float:
    """Call `work`, which returns its number of operations, and return the operations per second."""
    began = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - began)


def main(sizes: tuple[int, ...] = (1_000, 10_000, 100_000)) -> None:
    """Fill a store in steps, and print the rates and the cost of a single change at each size."""
    print(f"document store, documents of {len(json.dumps(body(1)))} bytes, {BATCH} a transaction")
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "log.db"
        with Database.open(path, policy=documents.POLICY) as database:
            stored, first_cost = 0, 0.0
            for size in sizes:

                def fill(begin: int = stored, end: int = size) -> int:
                    for start in range(begin, end, BATCH):
                        with database.transaction():
                            for number in range(start, min(start + BATCH, end)):
                                database.put(
                                    documents.reading_id("bench", "s", "abcdef", number + 1), body(number)
                                )
                    return end - begin

                written = timed(fill)
                stored = size
                chance = random.Random(size)

                def change(chance: random.Random = chance, size: int = size) -> int:
                    with database.transaction():
                        for _ in range(BATCH):
                            number = chance.randrange(size)
                            found = database.get(documents.reading_id("bench", "s", "abcdef", number + 1))
                            assert found is not None
                            database.put(found.id, {**found.body, "again": chance.random()}, parent=found.rev)
                    return BATCH

                cost = 1e6 / timed(lambda: sum(change() for _ in range(10)))
                first_cost = first_cost or cost

                def feed(database: Database = database) -> int:
                    since = count = 0
                    while found := database.changes(since, limit=1_000):
                        since, count = found[-1].sequence, count + len(found)
                    return count

                print(
                    f"  {size:7} stored: {written:7.0f} written/s  {timed(feed):8.0f} read from the feed/s  "
                    f"{cost:5.0f} us a change ({cost / first_cost:.2f} times the first)  "
                    f"{database.usage().used / size:5.0f} bytes each"
                )


if __name__ == "__main__":
    main()
