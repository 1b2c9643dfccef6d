"""The API of a real daemon over TCP, asked all that its own description allows, and more.

FUZZ_SEED=n asks other questions.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from real.http_daemon import TOKEN, http_daemon

pytestmark = pytest.mark.real
SECONDS = 100
CASES = 15


def tool() -> str:
    """Return schemathesis; skip where it is not installed."""
    beside = Path(sys.executable).with_name("schemathesis")
    found = str(beside) if beside.exists() else shutil.which("schemathesis")
    if found is None:
        pytest.skip("schemathesis is not installed: `pip install --group fuzz`")
    return found


def test_no_question_makes_it_fail_or_answer_otherwise_than_described(tmp_path: Path) -> None:
    with http_daemon(tmp_path) as here:
        done = subprocess.run(
            [
                tool(), "run", f"{here.url}/openapi.json", "--header",
                f"Authorization: Bearer {TOKEN}", "--max-examples", str(CASES),
                "--max-time", str(SECONDS), "--request-timeout", "20", "--continue-on-failure",
                # With more of them, one may fail by a mistake of Python 3.11 (gh-106905).
                "--workers", "1", "--no-color",
                "--seed", os.environ.get("FUZZ_SEED", "1"),
            ],
            capture_output=True, text=True, timeout=SECONDS + 60, cwd=tmp_path,
        )  # fmt: skip
        with here.client() as asking:
            assert asking.get("/status").status_code == 200
        assert here.daemon.process.poll() is None
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.search(r"Selected: (\d+)/\1\s+Tested: (\d+)", done.stdout)
    assert told is not None, done.stdout
    assert int(told[1]) == int(told[2]) > 20
    log = here.daemon.told()
    assert "Traceback" not in log
    assert "bug:" not in log
    assert TOKEN not in log
