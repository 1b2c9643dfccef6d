"""A real InvokeAI server for tests and for trying things out, on the loopback interface.

As a script it runs in the foreground until Ctrl-C::

    python tests/real/invokeai_server.py --port 9090 --root demo/invokeai

The server lives in a virtual environment of its own, `.cache/invokeai-6.14.2/` below the
checkout, made on first use (about 2.7 GB). BOARDSYNC_TEST_INVOKEAI_VENV names an existing
one instead. Only the standard library is used, so that any Python can run it.
"""

from __future__ import annotations

import argparse
import atexit
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

VERSION = "6.14.2"
REQUIREMENTS = ("torch==2.13.0", f"invokeai=={VERSION}")
PYTHONS = ("python3.12", "python3.11")
VENV_VARIABLE = "BOARDSYNC_TEST_INVOKEAI_VENV"
CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 180.0
STOP_SECONDS = 30.0


def provisioned_python() -> Path:
    """Return the Python of an environment that holds InvokeAI, installing it when needed."""
    given = os.environ.get(VENV_VARIABLE)
    if given:
        python = Path(given) / "bin" / "python"
        if not python.exists():
            raise RuntimeError(f"{VENV_VARIABLE} names {given}, which holds no bin/python")
        return python
    return provision(CHECKOUT / ".cache" / f"invokeai-{VERSION}")


def provision(home: Path) -> Path:
    """Make the environment in `home` unless its stamp says that it is complete.

    Two callers wait for each other; an interrupted installation is begun anew.
    """
    home.mkdir(parents=True, exist_ok=True)
    venv, stamp = home / "venv", home / "complete"
    wanted = "\n".join(REQUIREMENTS) + "\n"
    with _locked(home / "lock"):
        if not (stamp.exists() and stamp.read_text() == wanted):
            stamp.unlink(missing_ok=True)
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([_base_python(), "-m", "venv", str(venv)], check=True)
            pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, *REQUIREMENTS], check=True)
            stamp.write_text(wanted)
    return venv / "bin" / "python"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _base_python() -> str:
    """Return a Python that InvokeAI supports: 3.11 or 3.12."""
    if sys.version_info[:2] in {(3, 11), (3, 12)}:
        return sys.executable
    for name in PYTHONS:
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError(f"InvokeAI {VERSION} needs Python 3.11 or 3.12: install one of them")


def free_port() -> int:
    """Return a loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class RealInvokeAI:
    """One InvokeAI process on one root folder and one port; it can be killed and restarted.

    multiuser: the server asks for a login; see `set_up_admin`.
    """

    def __init__(self, root: Path, port: int | None = None, *, multiuser: bool = False) -> None:
        self.root = root.resolve()
        self.port = port or free_port()
        self.log = self.root / "server.log"
        self._multiuser = multiuser
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address that goes into the settings."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The server's process id. Raises RuntimeError while it is not running."""
        if self._process is None:
            raise RuntimeError("the InvokeAI server is not running")
        return self._process.pid

    def start(self) -> Self:
        """Start the process and wait until it answers."""
        if self._process is not None:
            raise RuntimeError("the InvokeAI server is already running")
        if _answers(self.port):
            raise RuntimeError(f"port {self.port} is taken: InvokeAI would silently use the next")
        self._write_settings()
        command = [str(provisioned_python()), str(Path(__file__).with_name("invokeai_launch.py"))]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--root", str(self.root)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"HF_HUB_OFFLINE": "1"},
                start_new_session=True,
            )
        atexit.register(self.kill)
        self._wait_until_up()
        return self

    def stop(self) -> None:
        """End the process as a service manager would: it finishes what it has begun."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop, then start again on the same root and port."""
        self.stop()
        self.start()

    def wait(self) -> int:
        """Wait until the process ends by itself."""
        if self._process is None:
            raise RuntimeError("the InvokeAI server is not running")
        return self._process.wait()

    def request(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        """Call the API and return its JSON. `path` begins with `/`, after `/api/v1`."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}", data=data, headers=headers, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def set_up_admin(self, email: str, password: str) -> str:
        """Create the first account of a multiuser server and return a token for it."""
        account = {"email": email, "password": password}
        self.request("POST", "/auth/setup", account | {"display_name": "Admin"})
        return str(self.request("POST", "/auth/login", account)["token"])

    def enqueue(self, board_id: str | None = None, size: tuple[int, int] = (64, 48)) -> int:
        """Queue a graph that needs no model and return the id of its queue item.

        A blank picture is made and saved as an output, on a board or uncategorized.
        """
        save: dict[str, Any] = {"id": "save", "type": "save_image", "use_cache": False}
        if board_id is not None:
            save["board"] = {"board_id": board_id}
        blank = {"id": "blank", "type": "blank_image", "is_intermediate": True}
        edge = {
            "source": {"node_id": "blank", "field": "image"},
            "destination": {"node_id": "save", "field": "image"},
        }
        nodes = {"blank": blank | {"width": size[0], "height": size[1]}, "save": save}
        graph = {"id": "blank-and-save", "nodes": nodes, "edges": [edge]}
        batch = {"batch": {"graph": graph, "runs": 1}, "prepend": False}
        answer = self.request("POST", "/queue/default/enqueue_batch", batch)
        return int(answer["item_ids"][0])

    def generate(self, board_id: str | None = None, size: tuple[int, int] = (64, 48)) -> str:
        """Run that graph to its end and return the name of the output image."""
        item_id = self.enqueue(board_id, size)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            item = self.request("GET", f"/queue/default/i/{item_id}")
            if item["status"] == "completed":
                session = item["session"]
                prepared = session["source_prepared_mapping"]["save"][0]
                return str(session["results"][prepared]["image"]["image_name"])
            if item["status"] in {"failed", "canceled"}:
                raise RuntimeError(f"the queue item {item['status']}: {item['error_message']}")
            time.sleep(0.1)
        raise RuntimeError(f"queue item {item_id} did not finish within a minute")

    def _write_settings(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        settings = ["schema_version: 4.0.3", "host: 127.0.0.1", f"port: {self.port}"]
        if self._multiuser:
            settings.append("multiuser: true")
        (self.root / "invokeai.yaml").write_text("\n".join(settings) + "\n")

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"InvokeAI ended during its start; see {self.log}")
            try:
                self.request("GET", "/app/version")
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
            else:
                return
        self.kill()
        raise RuntimeError(f"InvokeAI did not answer in {START_SECONDS:.0f} s; see {self.log}")

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        atexit.unregister(self.kill)
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def main() -> None:
    """Run a server in the foreground until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Run a real InvokeAI without models.")
    parser.add_argument("--port", type=int, default=9090)
    parser.add_argument("--root", type=Path, help="its folder; by default a temporary one")
    parser.add_argument("--multiuser", action="store_true", help="ask for a login")
    options = parser.parse_args()
    root = options.root or Path(tempfile.mkdtemp(prefix="boardsync-invokeai-"))
    server = RealInvokeAI(root, options.port, multiuser=options.multiuser)
    try:
        server.start()
        print(f"InvokeAI {VERSION} answers at {server.url}, root {server.root}. Ctrl-C ends it.")
        server.wait()
    except KeyboardInterrupt:
        print("Stopping.")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
