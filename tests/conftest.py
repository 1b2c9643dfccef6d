"""What all tests have in common: their reports travel between processes, and one real server."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from real.invokeai_server import RealInvokeAI

pytest.register_assert_rewrite("real.mirror_kit", "scenarios.ground", "scenarios.reality")


@pytest.fixture(scope="session")
def invokeai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealInvokeAI]:
    """A running InvokeAI without login, shared by all tests of the session."""
    server = RealInvokeAI(tmp_path_factory.mktemp("invokeai"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Escape what no UTF-8 can hold: tests print names of files that are none."""
    return _writable((yield))


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _writable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_writable(each) for each in value)
    return value
