"""What is to be told on one channel, in order, until it has arrived. Nobody waits for it."""

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
    """

    def __init__(self, channel: Channel, level: int, seconds: float, clock: Clock) -> None:
        self.channel = channel
        self.level = level
        self.seconds = seconds
        self._clock = clock
        self._waiting: deque[Message] = deque()
        self._wake = asyncio.Event()
        self.delivered: Callable[[Message], None] = lambda _: None

    def put(self, message: Message) -> bool:
        """Take a message; tell whether anything in it is for this channel."""
        part = message.at_least(self.level)
        if part is None:
            return False
        if len(self._waiting) >= MOST:
            given_up = self._waiting.popleft()
            log.warning("an alarm was never told", channel=self.channel.name, title=given_up.title)
        self._waiting.append(part)
        self._wake.set()
        return True

    async def run(self) -> None:
        """Tell what comes, until cancelled; what does not arrive is tried later and later."""
        while True:
            self._wake.clear()
            attempt = 0
            while self._waiting:
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
                await self._clock.sleep(wait)
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
