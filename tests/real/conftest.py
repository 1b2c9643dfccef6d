"""Fixtures that need real servers: everything here runs only with the marker `real`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from real.invokeai_server import RealInvokeAI


@pytest.fixture(scope="session")
def invokeai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealInvokeAI]:
    """A running InvokeAI without login, shared by all tests of the session."""
    server = RealInvokeAI(tmp_path_factory.mktemp("invokeai"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def multiuser_invokeai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealInvokeAI]:
    """A running InvokeAI that asks for a login; it has no account yet."""
    server = RealInvokeAI(tmp_path_factory.mktemp("invokeai-multiuser"), multiuser=True)
    try:
        yield server.start()
    finally:
        server.stop()
