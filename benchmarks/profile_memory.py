"""Peak memory of profiling small and large files, compared with pandas on the small one.

python -m benchmarks.profile_memory [--large-mb 1000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

CHILD_SCRIPT = """
import resource, sys, time
from pathlib import Path
started = time.perf_counter()
{work}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(rows, peak, time.perf_counter() - started)
"""
OUR_SCRIPT = (
    "from advisor.dataset.reader import profile_file; "
    "rows = profile_file(Path(sys.argv[1])).examples"
)
PEER_SCRIPT = "import pandas; rows = len(pandas.read_json(sys.argv[1], lines=True))"
ROW_WORDS = 180


def make_row(i: int) -> dict[str, str]:
    """Return a row of about a kilobyte; all rows differ, so none is a duplicate."""
    return {"prompt": f"{i} " + f"word{i % 97} " * ROW_WORDS, "completion": f"box {i % 12}"}


def write_jsonl(path: Path, size: int) -> None:
    """Write rows of JSONL up to a size."""
    with path.open("w") as file:
        i = 0
        while file.tell() < size:
            file.write("".join(json.dumps(make_row(i + k)) + "\n" for k in range(200)))
            i += 200


def write_array(path: Path, size: int) -> None:
    """Write one JSON array up to a size."""
    with path.open("w") as file:
        file.write("[" + json.dumps(make_row(0)))
        i = 1
        while file.tell() < size:
            file.write("".join("," + json.dumps(make_row(i + k)) for k in range(200)))
            i += 200
        file.write("]")


def write_parquet(path: Path, size: int) -> None:
    """Write uncompressed Parquet up to a size, in row groups of 2,000."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    schema = arrow.schema([("prompt", arrow.string()), ("completion", arrow.string())])
    with parquet.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        written = 0
        while written < size:
            rows = [make_row(written // 1000 + k) for k in range(2000)]
            table = arrow.Table.from_pylist(rows, schema)
            writer.write_table(table)
            written += table.nbytes


def measure_child(work: str, path: Path) -> tuple[int, int, float]:
    """Rows, peak bytes and seconds of a child process."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD_SCRIPT.format(work=work), str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    rows, peak, taken = done.stdout.split()
    return int(rows), int(peak), float(taken)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large-mb", type=int, default=1000)
    large = parser.parse_args().large_mb
    writers: dict[str, Callable[[Path, int], None]] = {
        "JSONL": write_jsonl,
        "JSON array": write_array,
        "Parquet": write_parquet,
    }
    sys.stdout.write(
        f"{'file':12} {'MB':>6} {'rows':>9} {'peak MiB':>9} {'MB/s':>6} "
        f"{'bytes/row':>12} {'to peer':>8}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        write_jsonl(path, 10_000_000)
        _, peer, _ = measure_child(PEER_SCRIPT, path)
        for name, write in writers.items():
            base = None
            for megabytes in (10, large):
                write(path, megabytes * 1_000_000)
                rows, peak, taken = measure_child(OUR_SCRIPT, path)
                base = base or (rows, peak)
                grown = (peak - base[1]) / max(rows - base[0], 1)
                growth = f"{grown:12.1f}" if rows > base[0] else " " * 12
                sys.stdout.write(
                    f"{name:12} {megabytes:6} {rows:9,} {peak / 2**20:9.0f} "
                    f"{path.stat().st_size / 1e6 / taken:6.0f} {growth} "
                    f"{peak / peer:8.2f}\n"
                )
                sys.stdout.flush()
    sys.stdout.write(f"peer: pandas.read_json of the 10 MB JSONL, {peer / 2**20:.0f} MiB\n")


if __name__ == "__main__":
    main()
