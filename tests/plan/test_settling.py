"""When a file counts as finished: soon, never at once when it may be unfinished, never never."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from boardsync.model import FileStat
from boardsync.plan.settling import CLOCK_GRANULARITY_NS, Waits, is_racy, ready_at_ns

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
YEAR = 365 * 86_400 * SECOND
WAITS = Waits()

_moments = st.integers(0, 2 * NOW) | st.integers(NOW - 60 * SECOND, NOW + 60 * SECOND)
_seconds = st.floats(0, 3600, allow_nan=False)
_waits = st.builds(Waits, _seconds, _seconds, _seconds)


def stat_of(mtime_ns: int, ctime_ns: int = 0) -> FileStat:
    return FileStat(1, mtime_ns, ctime_ns, 1)


def wait(stat: FileStat, *, end_mark: bool = True, rewrite: bool = False) -> float:
    """Return the seconds from the first sight of a file to its being settled."""
    at = ready_at_ns(stat, NOW, WAITS, end_mark=end_mark, rewrite=rewrite)
    return (at - NOW) / SECOND


def test_a_file_that_changes_before_our_eyes_waits_for_quiet() -> None:
    assert wait(stat_of(NOW)) == WAITS.quiet == 2
    assert wait(stat_of(NOW), end_mark=False) == WAITS.quiet_uncertain == 10
    assert wait(stat_of(NOW), rewrite=True) == WAITS.rewrite == 30


def test_a_file_from_long_ago_is_settled_at_first_sight() -> None:
    assert wait(stat_of(NOW - YEAR, NOW - YEAR), end_mark=False, rewrite=True) < 0


def test_a_copy_that_kept_its_old_time_is_as_new_as_its_inode() -> None:
    assert wait(stat_of(NOW - YEAR, NOW)) == 2


def test_a_time_in_the_future_waits_no_longer_than_the_present() -> None:
    assert wait(stat_of(NOW + YEAR)) == wait(stat_of(NOW)) == 2
    assert wait(stat_of(0, NOW + YEAR)) == 2


@given(_moments, _moments, _moments, _waits, st.booleans(), st.booleans())
def test_no_file_waits_longer_than_its_quiet_after_it_was_last_seen_to_change(
    mtime: int, ctime: int, changed: int, waits: Waits, end_mark: bool, rewrite: bool
) -> None:
    at = ready_at_ns(stat_of(mtime, ctime), changed, waits, end_mark=end_mark, rewrite=rewrite)
    longest = max(waits.quiet, waits.quiet_uncertain, waits.rewrite)
    assert at <= changed + int(longest * SECOND)


@given(_moments, _moments, _moments, _waits)
def test_doubt_and_rewriting_never_shorten_the_wait(
    mtime: int, ctime: int, changed: int, waits: Waits
) -> None:
    stat = stat_of(mtime, ctime)
    plain = ready_at_ns(stat, changed, waits, end_mark=True, rewrite=False)
    again = ready_at_ns(stat, changed, waits, end_mark=True, rewrite=True)
    assert plain <= again
    assert again - plain <= int(waits.rewrite * SECOND) + 1


@given(_moments, _moments, _moments)
def test_a_file_is_never_ready_before_the_quiet_after_its_last_believable_touch(
    mtime: int, ctime: int, changed: int
) -> None:
    at = ready_at_ns(stat_of(mtime, ctime), changed, WAITS, end_mark=True, rewrite=False)
    for touch in (mtime, ctime):
        assert touch > changed or at >= touch + 2 * SECOND


@given(_moments, _moments, st.integers(-YEAR, YEAR))
def test_a_step_of_the_whole_clock_shifts_the_moment_and_not_the_wait(
    mtime: int, changed: int, step: int
) -> None:
    def at(shift: int) -> int:
        stat = stat_of(mtime + shift, changed + shift)
        return ready_at_ns(stat, changed + shift, WAITS, end_mark=True, rewrite=False)

    assert at(step) - at(0) == step


def test_a_file_is_racy_while_the_clock_could_not_show_another_change() -> None:
    assert is_racy(stat_of(NOW), NOW)
    assert is_racy(stat_of(NOW), NOW + CLOCK_GRANULARITY_NS - 1)
    assert not is_racy(stat_of(NOW), NOW + CLOCK_GRANULARITY_NS)


def test_a_hashing_before_the_files_own_time_proves_nothing() -> None:
    assert is_racy(stat_of(NOW), NOW - YEAR)
    assert is_racy(stat_of(0, NOW), NOW - 1)
