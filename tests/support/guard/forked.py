"""Runs the training scripts in tests as forks of one process that has torch loaded.

Importing torch, transformers, peft and trl takes 6 s of CPU, and the tests start about fifty
scripts. The process that was started stays: it sends its arguments, environment and open files to
the server, passes signals and the exit code on, and its fork is killed when it ends. The server
starts with the first script, and ends with the folder of its socket. Where there is a GPU, nothing
is forked. `test_exporting` starts scripts for real, and so does what asks for `started_for_real`.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

NAME = "ton-forks"
"""A folder of this name on PYTHONPATH, which reaches every script, holds the socket."""
FORKED = frozenset({"train.py", "generate.py", "chat.py", "embed.py", "merge.py"})
SCRIPTS = Path(__file__).parents[3] / "trainer" / "scripts"
HIGH = 500
F_SETSIG = 10
CODE = struct.Struct("i")


def hand_over() -> None:
    """Where this process is to run a training script, have a fork do so and end as it ends."""
    args = sys.orig_argv[1:]
    folder = next((Path(one) for one in sys.path if Path(one).name == NAME), None)
    script = Path(args[0]) if args else Path()
    if script.parent != SCRIPTS or script.name not in FORKED:
        return
    if folder is None or not folder.is_dir():
        return
    if Path("/proc/driver/nvidia/gpus").exists():
        return
    code = _pass_on(_connected(folder), args)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _connected(folder: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = None
        while True:
            if made.connect_ex(str(folder / "socket")) == 0:
                return made
            if server is None:
                server = subprocess.Popen(
                    [sys.executable, __file__, str(folder)], start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=(folder / "log").open("ab"),
                    stderr=subprocess.STDOUT)  # fmt: skip
            if server.poll() is not None:
                raise RuntimeError((folder / "log").read_text())
            time.sleep(0.02)


def _pass_on(server: socket.socket, args: list[str]) -> int:
    open_files = [int(name) for name in os.listdir("/proc/self/fd")]
    handed = [fd for fd in sorted(open_files) if _is_inherited(fd)]
    body = {"args": args, "env": dict(os.environ), "cwd": os.getcwd(), "files": handed}
    data = json.dumps(body).encode()
    socket.send_fds(server, [struct.pack("i", len(data))], handed)
    server.sendall(data)
    pid = _number(server)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: os.kill(pid, number))
    return _number(server)


def _is_inherited(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:  # the one that listed them
        return False


def _number(place: socket.socket) -> int:
    data = place.recv(CODE.size, socket.MSG_WAITALL)
    return int(CODE.unpack(data)[0]) if len(data) == CODE.size else 1


def serve(folder: Path) -> None:
    """Load what the scripts import, and fork for each that starts."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1",
                      TOKENIZERS_PARALLELISM="false")  # fmt: skip
    import datasets  # noqa: F401
    import peft  # noqa: F401
    from transformers import BertForSequenceClassification, LlamaForCausalLM  # noqa: F401
    from trl import DPOTrainer, GRPOTrainer, SFTTrainer  # noqa: F401

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "part"))
    listening.listen(100)
    (folder / "part").rename(folder / "socket")
    listening.settimeout(1.0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies of those who watch
    while folder.is_dir() and Path("/proc", (folder / "owner").read_text()).exists():
        try:
            client, _ = listening.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listening.close()
            client.setblocking(True)
            _watch(client)
        client.close()


def _watch(client: socket.socket) -> None:
    """Fork once more and tell how that ends; both are killed when the other side is gone."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    fcntl.fcntl(client, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(client, F_SETSIG, signal.SIGKILL)
    size, files, _, _ = socket.recv_fds(client, 4, 50)
    data = client.recv(struct.unpack("i", size)[0], socket.MSG_WAITALL)
    fcntl.fcntl(client, fcntl.F_SETFL, fcntl.fcntl(client, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([client], [], [], 0)[0]:  # it was gone before the signal was set
        os._exit(0)
    pid = os.fork()
    if pid == 0:
        client.detach()
        code = 70
        try:
            code = _run(json.loads(data), files)
        except BaseException:  # noqa: BLE001 - a fork must not go on with the server
            traceback.print_exc()
        finally:
            os._exit(code)
    for fd in files:
        os.close(fd)
    client.sendall(CODE.pack(pid))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    fcntl.fcntl(client, fcntl.F_SETFL, fcntl.fcntl(client, fcntl.F_GETFL) & ~os.O_ASYNC)
    client.sendall(CODE.pack(code))
    os._exit(0)


def _run(body: dict[str, Any], files: list[int]) -> int:
    """Become the script, with the arguments, environment and files of the one that started."""
    import atexit
    import random
    import runpy
    import threading

    import numpy as np

    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, HIGH) for fd in files]
    for fd in files:
        os.close(fd)
    for fd, wanted in zip(high, body["files"], strict=True):
        os.dup2(fd, wanted)
        os.close(fd)
    os.chdir(body["cwd"])
    os.environ.clear()
    os.environ.update(body["env"])
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        at_once = number == 2 or "PYTHONUNBUFFERED" in os.environ
        raw = os.fdopen(number, "rb" if number == 0 else "wb", 0 if number and at_once else -1,
                        closefd=False)  # fmt: skip
        made = io.TextIOWrapper(raw, "utf-8", "backslashreplace" if number == 2 else "strict",
                                write_through=bool(number) and at_once)  # fmt: skip
        setattr(sys, name, made)
    random.seed()
    np.random.seed()
    sys.argv = body["args"]
    sys.path[0] = str(SCRIPTS)
    code: Any = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        code = ended.code
        if isinstance(code, str):
            sys.stderr.write(code + "\n")
            code = 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    return int(code or 0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
