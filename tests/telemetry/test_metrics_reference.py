"""The reference of the metrics says what their names say."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.telemetry import names
from boardsync.telemetry.names import Gauge
from boardsync.telemetry.reference import main, reference

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_checked_in_reference_is_up_to_date() -> None:
    assert main(["--check", str(PAGE)]) == 0


def test_a_reference_that_drifted_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "metrics.md"
    assert main(["--check", str(page)]) == 1
    assert "run `make docs`" in capsys.readouterr().out
    assert main([str(page)]) == 0
    assert main(["--check", str(page)]) == 0
    page.write_text(page.read_text() + "more")
    assert main(["--check", str(page)]) == 1


def test_every_metric_is_in_it_once_with_its_meaning() -> None:
    lines = reference().splitlines()
    for one in names.ALL:
        assert len([line for line in lines if line.startswith(f"| `{one.name}` |")]) == 1
    row = "| `boardsync_new` | gauge | `mirror`, `how` | What is new. |"
    assert row in reference([Gauge("boardsync_new", "What is new.", ("mirror", "how"))])
