"""What is told of a process: numbers and states, and never its environment or command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boardsync.engine.process_facts import process_facts, unit_of


def test_of_this_process_the_kernel_tells_memory_threads_and_files() -> None:
    told = process_facts(os.getpid())
    assert int(told["status"]["VmRSS"].split()[0]) > 1000
    assert int(told["status"]["Threads"]) >= 1
    assert told["open_files"] > 2
    assert any(line.startswith("Max open files") for line in told["limits"])


def test_of_a_process_that_is_gone_nothing_is_told(tmp_path: Path) -> None:
    assert process_facts(1, tmp_path) == {}
    assert unit_of(1, tmp_path) == (None, False)


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/boardsync.service\n", ("boardsync.service", False)),
        ("0::/system.slice/system-boardsync.slice/boardsync@home.service\n",
         ("boardsync@home.service", False)),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/boardsync.service\n",
         ("boardsync.service", True)),
        ("1:name=systemd:/system.slice/boardsync.service\n0::/\n", ("boardsync.service", False)),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", (None, False)),
    ],
)  # fmt: skip
def test_its_unit_is_known_by_its_control_group(
    tmp_path: Path, cgroup: str, unit: tuple[str | None, bool]
) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(cgroup)
    assert unit_of(7, tmp_path) == unit
