"""Durations, sizes and rates are read as people write them, and never guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.config.quantities import (
    parse_duration,
    parse_interval,
    parse_rate,
    parse_size,
    write_duration,
    write_size,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2s", 2),
        ("2 s", 2),
        ("15 min", 900),
        ("1h", 3600),
        ("1d", 86_400),
        ("1h 30min", 5400),
        ("1 hour 1 second", 3601),
        ("500 ms", 0.5),
        ("0.5 s", 0.5),
        (90, 90),
        (1.5, 1.5),
        (0, 0),
    ],
)
def test_a_duration_becomes_seconds(written: object, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "2",
        "s",
        "two s",
        "2 parsecs",
        "-1 s",
        "2 s, 3 s",
        "1h30",
        "1e3 s",
        "٣ s",
        -1,
        True,
        None,
        [],
        {},
        float("nan"),
        float("inf"),
        "40000 d",
        1000000000000.0,
    ],
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|more than a century"):
        parse_duration(written)


@pytest.mark.parametrize("written", [0, "0 s", 0.0])
def test_an_interval_is_never_zero(written: object) -> None:
    with pytest.raises(ValueError, match="no time at all"):
        parse_interval(written)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("512 MiB", 512 * 1024**2),
        ("1.5 GB", 1_500_000_000),
        ("500kB", 500_000),
        ("500 KB", 500_000),
        ("1 TiB", 1024**4),
        ("7 B", 7),
        (1024, 1024),
    ],
)
def test_a_size_becomes_bytes(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["512", "2 Mb", "2 mb", "2 M", "0 B", 0, -5, True, None, "x"])
def test_a_size_without_a_sure_unit_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"is not a size|less than one byte"):
        parse_size(written)


@pytest.mark.parametrize(
    ("written", "rate"),
    [("2 MB/s", 2_000_000), ("500 KiB/s", 512_000), ("500 KiB / s", None), (4096, 4096)],
)
def test_a_rate_becomes_bytes_per_second(written: object, rate: int | None) -> None:
    if rate is None:
        with pytest.raises(ValueError, match="is not a"):
            parse_rate(written)
    else:
        assert parse_rate(written) == rate


@pytest.mark.parametrize("written", ["2 MB", "2 MB/h", "2 Mbit/s", 0])
def test_a_rate_is_per_second(written: object) -> None:
    with pytest.raises(ValueError, match=r"is not a|less than one byte"):
        parse_rate(written)


@given(st.integers(min_value=0, max_value=10**9))
def test_a_written_duration_reads_as_the_same_duration(seconds: int) -> None:
    assert parse_duration(write_duration(float(seconds))) == seconds


@given(st.integers(min_value=1, max_value=2**50))
def test_a_written_size_reads_as_the_same_size(size: int) -> None:
    written = write_size(size)
    assert parse_size(int(written) if written.isdigit() else written) == size
