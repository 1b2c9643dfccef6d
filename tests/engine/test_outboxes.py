"""Channels that come and go while messages are on their way: each is told, and told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from boardsync.alarms.message import Line, Message
from boardsync.engine.clock import SystemClock
from boardsync.engine.outbox import Outbox
from boardsync.engine.outboxes import Outboxes
from boardsync.errors import TryAgain

WARNING = 1


@dataclass
class Slow:
    """A channel that tells when it is let: `works` says whether it arrives then."""

    name: str = "slow"
    works: bool = True
    open: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[int] = field(default_factory=list)

    async def tell(self, message: Message) -> None:
        self.began.set()
        await self.open.wait()
        if not self.works:
            raise TryAgain(f"{self.name}: not today")
        self.told.append(message.at_ms)

    @classmethod
    def ready(cls, name: str = "slow", *, works: bool = True) -> Slow:
        made = cls(name, works)
        made.open.set()
        return made

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def message(number: int) -> Message:
    return Message("alarm", "h", number, [Line(f"server:{number}", WARNING, "away", 1)])


def box(channel: Slow, level: int = WARNING) -> Outbox:
    return Outbox(channel, level, 5.0, SystemClock())


class Told:
    def __init__(self, *channels: Slow) -> None:
        self.delivered: list[int] = []
        self.boxes = Outboxes([box(one) for one in channels], self._note)

    def _note(self, one: Message) -> None:
        self.delivered.append(one.at_ms)


@asynccontextmanager
async def running(*channels: Slow) -> AsyncIterator[Told]:
    made = Told(*channels)
    task = asyncio.create_task(made.boxes.run())
    await asyncio.sleep(0)
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled(), task.exception()


async def moment() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_is_being_told_is_not_cut_and_not_told_again_by_the_one_that_follows() -> None:
    old, new = Slow(), Slow.ready()
    async with running(old) as here:
        here.boxes.put(message(1))
        here.boxes.put(message(2))
        await old.began.wait()
        here.boxes.replace([box(new)])
        here.boxes.put(message(3))
        await moment()
        assert (old.told, new.told) == ([], [3])
        old.open.set()
        await moment()
    assert (old.told, new.told) == ([1], [3, 2])
    assert here.delivered == [3, 1, 2]


async def test_what_failed_under_a_wrong_password_goes_at_once_under_the_right_one() -> None:
    wrong, right = Slow.ready(works=False), Slow.ready()
    async with running(wrong) as here:
        here.boxes.put(message(1))
        await wrong.began.wait()
        await moment()
        here.boxes.replace([box(right)])
        await moment()
    assert (right.told, here.delivered) == ([1], [1])


async def test_what_nobody_was_told_goes_to_those_that_are_left_and_only_once() -> None:
    broken, slow = Slow.ready("broken", works=False), Slow("other")
    async with running(broken, slow) as here:
        here.boxes.put(message(1))
        await slow.began.wait()
        kept = here.boxes.current[1]
        here.boxes.replace([Outbox(slow, WARNING, 5.0, SystemClock())])
        assert here.boxes.current == [kept]
        await moment()
        slow.open.set()
        await moment()
    assert (slow.told, here.delivered) == ([1], [1])


async def test_what_somebody_was_told_is_not_told_on_a_channel_of_another_name() -> None:
    broken, working = Slow.ready("broken", works=False), Slow.ready("working")
    async with running(broken, working) as here:
        here.boxes.put(message(1))
        await moment()
        fresh = Slow.ready("fresh")
        here.boxes.replace([here.boxes.current[1], box(fresh)])
        await moment()
        here.boxes.put(message(2))
        await moment()
    assert (working.told, fresh.told) == ([1, 2], [2])


async def test_without_any_channel_left_nothing_waits_for_ever() -> None:
    broken = Slow.ready("broken", works=False)
    async with running(broken) as here:
        here.boxes.put(message(1))
        await moment()
        here.boxes.replace([])
        await moment()
    assert here.delivered == [1]


async def test_one_that_was_followed_twice_leaves_what_it_has_to_the_last() -> None:
    first, second, third = Slow(works=False), Slow.ready(works=False), Slow.ready()
    async with running(first) as here:
        here.boxes.put(message(1))
        await first.began.wait()
        here.boxes.replace([box(second)])
        await moment()
        here.boxes.replace([box(third)])
        await moment()
        first.open.set()
        await moment()
    assert (third.told, here.delivered) == ([1], [1])
