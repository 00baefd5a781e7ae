"""How fast a JSON array is read item by item, against `json.loads` of the whole file.

    python -m tests.benchmarks.json_array [ITEMS] [ROUNDS]

Both are measured in turn in one run; quote the median of the ratios. The second line is about a file of ten times as
many items: the ratio must not grow with the file.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from qdrant_admin.sources.files.text import array_items


def ratio(path: Path) -> float:
    """Processor time of reading the items over that of `json.loads`."""
    start = time.process_time()
    count = len(json.loads(path.read_bytes()))
    middle = time.process_time()
    assert sum(1 for _ in array_items(path)) == count
    return (time.process_time() - middle) / (middle - start)


def main(items: int = 20_000, rounds: int = 5) -> None:
    """Print the two medians."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "array.json"
        for count in (items, 10 * items):
            path.write_text(json.dumps([{"id": number, "text": f"x{number}"} for number in range(count)]))
            ratios = [ratio(path) for _ in range(rounds)]
            size = path.stat().st_size / (1 << 20)
            print(f"{count} items, {size:.1f} MiB: {statistics.median(ratios):.1f} times json.loads")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
