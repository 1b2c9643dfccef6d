"""What takes long to find is found the more rarely, and nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from boardsync.engine.remembered import Remembered
from boardsync.errors import TryAgain


class Slow:
    """Takes a second of a virtual clock for each look."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0
        self.trouble = False

    def clock(self) -> float:
        return self.now

    def __call__(self) -> int:
        self.now += 1.0
        if self.trouble:
            raise TryAgain("the state cannot be read")
        self.looks += 1
        return self.looks


def got(remembered: Remembered[int], patience: float = 0.0) -> int | None:
    remembered.begin()
    return remembered.newest(patience)


def at_once(work: Callable[[], None]) -> None:
    work()


def test_it_is_found_anew_only_after_so_many_times_as_long_as_it_takes() -> None:
    slow = Slow()
    remembered = Remembered(
        slow, 10, threading.Lock(), clock=slow.clock, cost=slow.clock, start=at_once
    )
    assert [got(remembered), got(remembered)] == [1, 1]
    slow.now += 9.9
    assert got(remembered) == 1
    slow.now += 0.1
    assert got(remembered) == 2


def test_what_was_found_before_stays_when_it_cannot_be_found_now() -> None:
    slow = Slow()
    remembered = Remembered(
        slow, 1, threading.Lock(), clock=slow.clock, cost=slow.clock, start=at_once
    )
    assert got(remembered) == 1
    slow.trouble, slow.now = True, 100.0
    assert got(remembered) == 1
    slow.trouble, slow.now = False, 200.0
    assert got(remembered) == 2


def test_of_many_who_ask_at_one_time_one_looks_and_none_waits_for_long() -> None:
    finish = threading.Event()
    begun = list[int]()

    def look() -> int:
        begun.append(1)
        finish.wait(20)
        return 7

    remembered = Remembered(look, 0, threading.Lock())
    assert [got(remembered, 0.01) for _ in range(3)] == [None] * 3
    assert begun == [1]
    finish.set()
    assert remembered.newest(20) == 7


def test_of_several_values_one_is_looked_for_at_a_time() -> None:
    turn, finish, order = threading.Lock(), threading.Event(), list[str]()

    def slow() -> int:
        finish.wait(20)
        order.append("slow")
        return 1

    def quick() -> int:
        order.append("quick")
        return 2

    first, second = Remembered(slow, 0, turn), Remembered(quick, 0, turn)
    first.begin()
    while not turn.locked():
        pass
    second.begin()
    assert second.newest(0.01) is None
    finish.set()
    assert (second.newest(20), first.newest(20)) == (2, 1)
    assert order == ["slow", "quick"]
