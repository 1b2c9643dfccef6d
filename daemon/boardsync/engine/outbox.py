"""What is to be told on one channel, in order, until it has arrived. Nobody waits for it.

A channel may go while it tells something: that is not cut off, and what it did not get to tell is
left for others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from boardsync.alarms.channel import Channel
from boardsync.alarms.message import Message
from boardsync.engine.clock import Clock
from boardsync.errors import BoardsyncError
from boardsync.plan.backoff import delay_seconds

log = structlog.get_logger(__name__)

MOST = 50
"""Messages that wait for a channel that does not work. The oldest is given up for the newest."""
FIRST_DOUBLINGS = 3
"""The first repetition waits for some eight seconds, not for one."""


class Outbox:
    """The messages for one channel.

    level: what is less grave is not told on it. seconds: the longest that telling may take.
    heir: takes over what is left once this one is retired.
    """

    def __init__(self, channel: Channel, level: int, seconds: float, clock: Clock) -> None:
        self.channel = channel
        self.level = level
        self.seconds = seconds
        self._clock = clock
        self._waiting: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._retired = asyncio.Event()
        self.heir: Outbox | None = None
        self.delivered: Callable[[Message], None] = lambda _: None

    def put(self, message: Message) -> bool:
        """Take a message, once; tell whether anything in it is for this channel."""
        part = message.at_least(self.level)
        if part is None:
            return False
        if any(one.key == part.key for one in self._waiting):
            return True
        if len(self._waiting) >= MOST:
            given_up = self._waiting.popleft()
            log.warning("an alarm was never told", channel=self.channel.name, title=given_up.title)
        self._waiting.append(part)
        self._wake.set()
        return True

    def is_like(self, other: Outbox) -> bool:
        """Tell whether another one tells the same things in the same way."""
        mine, its = (self.level, self.seconds), (other.level, other.seconds)
        return mine == its and self.channel == other.channel

    def retire(self, heir: Outbox | None) -> None:
        """Begin nothing more; `run` returns when what is being told has been, or failed."""
        self.heir = heir
        self._retired.set()
        self._wake.set()

    def left(self) -> list[Message]:
        """Take out all that was not told."""
        left = list(self._waiting)
        self._waiting.clear()
        return left

    async def run(self) -> None:
        """Tell what comes, until retired; what does not arrive is tried later and later."""
        while not self._retired.is_set():
            self._wake.clear()
            attempt = 0
            while self._waiting and not self._retired.is_set():
                message = self._waiting[0]
                failure = await attempt_to_tell(self.channel, message, self.seconds)
                if failure is None:
                    if self._waiting and self._waiting[0] is message:
                        self._waiting.popleft()
                    self.delivered(message)
                    attempt = 0
                    continue
                attempt += 1
                wait = delay_seconds(attempt + FIRST_DOUBLINGS, self.channel.name)
                log.warning("an alarm did not arrive", why=failure, seconds=round(wait))
                await self._clock.wait(self._retired, wait)
            if not self._retired.is_set():
                await self._wake.wait()


async def attempt_to_tell(channel: Channel, message: Message, seconds: float) -> str | None:
    """Tell somebody, within some seconds. Returns why it did not arrive; None when it did."""
    try:
        async with asyncio.timeout(seconds):
            await channel.tell(message)
    except BoardsyncError as error:
        return str(error)
    except TimeoutError:
        return f"{channel.name}: no answer within {seconds:g} s"
    except Exception as error:
        # A mistake of ours on one channel must not silence the others.
        log.exception("bug: an alarm failed in an unforeseen way", channel=channel.name)
        return f"{channel.name}: {type(error).__name__}"
    return None
