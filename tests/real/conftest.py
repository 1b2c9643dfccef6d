"""Fixtures that need real servers: everything here runs only with the marker `real`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from real.invokeai_server import RealInvokeAI
from real.mirror_kit import Setup


@pytest.fixture(scope="session")
def multiuser_invokeai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealInvokeAI]:
    """A running InvokeAI that asks for a login; it has no account yet."""
    server = RealInvokeAI(tmp_path_factory.mktemp("invokeai-multiuser"), multiuser=True)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def setup(tmp_path: Path, invokeai: RealInvokeAI) -> Setup:
    """A mirror between a fresh folder and a fresh board."""
    return Setup(tmp_path, invokeai)


@pytest.fixture
def daemon(setup: Setup) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts daemons; those that still run are killed in the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        log = setup.config.with_name(f"daemon-{len(started)}.log").open("wb")
        with log:
            process = subprocess.Popen(setup.command("run"), stderr=log)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
