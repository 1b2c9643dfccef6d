"""Counting: exact under many threads, and only under names and labels that were declared."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from boardsync.errors import Bug
from boardsync.telemetry import names
from boardsync.telemetry.counters import Counters, Distribution, Sample

HINTS, FILES = names.HINTS, names.FILES


def test_what_was_never_counted_is_zero() -> None:
    counters = Counters()
    assert counters.value(HINTS, mirror="Art", subject="path") == 0
    assert counters.samples() == []


def test_values_are_kept_apart_by_their_labels() -> None:
    counters = Counters()
    counters.add(HINTS, mirror="Art", subject="path")
    counters.add(HINTS, 2, subject="boards", mirror="Art")
    counters.set(FILES, 7, mirror="Art")
    counters.set(FILES, 5, mirror="Art")
    assert counters.samples() == [
        Sample(FILES, ("Art",), 5),
        Sample(HINTS, ("Art", "boards"), 2),
        Sample(HINTS, ("Art", "path"), 1),
    ]


def test_a_measurement_can_be_forgotten() -> None:
    counters = Counters()
    counters.set(FILES, 7, mirror="Art")
    counters.forget(FILES, mirror="Art")
    counters.forget(FILES, mirror="never there")
    assert counters.samples() == []


@pytest.mark.parametrize("labels", [{}, {"mirror": "Art"}, {"mirror": "a", "sauce": "b"}])
def test_labels_that_were_not_declared_are_a_bug(labels: dict[str, str]) -> None:
    with pytest.raises(Bug, match="boardsync_hints_total is counted by mirror, subject, not by"):
        Counters().add(HINTS, **labels)


def test_a_counter_never_falls() -> None:
    with pytest.raises(Bug, match="only grows"):
        Counters().add(HINTS, -1, mirror="Art", subject="boards")


def test_no_count_is_lost_between_threads() -> None:
    counters = Counters()

    def count(_: int) -> None:
        for _step in range(1_000):
            counters.add(HINTS, mirror="Art", subject="path")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, range(8)))
    assert counters.value(HINTS, mirror="Art", subject="path") == 8_000


def test_every_name_is_declared_once_and_fit_for_export() -> None:
    declared = [value for value in vars(names).values() if isinstance(value, names.Metric)]
    assert sorted(declared, key=lambda one: one.name) == sorted(names.ALL, key=lambda one: one.name)
    assert len({one.name for one in declared}) == len(declared)
    for one in declared:
        assert re.fullmatch(r"(boardsync|process)_[a-z_]+", one.name)
        assert one.name.endswith("_total") == isinstance(one, names.Counter)
        assert one.meaning.endswith(".")


def test_a_count_of_nothing_is_told_from_then_on() -> None:
    counters = Counters()
    counters.add(HINTS, 0, mirror="Art", subject="path")
    assert counters.samples() == [Sample(HINTS, ("Art", "path"), 0)]
    counters.add(HINTS, mirror="Art", subject="path")
    counters.add(HINTS, 0, mirror="Art", subject="path")
    assert counters.value(HINTS, mirror="Art", subject="path") == 1


def test_a_value_is_counted_below_every_limit_that_covers_it() -> None:
    counters, limits = Counters(), names.Histogram("s", "S.", ("server",), (0.1, 1, 5))
    for value in (0.05, 0.1, 0.2, 5, 7):
        counters.observe(limits, value, server="a")
    [sample] = counters.samples()
    assert sample.value == Distribution((2, 3, 4), 5, pytest.approx(12.35))
    assert counters.value(limits, server="a") == 5
    with pytest.raises(Bug, match="counted by server"):
        counters.observe(limits, 1.0)
