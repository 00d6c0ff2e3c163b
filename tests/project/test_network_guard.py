"""Nothing leaves this machine: this process, every child and the served page are refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sitecustomize
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.sync.client import connect

from tests.support.paths import ROOT

AWAY = "192.0.2.1"
REACH = f"import socket; socket.create_connection(('{AWAY}', 80), timeout=1)"
REFUSED = f"NetworkRefused: refused: {AWAY} is not this machine"


def _datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"x", (AWAY, 53))


def _connect_ex() -> None:
    with socket.socket() as out:
        out.connect_ex((AWAY, 80))


WAYS_OUT: dict[str, Callable[[], object]] = {
    "connect": lambda: socket.create_connection((AWAY, 80), timeout=1),
    "connect_ex": _connect_ex,
    "sendto": _datagram,
    "getaddrinfo": lambda: socket.getaddrinfo("example.org", 80),
    "gethostbyname": lambda: socket.gethostbyname("example.org"),
    "gethostbyname_ex": lambda: socket.gethostbyname_ex("example.org"),
}


@pytest.mark.parametrize("way", sorted(WAYS_OUT))
def test_this_process_is_refused_any_address_but_its_own(way: str) -> None:
    with pytest.raises(sitecustomize.NetworkRefused, match="is not this machine"):
        WAYS_OUT[way]()


def test_this_machine_may_be_reached() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with socket.create_connection(("localhost", listening.getsockname()[1])) as out:
            assert out.getpeername() == listening.getsockname()


CHILDREN = {
    "python": REACH,
    "grandchild": f"import subprocess, sys; subprocess.run([sys.executable, '-c', {REACH!r}], check=True)",
    "command line": f"import atexit, sys; atexit.register(lambda: exec({REACH!r})); "
    "sys.argv = ['advisor', 'prices', 'age']; from advisor.cli import main; main()",
    "server": f"import trainer.server.app; {REACH}",
}


@pytest.mark.parametrize("name", sorted(CHILDREN))
def test_every_child_is_refused_too(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", CHILDREN[name]], capture_output=True, text=True)

    assert REFUSED in done.stderr


def test_the_served_page_is_refused_too(tmp_path: Path) -> None:
    """A page that reaches out, served and opened for real, is told no."""
    told, script = tmp_path / "told", tmp_path / "page.py"
    script.write_text(f"from pathlib import Path\ntry:\n    {REACH}\nexcept OSError as error:\n"
                      f"    Path({str(told)!r}).write_text(f'{{type(error).__name__}}: {{error}}')\n")  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.address",
               "127.0.0.1", "--server.port", str(port), "--server.headless", "true",
               "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"]  # fmt: skip

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        try:
            _open(port, until=told)
        finally:
            child.terminate()

    assert told.read_text() == REFUSED


def _open(port: int, until: Path) -> None:
    """Open the page as a browser does, and wait for its script to leave a file."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with connect(f"ws://127.0.0.1:{port}/_stcore/stream", proxy=None) as page:
                asked = BackMsg()
                asked.rerun_script.query_string = ""
                page.send(asked.SerializeToString())
                while time.monotonic() < end and not (until.exists() and until.read_text()):
                    time.sleep(0.1)
                return
        except OSError:
            time.sleep(0.2)


def test_no_child_sees_a_key_or_a_way_out() -> None:
    code = "import os; print([n for n in os.environ if n.endswith('_API_KEY')], os.environ['https_proxy'], os.environ['HF_HUB_OFFLINE'])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[] http://127.0.0.1:9 1\n"


SKIPPED = "import pytest\n\n@pytest.mark.{mark}\ndef test_it(): pytest.skip('not here')\n"


@pytest.mark.parametrize(
    ("text", "require_all", "code", "says"),
    [
        (SKIPPED.format(mark="browser"), "0", 0, "1 skipped"),
        (SKIPPED.format(mark="browser"), "1", 1, "1 skipped although REQUIRE_ALL=1"),
        (SKIPPED.format(mark="gpu"), "1", 0, "1 skipped"),
        ("X = 1\n", "1", 5, "no tests ran"),
    ],
    ids=["a skip may pass", "unless all is required", "but for a gpu", "nothing is no pass"],
)
def test_a_skip_fails_where_all_is_required(
    tmp_path: Path, text: str, require_all: str, code: int, says: str
) -> None:
    (tmp_path / "test_it.py").write_text(text)
    paths = os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-W", "ignore", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": paths, "REQUIRE_ALL": require_all},
    )  # fmt: skip

    assert done.returncode == code
    assert says in done.stdout + done.stderr
