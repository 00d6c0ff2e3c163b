"""Load test of the planning API: recommend and sweeps over loopback, compared with hello-world.

    python -m benchmarks.api [--seconds 5]

Needs `wrk` (Debian: apt-get install wrk). Client and server share this machine's cores.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.servers import free_port, run_server

EXAMPLE = "email-triage"
CHECKED_POINTS = 50
HELLO_APP = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def hello() -> dict[str, str]:
    return {"hello": "world"}
"""
FRESH_QUESTION_SCRIPT = """
local n = 0
request = function()
  n = n + 1
  local body = string.gsub(wrk.body, '"requests_per_month": [%d.]+',
                           '"requests_per_month": ' .. (100000 + n * 37 + math.random(30)))
  return wrk.format(nil, nil, nil, body)
end
"""
POST_SCRIPT = (
    'wrk.method = "POST"\nwrk.body = [==[{body}]==]\n'
    'wrk.headers["Content-Type"] = "application/json"\n'
)
AXES: dict[str, list[Any]] = {
    "traffic.requests_per_month": [1_000 * 3**n for n in range(10)],
    "traffic.prefix_tokens": [100, 200, 400, 800, 1_200, 1_600, 2_400, 3_200, 4_800, 6_400],
    "traffic.completion_tokens": [5, 10, 20, 40, 80],
    "quality.target": [0.80, 0.84, 0.88, 0.92, 0.96],
    "quality.prompt_effort": ["none", "naive", "systematic", "unknown"],
}  # 10 x 10 x 5 x 5 x 4 = 10,000


class LoadResult(NamedTuple):
    """Result of one wrk run."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def wrk(url: str, script: str | None, seconds: int, connections: int) -> LoadResult:
    """Send load to a URL with wrk, from one thread."""
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        if script:
            lua.write(script)
            lua.flush()
            command += ["-s", lua.name]
        output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return LoadResult(
        float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),  # type: ignore[index]
        _ms(output, "50%"),
        _ms(output, "99%"),
        int(errors[1]) if errors else 0,
    )


def _ms(output: str, percentile: str) -> float:
    value, unit = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)", output).groups()  # type: ignore[union-attr]
    return float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


@contextmanager
def hello_server() -> Iterator[str]:
    """Serve a minimal FastAPI app."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "hello.py").write_text(HELLO_APP)
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "uvicorn",
                "hello:app",
                "--port",
                str(port),
                "--log-level",
                "error",
                "--no-access-log",
            ],
            cwd=folder,
        )
        try:
            for _ in range(100):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


def post_json(url: str, body: Any) -> Any:
    """Post JSON and return the response body."""
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.load(response)


def example_scenario() -> dict[str, Any]:
    """Return the request body for a bundled example."""
    from advisor.loading import examples_folder, read_mapping

    text = json.dumps(read_mapping(examples_folder() / f"{EXAMPLE}.yaml"), default=str)
    asked: dict[str, Any] = json.loads(text)
    asked.pop("dataset", None)
    return asked


def upload_and_profile(url: str) -> dict[str, Any]:
    """Profile a dataset once and return the profile, to be sent with each question."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"ticket {n}: my parcel {n % 7} is late"},
                {"role": "assistant", "content": f"label{n % 5}"},
            ]
        }
        for n in range(500)
    ]
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    request = urllib.request.Request(
        f"{url}/api/v1/profile", body, {"Content-Type": "application/octet-stream"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        profile: dict[str, Any] = json.load(response)
    return profile


def time_sweeps(
    url: str, question: dict[str, Any], times: int
) -> tuple[list[float], dict[str, Any]]:
    """Time sweeps of 10,000 variants, each with a new question, so that no cache helps."""
    seconds, last = [], {}
    for n in range(times):
        asked = json.loads(json.dumps(question))
        asked["traffic"]["user_tokens"] = 300 + n
        began = time.perf_counter()
        last = post_json(f"{url}/api/v1/sweep", {"question": asked, "axes": AXES})
        seconds.append(time.perf_counter() - began)
        last["question"] = asked
    return sorted(seconds), last


def count_differences(url: str, swept: dict[str, Any]) -> int:
    """Request points of a sweep one by one; count those with a different result."""
    from advisor.decision.sweep import variant_grid

    variants, wrong = variant_grid(AXES), 0
    for index in random.Random(1).sample(range(len(variants)), CHECKED_POINTS):
        asked = json.loads(json.dumps(swept["question"]))
        for path, value in variants[index].items():
            section, _, name = path.partition(".")
            asked.setdefault(section, {})[name] = value
        one = post_json(f"{url}/api/v1/recommend", asked)
        costs = {option["id"]: option for option in one["options"]}
        columns = swept["columns"]
        same = columns["recommended"][index] == one["decision"]["recommended"]
        if same and one["decision"]["recommended"] in costs:
            option = costs[one["decision"]["recommended"]]
            same = (
                columns["one_off"][index] == option["one_off"]["likely"]
                and columns["monthly"][index] == option["monthly"]["likely"]
            )
        wrong += not same
    return wrong


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    seconds = parser.parse_args().seconds
    if shutil.which("wrk") is None:
        raise SystemExit("benchmarks.api: wrk is not installed. Run apt-get install wrk.")
    question = example_scenario()
    with hello_server() as url:
        ceiling = wrk(url, None, seconds, 8)
    with (
        tempfile.TemporaryDirectory() as folder,
        run_server(Path(folder), program="advisor") as served,
    ):
        at = f"{served.url}/api/v1/recommend"
        with_profile = {"question": question, "profile": upload_and_profile(served.url)}
        same, bodies = POST_SCRIPT.format(body=json.dumps(question)), json.dumps(with_profile)
        rows = [
            ("hello-world (uvicorn, FastAPI)", 8, ceiling),
            ("recommend, same question", 8, wrk(at, same, seconds, 8)),
            ("recommend, same question, one client", 1, wrk(at, same, seconds, 1)),
            (
                "recommend, new question each time",
                1,
                wrk(at, same + FRESH_QUESTION_SCRIPT, seconds, 1),
            ),
            (
                "recommend, new each time, with profile",
                1,
                wrk(at, POST_SCRIPT.format(body=bodies) + FRESH_QUESTION_SCRIPT, seconds, 1),
            ),
            (
                "recommend, new each time, 8 clients",
                8,
                wrk(at, same + FRESH_QUESTION_SCRIPT, seconds, 8),
            ),
        ]
        took, swept = time_sweeps(served.url, question, 5)
        wrong = count_differences(served.url, swept)
    print(
        f"{'request':<38}{'clients':>8}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}"
        f"{'of hello':>10}"
    )
    for name, clients, load in rows:
        share = load.per_second / ceiling.per_second
        print(
            f"{name:<38}{clients:>8}{load.per_second:>9.1f}{load.p50_ms:>9.2f}"
            f"{load.p99_ms:>9.2f}{load.errors:>8}{share:>10.3f}"
        )
    print(
        f"\nsweep of 10,000 variants over {len(AXES)} axes, one of them categorical: "
        f"{took[len(took) // 2]:.2f} s (median of {len(took)}, max {took[-1]:.2f}); target 1.00"
    )
    print(f"{CHECKED_POINTS} points repeated with recommend: {wrong} differ")


if __name__ == "__main__":
    main()
