"""The service manager is told, through whichever kind of socket it names, and never in the way."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardsync.telemetry import notify


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket, and how the environment names it."""
    name = str(tmp_path / "notify") if request.param == "file" else f"@boardsync-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(5)
        yield listener, name


def test_the_manager_hears_that_the_daemon_is_up_works_and_stops(
    manager: tuple[socket.socket, str],
) -> None:
    listener, name = manager
    environ = {"NOTIFY_SOCKET": name}
    assert notify.ready("watching 2 mirrors", environ)
    assert listener.recv(1000) == b"READY=1\nSTATUS=watching 2 mirrors"
    assert notify.status("uploading größe.png", environ)
    assert listener.recv(1000) == "STATUS=uploading größe.png".encode()
    assert notify.alive(environ)
    assert listener.recv(1000) == b"WATCHDOG=1"
    assert notify.stopping(environ)
    assert listener.recv(1000) == b"STOPPING=1"


def test_a_status_cannot_smuggle_in_another_message(manager: tuple[socket.socket, str]) -> None:
    listener, name = manager
    assert notify.status("a\nMAINPID=1\udcff", {"NOTIFY_SOCKET": name})
    assert listener.recv(1000) == b"STATUS=a\\nMAINPID=1\\xff"


def test_outside_of_a_service_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify.ready("x")
    assert not notify.status("x", {"NOTIFY_SOCKET": ""})


@pytest.mark.parametrize("name", ["/gone/notify", "vsock:2:1234"])
def test_a_manager_that_does_not_listen_is_no_error(name: str) -> None:
    assert not notify.stopping({"NOTIFY_SOCKET": name})


def test_the_watchdog_s_patience_is_read_in_seconds() -> None:
    assert notify.watchdog_seconds({"WATCHDOG_USEC": "1500000"}) == 1.5
    mine = {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}
    assert notify.watchdog_seconds(mine) == 2.0


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"},
     {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}],
)  # fmt: skip
def test_without_a_watchdog_of_its_own_a_process_owes_no_sign_of_life(
    environ: dict[str, str],
) -> None:
    assert notify.watchdog_seconds(environ) is None
