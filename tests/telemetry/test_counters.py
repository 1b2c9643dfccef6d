"""Counting: exact under many threads, and only under names and labels that were declared."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from boardsync.errors import Bug
from boardsync.telemetry import names
from boardsync.telemetry.counters import Counters, Sample

HINTS, FILES = names.HINTS, names.FILES


def test_what_was_never_counted_is_zero() -> None:
    counters = Counters()
    assert counters.value(HINTS, mirror="Art", source="watcher") == 0
    assert counters.samples() == []


def test_values_are_kept_apart_by_their_labels() -> None:
    counters = Counters()
    counters.add(HINTS, mirror="Art", source="watcher")
    counters.add(HINTS, 2, source="timer", mirror="Art")
    counters.set(FILES, 7, mirror="Art")
    counters.set(FILES, 5, mirror="Art")
    assert counters.samples() == [
        Sample(FILES, ("Art",), 5),
        Sample(HINTS, ("Art", "timer"), 2),
        Sample(HINTS, ("Art", "watcher"), 1),
    ]


def test_a_measurement_can_be_forgotten() -> None:
    counters = Counters()
    counters.set(FILES, 7, mirror="Art")
    counters.forget(FILES, mirror="Art")
    counters.forget(FILES, mirror="never there")
    assert counters.samples() == []


@pytest.mark.parametrize("labels", [{}, {"mirror": "Art"}, {"mirror": "a", "sauce": "b"}])
def test_labels_that_were_not_declared_are_a_bug(labels: dict[str, str]) -> None:
    with pytest.raises(Bug, match="boardsync_hints_total is counted by mirror, source, not by"):
        Counters().add(HINTS, **labels)


def test_a_counter_never_falls() -> None:
    with pytest.raises(Bug, match="only grows"):
        Counters().add(HINTS, -1, mirror="Art", source="timer")


def test_no_count_is_lost_between_threads() -> None:
    counters = Counters()

    def count(_: int) -> None:
        for _step in range(1_000):
            counters.add(HINTS, mirror="Art", source="watcher")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, range(8)))
    assert counters.value(HINTS, mirror="Art", source="watcher") == 8_000


def test_every_name_is_declared_once_and_fit_for_export() -> None:
    declared = [value for value in vars(names).values() if isinstance(value, names.Metric)]
    assert sorted(declared, key=lambda one: one.name) == sorted(names.ALL, key=lambda one: one.name)
    assert len({one.name for one in declared}) == len(declared)
    for one in declared:
        assert re.fullmatch(r"boardsync_[a-z_]+", one.name)
        assert one.name.endswith("_total") == isinstance(one, names.Counter)
        assert one.meaning.endswith(".")
