"""Atheris looks for bytes that make a reader fail, for a minute or for FUZZ_SECONDS."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzzing import runs_without_failing, seconds


@pytest.mark.real
def test_no_bytes_make_a_reader_fail(tmp_path: Path) -> None:
    assert runs_without_failing(tmp_path, "generation_fuzz", lasting=seconds(60)) > 500
