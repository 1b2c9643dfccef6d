"""The numbers are written as Prometheus reads them."""

from __future__ import annotations

from boardsync.telemetry import names
from boardsync.telemetry.counters import Counters
from boardsync.telemetry.exposition import exposed


def test_each_number_is_told_with_its_meaning_its_kind_and_its_labels() -> None:
    counters = Counters()
    counters.add(names.WATCH_LOSSES, mirror="Art", reason="overflow")
    counters.add(names.WATCH_LOSSES, 1_234_567, mirror="Art", reason="limit")
    counters.set(names.FILES, 7, mirror="Art")

    assert exposed(counters.samples()) == (
        "# HELP boardsync_files Files in the mirror's folder at the last look.\n"
        "# TYPE boardsync_files gauge\n"
        'boardsync_files{mirror="Art"} 7\n'
        "# HELP boardsync_watch_losses_total Times that events of a folder were or may have been"
        " lost, by reason.\n"
        "# TYPE boardsync_watch_losses_total counter\n"
        'boardsync_watch_losses_total{mirror="Art",reason="limit"} 1234567\n'
        'boardsync_watch_losses_total{mirror="Art",reason="overflow"} 1\n'
    )


def test_a_name_cannot_forge_a_line() -> None:
    counters = Counters()
    counters.set(names.FILES, 1, mirror='a"} 1\nforged\\ 2\udcff')
    line = exposed(counters.samples()).splitlines()[-1]
    assert line == 'boardsync_files{mirror="a\\"} 1\\\\nforged\\\\ 2\\\\xff"} 1'


def test_without_numbers_there_is_nothing_to_tell() -> None:
    assert exposed([]) == ""


def test_a_histogram_is_told_with_its_limits_its_sum_and_its_count() -> None:
    counters = Counters()
    limits = names.Histogram("boardsync_s", "Seconds.", ("server",), (0.5, 1))
    for value in (0.25, 0.75, 3):
        counters.observe(limits, value, server="a")
    assert exposed(counters.samples()) == (
        "# HELP boardsync_s Seconds.\n"
        "# TYPE boardsync_s histogram\n"
        'boardsync_s_bucket{server="a",le="0.5"} 1\n'
        'boardsync_s_bucket{server="a",le="1"} 2\n'
        'boardsync_s_bucket{server="a",le="+Inf"} 3\n'
        'boardsync_s_sum{server="a"} 4.0\n'
        'boardsync_s_count{server="a"} 3\n'
    )
