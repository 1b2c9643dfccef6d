"""Syncthing as a process of the benchmarks: a home of its own, and no word to anybody.

Everything that it does by itself over a network is switched off: what is left is what it does
for its folder. All else is as it comes.
"""

from __future__ import annotations

import json
import shutil
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from benchmarks.processes import BenchmarkFailed, run, running

PROGRAM = "syncthing"
HOW_TO_GET_IT = "there is no Syncthing here: `apt install syncthing`"
FOLDER = "bench"
MARKER = ".stfolder"
SCAN_SECONDS = 900.0
_ALONE = {
    "globalAnnounceEnabled": "false",
    "localAnnounceEnabled": "false",
    "relaysEnabled": "false",
    "natEnabled": "false",
    "startBrowser": "false",
    "crashReportingEnabled": "false",
    "urAccepted": "-1",
    "autoUpgradeIntervalH": "0",
}


def is_there() -> bool:
    """Tell whether Syncthing is installed."""
    return shutil.which(PROGRAM) is not None


def version() -> str:
    """Return what it calls itself, such as `v1.19.2-ds1`."""
    return run([PROGRAM, "--version"], timeout=30).output.split()[1]


@contextmanager
def syncthing_beside(folder: Path, home: Path, files: int) -> Iterator[int]:
    """Let Syncthing keep a folder, both ways, with nobody; give its first process' id once idle.

    It puts a hidden marker into the folder, which is removed again.
    """
    port = free_port()
    run([PROGRAM, "generate", f"--home={home}", "--no-default-folder"], timeout=60)
    key = _configure(home / "config.xml", folder, port)
    marker = folder / MARKER
    marker.mkdir()
    command = [PROGRAM, "serve", f"--home={home}", "--no-browser", "--no-upgrade"]
    try:
        with running(command) as (pid, _):
            _wait_until_idle(port, key, files)
            yield pid
    finally:
        shutil.rmtree(marker, ignore_errors=True)


def _configure(path: Path, folder: Path, port: int) -> str:
    """Give it the folder, and take the rest of the world away; return the key to its API."""
    tree = ElementTree.parse(path)
    root = tree.getroot()
    options = _child(root, "options")
    for name, value in (_ALONE | {"listenAddress": f"tcp://127.0.0.1:{free_port()}"}).items():
        _child(options, name).text = value
    gui = _child(root, "gui")
    _child(gui, "address").text = f"127.0.0.1:{port}"
    # Its own defaults for a new folder: it watches, and looks at everything once an hour.
    made = ElementTree.fromstring(ElementTree.tostring(_child(_child(root, "defaults"), "folder")))
    made.attrib |= {"id": FOLDER, "label": FOLDER, "path": str(folder), "type": "sendreceive"}
    root.append(made)
    tree.write(path)
    return _child(gui, "apikey").text or ""


def _child(element: ElementTree.Element, name: str) -> ElementTree.Element:
    found = element.find(name)
    if found is None:
        raise BenchmarkFailed(f"Syncthing's settings have no {name}")
    return found


def _wait_until_idle(port: int, key: str, files: int) -> None:
    """Wait until it has hashed all of the folder and rests."""
    until = time.monotonic() + SCAN_SECONDS
    told: dict[str, Any] = {}
    while (told.get("state"), told.get("localFiles")) != ("idle", files):
        if time.monotonic() > until:
            raise BenchmarkFailed(f"Syncthing did not come to rest: {told}")
        time.sleep(0.5)
        told = _status(port, key)


def _status(port: int, key: str) -> dict[str, Any]:
    """Ask how the folder is; empty while nobody answers yet."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/rest/db/status?folder={FOLDER}", headers={"X-API-Key": key}
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
    except OSError:
        return {}
    return told


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as asking:
        return int(asking.getsockname()[1])
