"""All channels that there are now: which ones may change while messages are on their way.

A message is told on each channel that it is for. It is lost with no channel as long as there is
another one that could tell it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from boardsync.alarms.message import Key, Message
from boardsync.engine.outbox import Outbox

REMEMBERED = 1000
"""Messages of which it is known that somebody was told: many more than wait anywhere."""


class Outboxes:
    """The outboxes of one daemon. current: those that messages go to.

    delivered: called with a message, or its part for one channel, of which somebody was told;
    also with one that there is nobody to tell.
    """

    def __init__(self, outboxes: Sequence[Outbox], delivered: Callable[[Message], None]) -> None:
        self.current: list[Outbox] = []
        self._delivered = delivered
        self._arrived: deque[Key] = deque(maxlen=REMEMBERED)
        self._group: asyncio.TaskGroup | None = None
        self.replace(outboxes)

    def least(self, otherwise: int) -> int:
        """Return the level below which nobody is told."""
        return min((one.level for one in self.current), default=otherwise)

    def put(self, message: Message) -> None:
        """Have a message told."""
        taken = [one.put(message) for one in self.current]
        if not any(taken):
            self._delivered(message)

    async def run(self) -> None:
        """Tell what comes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for outbox in self.current:
                group.create_task(self._serve(outbox))
            await asyncio.Event().wait()

    def are_like(self, others: Sequence[Outbox]) -> bool:
        """Tell whether others are the same, in the same order."""
        pairs = zip(self.current, others, strict=False)
        return len(self.current) == len(others) and all(one.is_like(it) for one, it in pairs)

    def replace(self, others: Sequence[Outbox]) -> None:
        """Go on with others. One that is as it was goes on with what it does.

        One that changed is followed by the next of its name, which takes over what is left; so a
        mended password sends what waited for it.
        """
        before, self.current = self.current, []
        leaving = list(before)
        for other in others:
            same = next((one for one in leaving if one.is_like(other)), None)
            if same is not None:
                leaving.remove(same)
            self.current.append(same or other)
        fresh = [one for one in self.current if one not in before]
        heirs = list(fresh)
        for outbox in fresh:
            self._begin(outbox)
        for outbox in leaving:
            heir = next((one for one in heirs if one.channel.name == outbox.channel.name), None)
            if heir is not None:
                heirs.remove(heir)
            outbox.retire(heir)
            if self._group is None:
                self._hand_over(outbox)

    def _begin(self, outbox: Outbox) -> None:
        outbox.delivered = self._note
        if self._group is not None:
            self._group.create_task(self._serve(outbox))

    async def _serve(self, outbox: Outbox) -> None:
        await outbox.run()
        self._hand_over(outbox)

    def _note(self, message: Message) -> None:
        self._arrived.append(message.key)
        self._delivered(message)

    def _hand_over(self, outbox: Outbox) -> None:
        """Give what is left of a retired one to its heir; what nobody has told yet, to all."""
        heir = next((one for one in _heirs_of(outbox) if one in self.current), None)
        for message in outbox.left():
            untold = message.key not in self._arrived
            if heir is not None and heir.put(message):
                continue
            if untold:
                self.put(message)


def _heirs_of(outbox: Outbox) -> Iterator[Outbox]:
    """Yield who follows an outbox, and who follows that one: it may have gone meanwhile."""
    heir = outbox.heir
    while heir is not None:
        yield heir
        heir = heir.heir
