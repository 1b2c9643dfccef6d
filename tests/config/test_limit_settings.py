"""Limits, times, the process and the owner of pulled files, as they are written and refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.config.limits import Floor, parse_floor, write_floor
from boardsync.config.process import DiskPriority
from boardsync.config.times import parse_rates, parse_window, write_rates, write_window
from boardsync.plan.timetable import MINUTES, Rate, Rates, Window
from config.settings_files import SERVER, loaded, problems_in

WORKDAYS = frozenset(range(5))
MIRROR = "mirrors:\n  - {name: a, folder: a, server: home, board: b, pull: {%s}}\n"

windows = st.builds(
    Window,
    st.integers(0, MINUTES - 1),
    st.integers(0, MINUTES),
    st.frozensets(st.integers(0, 6), min_size=1),
).filter(lambda one: one.start != one.end)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("08:00-18:00", Window(480, 1080)),
        ("8:00 - 18:00", Window(480, 1080)),
        ("mon-fri 22:00-06:00", Window(1320, 360, WORKDAYS)),
        ("Sat,Sun", Window(days=frozenset({5, 6}))),
        ("fri-mon", Window(days=frozenset({4, 5, 6, 0}))),
        ("mon, wed-thu 20:00-24:00", Window(1200, MINUTES, frozenset({0, 2, 3}))),
    ],
)
def test_a_time_of_the_week_has_days_times_or_both(text: str, window: Window) -> None:
    assert parse_window(text) == window


@pytest.mark.parametrize(
    "text",
    ["", "08:00", "8-18", "25:00-26:00", "08:60-09:00", "08:00-08:00", "24:00-06:00", "mon-",
     "-fri", "mon;tue", "monday", "08:00-18:00 mon", "24:01-24:02", 8, None, ["mon"]],
)  # fmt: skip
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"not a time of the week|no day|no time at all"):
        parse_window(text)


@given(windows)
def test_a_time_is_read_as_it_was_written(window: Window) -> None:
    assert parse_window(write_window(window)) == window


@given(st.lists(st.builds(Rate, st.none() | st.integers(1, 10**9), windows), min_size=1))
def test_rates_by_time_are_what_their_words_say(entries: list[Rate]) -> None:
    rates = Rates((*entries, Rate(5_000_000)))
    written = [
        {"when": write_window(one.window), "rate": one.bytes_per_second}
        for one in entries
        if one.window is not None
    ]
    assert parse_rates([*written, {"rate": "5 MB/s"}]) == rates
    for one, words in zip(entries, write_rates(rates).split("}, {"), strict=False):
        assert f"when: {write_window(one.window or Window())}, rate: " in words


@given(st.none() | st.integers(1, 10**12))
def test_a_rate_alone_is_read_as_it_was_written(rate: int | None) -> None:
    words = write_rates(Rates((Rate(rate),)))
    assert words == "null" if rate is None else parse_rates(words) == Rates((Rate(rate),))


@pytest.mark.parametrize(
    ("text", "floor"),
    [
        ("10 GB", Floor(10_000_000_000)),
        ("5 %", Floor(share=0.05)),
        ("1 GiB or 5 %", Floor(1024**3, 0.05)),
        ("5 % or 1 GiB", Floor(1024**3, 0.05)),
        (4096, Floor(4096)),
    ],
)
def test_a_floor_is_a_size_a_share_or_the_lesser_of_both(text: object, floor: Floor) -> None:
    assert parse_floor(text) == floor
    assert parse_floor(write_floor(floor)) == floor


def test_by_default_a_small_disk_keeps_a_twentieth_free_and_a_large_one_a_gibibyte() -> None:
    floor = parse_floor("1 GiB or 5 %")
    assert floor.of(200 * 1024**2) == 10 * 1024**2
    assert floor.of(20 * 1024**3) == 1024**3
    assert floor.of(10 * 1024**4) == 1024**3


def test_limits_and_the_process_are_read(tmp_path: Path) -> None:
    told = loaded(
        tmp_path,
        """\
        limits:
          bandwidth_up: [{when: mon-fri 08:00-18:00, rate: 1 MB/s}, {rate: null}]
          bandwidth_down: 3 MB/s
          transfers_at_once: 3
          quiet: [22:00-06:00, sun]
          timezone: Europe/Berlin
          free_disk: null
        process: {nice: 10, io: best-effort 7}
        """,
    ).settings
    limits = told.limits
    assert limits.bandwidth_up == Rates((Rate(1_000_000, Window(480, 1080, WORKDAYS)), Rate(None)))
    assert limits.bandwidth_down == Rates((Rate(3_000_000),))
    assert limits.quiet == [Window(1320, 360), Window(days=frozenset({6}))]
    assert (limits.transfers_at_once, limits.timezone, limits.free_disk) == (
        3, "Europe/Berlin", None,
    )  # fmt: skip
    assert (told.process.nice, told.process.io) == (10, DiskPriority(7))


def test_owner_and_permissions_of_pulled_files_are_read(tmp_path: Path) -> None:
    text = MIRROR % f'owner: {os.geteuid()}, group: root, file_mode: "0640", directory_mode: "2770"'
    pull = loaded(tmp_path, SERVER + text).settings.mirrors[0].pull
    assert (pull.owner, pull.group) == (os.geteuid(), "root")
    assert (pull.file_mode, pull.directory_mode) == (0o640, 0o2770)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "limits:\n  quiet: [mon-fri, 8-18]",
            (
                "2:20: limits.quiet[1]: '8-18' names no day that is known; expected a time of the "
                "week such as 08:00-18:00, mon-fri 22:00-06:00 or sat,sun"
            ),
        ),
        (
            "limits:\n  bandwidth_up: 5 MB",
            (
                "2:17: limits.bandwidth_up: '5 MB' is not a rate; expected a rate, or rates by "
                "time such as 2 MB/s, or [{when: mon-fri 08:00-18:00, rate: 1 MB/s}, "
                "{rate: 5 MB/s}], or null"
            ),
        ),
        (
            "limits:\n  bandwidth_up: [{when: mon-fry, rate: 1 MB/s}]",
            "2:17: limits.bandwidth_up: entry 1: 'mon-fry' names no day that is known; expected",
        ),
        (
            "limits:\n  bandwidth_up: [{rate: 1 MB/s}, {when: mon, rate: 2 MB/s}]",
            "2:17: limits.bandwidth_up: after entry 1, which always holds, none is ever looked at",
        ),
        (
            "limits:\n  bandwidth_up: [{rate: 1 MB/s, form: 08:00}]",
            "2:17: limits.bandwidth_up: entry 1 is not a section of rate, and when it holds",
        ),
        ("limits:\n  bandwidth_up: []", "2:17: limits.bandwidth_up: the list is empty; expected"),
        (
            "limits:\n  timezone: Europe/Atlantis",
            (
                "2:13: limits.timezone: 'Europe/Atlantis' is no time zone that this machine knows; "
                "expected a time zone such as Europe/Berlin, or null"
            ),
        ),
        (
            "limits:\n  free_disk: 1 GB or 2 GB",
            "2:14: limits.free_disk: '1 GB or 2 GB' is not one size and one share; expected",
        ),
        ("limits:\n  free_disk: 120 %", "2:14: limits.free_disk: '120 %' is more than all"),
        (
            "process:\n  nice: 20",
            (
                "2:9: process.nice: found 20; expected a whole number from 0 to 19 "
                "(19 is the nicest), or null"
            ),
        ),
        (
            "process:\n  io: best-effort 8",
            (
                "2:7: process.io: 'best-effort 8' is no priority of the disk; expected idle, or "
                "best-effort with a number from 0 to 7, or null"
            ),
        ),
        (
            SERVER + MIRROR % "file_mode: 0640",
            (
                "6:68: mirrors[0].pull.file_mode: 640 is not a text of octal digits; expected "
                'permissions such as "0640", or null'
            ),
        ),
        (
            SERVER + MIRROR % 'file_mode: "0040"',
            "6:68: mirrors[0].pull.file_mode: '0040' does not let the owner read",
        ),
        (
            SERVER + MIRROR % 'directory_mode: "0640"',
            "6:73: mirrors[0].pull.directory_mode: '0640' does not let the owner list, enter and",
        ),
        (
            SERVER + MIRROR % "owner: nobody at all",
            (
                "6:64: mirrors[0].pull.owner: this machine has no user 'nobody at all'; "
                "expected one that it has, or a number"
            ),
        ),
        (
            SERVER + MIRROR % "group: nobody at all",
            "6:64: mirrors[0].pull.group: this machine has no group 'nobody at all'; expected",
        ),
        (
            SERVER + MIRROR % 'name: "{board}-{sede}"',
            (
                "6:63: mirrors[0].pull.name: there is no field {sede} (character 9); did you mean "
                "{seed}?; expected a template for names"
            ),
        ),
        (
            SERVER + MIRROR % 'name: "../{seed}"',
            "6:63: mirrors[0].pull.name: '..' at the start of a name would hide it; expected a",
        ),
        (
            SERVER + MIRROR % "owner: 4294967295",
            "6:64: mirrors[0].pull.owner: 4294967295 is no number of a user; expected a user by",
        ),
    ],
)
def test_what_does_not_work_is_refused_with_its_place(
    tmp_path: Path, text: str, problem: str
) -> None:
    [told] = problems_in(tmp_path, text)
    assert told.startswith(problem)
