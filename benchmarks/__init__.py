"""Measures boardsync beside the plainest program that does the same work, in the same run.

Run by `make bench`; docs/benchmarks.md says what each number means. The parent process only
makes files, starts processes and counts: what is measured runs in processes of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
TESTS = CHECKOUT / "tests"

# The fakes and the real server's launcher are the tests' own; they are not installed.
sys.path.append(str(TESTS))
