"""Runs atheris on one of our harnesses, as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def seconds(usual: int) -> int:
    """Return for how long to fuzz: FUZZ_SECONDS, or what is usual."""
    return int(os.environ.get("FUZZ_SECONDS", usual))


def runs_without_failing(base: Path, module: str, *arguments: str, lasting: int) -> int:
    """Fuzz for some seconds; return how many inputs were tried. Each has to pass."""
    pytest.importorskip("atheris", reason="atheris is not there for this Python")
    corpus = base / "corpus"
    corpus.mkdir()
    limits = [f"-max_total_time={lasting}", "-timeout=20", "-rss_limit_mb=2048", "-max_len=20000"]
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, str(corpus), *limits],
        cwd=base,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(base)},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=lasting * 3 + 120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ran = re.search(r"Done (\d+) runs", done.stderr)
    assert ran is not None, done.stderr[-3000:]
    return int(ran[1])
