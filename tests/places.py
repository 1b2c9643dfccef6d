"""Folders for tests that need more than a plain temporary directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import boardsync

_NOBODY = 65534


def fill(root: Path, *names: str | bytes) -> None:
    """Make files, and the directories on the way to them."""
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(b"picture")


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A temporary folder that other users can reach: those of pytest are private."""
    with tempfile.TemporaryDirectory(prefix="boardsync-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be nobody for a while, where tests run as root, whom permissions do not stop."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def in_namespace(script: str, *arguments: str, mounts: bool = False) -> str:
    """Run a script in a user namespace of its own, where it may mount and lower limits.

    Returns what it printed. Skips the test where namespaces are not permitted.
    """
    unshare = shutil.which("unshare")
    command = [unshare or "", "--user", "--map-root-user", *(["--mount"] if mounts else [])]
    if unshare is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("user namespaces are not permitted here")
    paths = (Path(__file__).parent, Path(boardsync.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    command += [sys.executable, "-W", "error", "-c", script, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout
