"""Atheris looks for bytes that make a reader fail, for a minute or for FUZZ_SECONDS."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.real
def test_no_bytes_make_a_reader_fail(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris is not there for this Python")
    seconds = int(os.environ.get("FUZZ_SECONDS", "60"))
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    limits = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048", "-max_len=20000"]
    done = subprocess.run(
        [sys.executable, "-m", "generation_fuzz", str(corpus), *limits],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds * 3 + 120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ran = re.search(r"Done (\d+) runs", done.stderr)
    assert ran is not None, done.stderr[-3000:]
    assert int(ran[1]) > 500
