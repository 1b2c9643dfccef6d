"""Waiting after failures: growing, bounded, spread apart, and the same in every replay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.plan.backoff import CAP_SECONDS, FIRST_SECONDS, SPREAD, delay_seconds

_keys = st.text(max_size=20)


@given(_keys, st.integers(1, 10_000))
def test_a_wait_is_never_nothing_and_never_far_above_the_cap(key: str, attempt: int) -> None:
    assert 0 < delay_seconds(attempt, key) <= CAP_SECONDS * (1 + SPREAD)


@given(_keys)
def test_every_wait_is_longer_than_the_one_before_until_the_cap(key: str) -> None:
    waits = [delay_seconds(attempt, key) for attempt in range(1, 11)]
    assert waits == sorted(set(waits))


@given(_keys, st.integers(1, 100), st.floats(0, 10_000))
def test_what_the_other_side_asks_for_is_the_least(key: str, attempt: int, asked: float) -> None:
    assert delay_seconds(attempt, key, asked=asked) >= asked
    assert delay_seconds(attempt, key, asked=asked) >= delay_seconds(attempt, key)


def test_the_first_wait_is_short_and_the_cap_is_reached() -> None:
    assert delay_seconds(1, "key") == pytest.approx(FIRST_SECONDS, rel=SPREAD)
    assert delay_seconds(30, "key") == pytest.approx(CAP_SECONDS, rel=SPREAD)


def test_transfers_that_fail_together_do_not_come_back_together() -> None:
    waits = [delay_seconds(5, f"token-{number}") for number in range(500)]
    assert len({round(one, 1) for one in waits}) > 50
    assert sum(waits) / len(waits) == pytest.approx(16, rel=0.05)


def test_a_replay_waits_alike() -> None:
    assert delay_seconds(3, "token") == delay_seconds(3, "token")
    assert delay_seconds(3, "token") != delay_seconds(3, "another")
