"""The benchmarks work, judge as they say, and leave nothing behind."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.pictures import noise_png, small_png
from benchmarks.processes import BenchmarkFailed, python, run, running
from benchmarks.results import Baseline, Better, Row, Skipped
from benchmarks.rounds import alternate
from benchmarks.table import number, table
from PIL import Image

WITHOUT_A_REAL_SERVER = [name for name in BENCHMARKS if not name.endswith("-real")]


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for temporary files with a short path: a socket's address must fit below it."""
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


@pytest.mark.real
def test_a_quick_run_measures_everything_beside_its_baseline_and_cleans_up(
    tmp_path: Path, temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "results.json"

    code = main([*WITHOUT_A_REAL_SERVER, "--quick", "--files", "40", "--json", str(told)])

    assert code == 0, capsys.readouterr().err
    results = json.loads(told.read_text())
    measured = {row["benchmark"]: row for row in results["results"]}
    assert set(measured) == set(WITHOUT_A_REAL_SERVER)
    assert all(row["value"] >= 0 and row["met"] is None for row in results["results"])
    assert measured["first-index"]["baseline"]["name"] == "scandir+sha256"
    assert measured["upload-fake"]["ratio"] > 0
    assert list(temporary.iterdir()) == []
    shown = capsys.readouterr().out
    assert all(name in shown for name in WITHOUT_A_REAL_SERVER)


def test_an_unknown_name_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["upload-moon"])
    assert "upload-moon" in (said := capsys.readouterr().err)
    assert "upload-fake" in said


def test_a_program_that_fails_ends_the_measurement_with_its_own_words() -> None:
    with pytest.raises(BenchmarkFailed, match="no such folder"):
        run(python("benchmarks.plain_index", "no such folder"), timeout=30)


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(BenchmarkFailed, match="ended with -9"):
        run(["sleep", "60"], timeout=0.1)


def test_a_program_in_the_background_ends_with_its_block() -> None:
    with running(["sleep", "60"]) as (pid, _):
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_cost_of_a_process_is_its_own() -> None:
    done = run(["sleep", "0.05"], timeout=30)
    assert done.cost.wall >= 0.05
    assert done.cost.cpu < 0.05


def test_both_sides_take_turns_in_going_first() -> None:
    order: list[str] = []
    alternate(lambda: order.append("a"), lambda: order.append("b"), rounds=3, budget=60)
    assert "".join(order) == "abbaab"


def test_a_budget_ends_the_rounds_but_not_before_the_first() -> None:
    pairs = alternate(lambda: 1, lambda: 2, rounds=9, budget=0)
    assert (pairs.ours, pairs.theirs) == ((1,), (2,))


def test_a_row_is_judged_by_the_median_against_target_and_ratio() -> None:
    rate = Row("b", "c", "/s", (70.0, 90.0, 80.0), Better.MORE, Baseline("bare", (100.0,)))
    assert (rate.value, rate.ratio, rate.met) == (80.0, 0.8, None)
    assert Row("b", "c", "/s", (80.0,), Better.MORE, target=79).met is True
    assert Row("b", "c", "s", (80.0,), Better.LESS, target=79).met is False
    slow = Row(
        "b", "c", "/s", (80.0,), Better.MORE, rate.baseline, target=70, target_ratio=0.95
    )  # fmt: skip
    assert slow.met is False


def test_a_baseline_of_nothing_gives_no_ratio() -> None:
    assert Row("b", "c", "s", (1.0,), baseline=Baseline("none", (0.0,))).ratio is None


def test_the_table_tells_what_was_skipped_and_why() -> None:
    rows = [Row("one", "case", "s", (0.5,), target=0.8), Skipped("two", "no server")]
    shown = table(rows)
    assert "0.500 s" in shown
    assert "<= 0.8 s" in shown
    assert "met" in shown
    assert "two: skipped: no server" in shown


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (0.01234, "0.012")]
)
def test_numbers_keep_three_digits_that_mean_something(value: float, text: str) -> None:
    assert number(value) == text


def test_small_pictures_are_4_kib_real_and_all_different() -> None:
    made = {small_png(number) for number in range(50)}
    assert len(made) == 50
    assert {len(content) for content in made} == {4096}
    assert Image.open(io.BytesIO(small_png(7))).convert("RGB").size == (35, 38)
    assert small_png(7) == small_png(7)


def test_large_pictures_decode_and_weigh_what_photographs_do() -> None:
    content = noise_png(1, (256, 256))
    assert Image.open(io.BytesIO(content)).convert("RGB").size == (256, 256)
    assert 60_000 < len(content) < 120_000
