"""Atheris looks for text that breaks what a parser promises, for 20 s each or for FUZZ_SECONDS."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzzing import runs_without_failing, seconds

PARSERS = ("query", "address", "location", "template", "sidecar", "kept")


@pytest.mark.real
@pytest.mark.parametrize("parser", PARSERS)
def test_no_text_makes_a_parser_break_its_promise(tmp_path: Path, parser: str) -> None:
    assert runs_without_failing(tmp_path, "parser_fuzz", parser, lasting=seconds(20)) > 500
