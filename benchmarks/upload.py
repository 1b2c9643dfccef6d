"""Uploads: boardsync beside a bare loop over the same files, to the same server, in turn.

boardsync's time begins with the look at the folder, after start and imports, and ends when
the last outcome is durable: walk, SHA-256, listing, plan, full decode and state included.
Every round has a fresh board and, on our side, a fresh state.
"""

from __future__ import annotations

import itertools
import json
import os
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.pictures import noise_folder, small_tree
from benchmarks.processes import BenchmarkFailed, python, run, running
from benchmarks.results import Baseline, Better, Results, Row, Skipped
from benchmarks.rounds import alternate
from benchmarks.scale import Scale
from benchmarks.workspace import Workspace, let_settle, temporary_directory
from real.invokeai_server import CHECKOUT, VENV_VARIABLE, VERSION, RealInvokeAI

TIMEOUT = 600.0
LARGE = (1024, 1024)
THUMBNAIL = (64, 64)
NEEDED_RATIO = 0.95
_boards = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Case:
    """Files to send. target: uploads a second that boardsync should reach."""

    name: str
    folder: Path
    count: int
    target: float | None = None
    target_ratio: float | None = None


def upload_real(scale: Scale) -> Results:
    """Upload to a real InvokeAI server."""
    if not (scale.real_asked or real_is_ready()):
        return [Skipped("upload-real", HOW_TO_GET_ONE)]
    with temporary_directory() as base:
        large, small = base / "large", base / "small"
        noise_folder(large, scale.large, LARGE)
        noise_folder(small, scale.small, THUMBNAIL)
        let_settle()
        cases = [
            Case("1024x1024 PNG", large, scale.large, target_ratio=NEEDED_RATIO),
            Case("64x64 PNG", small, scale.small, target_ratio=NEEDED_RATIO),
        ]
        server = RealInvokeAI(base / "invokeai")
        try:
            server.start()
            return [_measure("upload-real", server.url, case, base, scale) for case in cases]
        finally:
            server.stop()


def upload_fake(scale: Scale) -> Results:
    """Upload to a fake InvokeAI in a process of its own: the server costs next to nothing."""
    with temporary_directory() as base:
        large, small = base / "large", base / "small"
        noise_folder(large, scale.large, LARGE)
        small_tree(small, scale.small_fake)
        let_settle()
        cases = [
            Case("4 KiB PNG", small, scale.small_fake, target=300),
            Case("1.4 MB PNG", large, scale.large, target=70),
        ]
        rows = []
        for case in cases:
            with _fake_server() as url:
                rows.append(_measure("upload-fake", url, case, base, scale))
        return rows


def _measure(benchmark: str, url: str, case: Case, base: Path, scale: Scale) -> Row:
    pairs = alternate(
        lambda: _ours(url, case, base), lambda: _bare(url, case),
        rounds=scale.rounds, budget=scale.budget,
    )  # fmt: skip
    return Row(
        benchmark, case.name, "/s", pairs.ours, Better.MORE,
        Baseline("bare httpx", pairs.theirs), case.target, case.target_ratio,
    )  # fmt: skip


def _ours(url: str, case: Case, base: Path) -> float:
    """Upload with boardsync's engine; return pictures a second."""
    number = next(_boards)
    server = {"kind": "invokeai", "url": url}
    board = f"boardsync {number}"
    workspace = Workspace(base / f"round-{number}", case.folder, server, board=board)
    return _rate(run(workspace.engine("once"), timeout=TIMEOUT).json(), case)


def _bare(url: str, case: Case) -> float:
    """Upload with a bare loop; return pictures a second."""
    board_id = _make_board(url, f"bare {next(_boards)}")
    command = python("benchmarks.plain_upload", url, board_id, str(case.folder))
    return _rate(run(command, timeout=TIMEOUT).json(), case)


def _rate(told: dict[str, Any], case: Case) -> float:
    if told["uploaded"] != case.count:
        raise BenchmarkFailed(f"{told['uploaded']} of {case.count} pictures arrived")
    return case.count / float(told["seconds"])


def _make_board(url: str, name: str) -> str:
    query = urllib.parse.urlencode({"board_name": name})
    request = urllib.request.Request(f"{url}/api/v1/boards/?{query}", method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["board_id"])


@contextmanager
def _fake_server() -> Iterator[str]:
    with running(python("servers.fake_invokeai"), ready_line=True) as (_, line):
        yield str(json.loads(line)["url"])


HOW_TO_GET_ONE = (
    "no InvokeAI at hand; --real installs one (2.7 GB), or name an environment that holds it"
    " in BOARDSYNC_TEST_INVOKEAI_VENV"
)


def real_is_ready() -> bool:
    """Tell whether a server can be started without installing anything."""
    made = CHECKOUT / ".cache" / f"invokeai-{VERSION}" / "complete"
    return bool(os.environ.get(VENV_VARIABLE)) or made.exists()
