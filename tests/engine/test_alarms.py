"""Who is told of what is wrong, and when: once for each cause, and once when it is over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from boardsync.alarms.message import Line, Message
from boardsync.config.values import from_values
from boardsync.engine.alarms import OVER_SECONDS, Alarms, send_test
from boardsync.engine.announce import SECONDS
from boardsync.engine.causes import Cause, Kind
from boardsync.engine.channels import make_outboxes
from boardsync.engine.clock import now_ms
from boardsync.engine.outbox import MOST, Outbox
from boardsync.errors import SettingsError, TryAgain
from boardsync.state import alarms
from engine.world import SkippingClock, World, world
from state.state_kit import logged

WARNING, CRITICAL, INFORMATION = 1, 2, 0


@dataclass
class Noted:
    """A channel that notes what it is told. failures: so often it fails first."""

    name: str = "noted"
    failures: int = 0
    told: list[Message] = field(default_factory=list)
    tries: list[float] = field(default_factory=list)
    clock: SkippingClock | None = None

    async def tell(self, message: Message) -> None:
        if self.clock is not None:
            self.tries.append(self.clock.monotonic())
        if self.failures:
            self.failures -= 1
            raise TryAgain(f"{self.name}: not today")
        self.told.append(message)


class Waited(SkippingClock):
    """Who sleeps waits until time is let pass."""

    def __init__(self) -> None:
        super().__init__()
        self._sleeping: dict[asyncio.Event, float] = {}

    async def sleep(self, seconds: float) -> None:
        come = asyncio.Event()
        self._sleeping[come] = self.ahead + seconds
        await come.wait()

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        first = [asyncio.create_task(event.wait())]
        if seconds is not None:
            first.append(asyncio.create_task(self.sleep(seconds)))  # type: ignore[arg-type]
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in first:
                one.cancel()
            await asyncio.gather(*first, return_exceptions=True)

    def skip(self, seconds: float) -> None:
        super().skip(seconds)
        for come in [one for one, until in self._sleeping.items() if until <= self.ahead]:
            del self._sleeping[come]
            come.set()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, clock=Waited()) as made:
        yield made


def cause(kind: Kind = Kind.SERVER, name: str = "shelf", words: str = "it is away") -> Cause:
    return Cause(kind, name, name, words, 1000, stuck=True)


class Daemon:
    """Alarms, and what is wrong: `wrong` is looked at as often as in a daemon."""

    def __init__(self, here: World, channels: Sequence[Noted], levels: Sequence[int]) -> None:
        self.clock = here.clock
        self.wrong: list[Cause] = []
        outboxes = [
            Outbox(channel, level, 5.0, here.clock)
            for channel, level in zip(channels, levels, strict=True)
        ]
        self.alarms = Alarms(here.assembly, outboxes)
        self.alarms.remember()

    async def passes(self, seconds: float, *, looked: bool = True) -> None:
        """Let time pass."""
        for _ in range(max(1, int(seconds / SECONDS))):
            self.alarms.hear(self.wrong, looked=looked)
            for _ in range(5):
                await asyncio.sleep(0)
            self.clock.skip(SECONDS)
        await asyncio.sleep(0.02)


@asynccontextmanager
async def daemon(
    here: World, *channels: Noted, levels: Sequence[int] = ()
) -> AsyncIterator[Daemon]:
    """Run alarms as a daemon does, until it is stopped: then its state is closed."""
    write = here.state.write
    made = Daemon(here, channels, levels or [WARNING] * len(channels))
    running = asyncio.create_task(made.alarms.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled(), running.exception()
        await write(lambda _: None)


def said(channel: Noted) -> list[tuple[str, list[str], list[str]]]:
    """Return events, and the causes that began and are over."""
    return [
        (one.event, [line.cause for line in one.begun], [line.cause for line in one.over])
        for one in channel.told
    ]


class TestOnce:
    async def test_a_cause_is_told_once_and_once_when_it_is_over(self, here: World) -> None:
        channel = Noted()
        async with daemon(here, channel) as made:
            made.wrong = [cause()]
            await made.passes(3600)
            assert said(channel) == [("alarm", ["server:shelf"], [])]
            made.wrong = []
            await made.passes(3600)
        assert said(channel)[1:] == [("over", [], ["server:shelf"])]

    async def test_another_cause_is_told_for_itself(self, here: World) -> None:
        channel = Noted()
        async with daemon(here, channel) as made:
            made.wrong = [cause()]
            await made.passes(60)
            made.wrong = [cause(), cause(Kind.FAILING, "m"), cause(Kind.CHANGING, "m")]
            await made.passes(60)
            made.wrong = [cause()]
            await made.passes(120)
        assert said(channel) == [
            ("alarm", ["server:shelf"], []),
            ("alarm", ["failing:m", "changing:m"], []),
            ("over", [], ["failing:m", "changing:m"]),
        ]

    async def test_what_heals_at_once_is_not_told(self, here: World) -> None:
        channel = Noted()
        async with daemon(here, channel) as made:
            made.wrong = [cause()]
            await made.passes(SECONDS)
            made.wrong = []
            await made.passes(600)
        assert channel.told == []

    async def test_what_is_back_within_a_minute_was_never_over(self, here: World) -> None:
        channel = Noted()
        async with daemon(here, channel) as made:
            for _ in range(5):
                made.wrong = [cause()]
                await made.passes(60)
                made.wrong = []
                await made.passes(OVER_SECONDS - SECONDS)
        assert len(channel.told) == 1

    async def test_words_that_change_are_no_new_cause(self, here: World) -> None:
        channel = Noted()
        async with daemon(here, channel) as made:
            for number in range(20):
                made.wrong = [cause(words=f"attempt {number}")]
                await made.passes(60)
        assert len(channel.told) == 1

    async def test_what_is_not_alarming_yet_is_not_told(self, here: World) -> None:
        channel = Noted()
        async with daemon(here, channel) as made:
            made.wrong = [Cause(Kind.SERVER, "a", "a", "away", 1)]
            await made.passes(600)
            made.wrong = [Cause(Kind.HELD, "m", "m", "12 removals wait", 1)]
            await made.passes(60)
        assert said(channel) == [("alarm", ["held:m"], [])]

    async def test_without_a_channel_the_log_tells_it(self, here: World) -> None:
        with logged() as lines:
            async with daemon(here) as made:
                made.wrong = [cause()]
                await made.passes(60)
                made.wrong = []
                await made.passes(120)
        told = [(one["level"], one["event"], one["cause"]) for one in lines if "cause" in one]
        assert told == [
            ("warning", "alarm", "server:shelf"), ("info", "alarm is over", "server:shelf"),
        ]  # fmt: skip


class TestRestart:
    async def test_what_was_told_is_not_told_again(self, here: World) -> None:
        first, second = Noted(), Noted()
        async with daemon(here, first) as made:
            made.wrong = [cause()]
            await made.passes(60)
        async with daemon(here, second) as made:
            made.wrong = [cause()]
            await made.passes(600)
            assert second.told == []
            made.wrong = []
            await made.passes(120)
        assert said(second) == [("over", [], ["server:shelf"])]
        with here.state.read() as connection:
            assert alarms.kept(connection) == []

    async def test_what_was_told_at_the_last_moment_is_kept(self, here: World) -> None:
        channel, hold = Noted(), threading.Event()
        async with daemon(here, channel) as made:
            slow = asyncio.ensure_future(here.state.write(lambda _: hold.wait(20)))
            made.wrong = [cause()]
            await made.passes(60)
            assert len(channel.told) == 1
            hold.set()
        await slow
        with here.state.read() as connection:
            [kept] = alarms.kept(connection)
        assert kept.told_ms is not None

    async def test_nothing_is_over_before_everything_was_looked_at(self, here: World) -> None:
        first, second = Noted(), Noted()
        async with daemon(here, first) as made:
            made.wrong = [cause()]
            await made.passes(60)
        async with daemon(here, second) as made:
            await made.passes(3600, looked=False)
            made.wrong = [cause()]
            await made.passes(600)
        assert second.told == []

    async def test_what_nobody_was_told_is_told_after_it(self, here: World) -> None:
        broken, second = Noted(failures=1000), Noted()
        async with daemon(here, broken) as made:
            made.wrong = [cause()]
            await made.passes(60)
        async with daemon(here, second) as made:
            made.wrong = [cause()]
            await made.passes(60)
        assert said(second) == [("alarm", ["server:shelf"], [])]

    async def test_what_nobody_was_told_and_is_over_is_forgotten(self, here: World) -> None:
        async with daemon(here, Noted(failures=1000)) as made:
            made.wrong = [cause()]
            await made.passes(60)
        with here.state.read() as connection:
            assert [one.told_ms for one in alarms.kept(connection)] == [None]
        second = Noted()
        async with daemon(here, second) as made:
            await made.passes(600)
        with here.state.read() as connection:
            assert alarms.kept(connection) == []
        assert second.told == []

    async def test_what_was_over_while_nobody_ran_is_said(self, here: World) -> None:
        first, second = Noted(), Noted()
        async with daemon(here, first) as made:
            made.wrong = [cause(Kind.DAMAGED, "boardsync", "broken")]
            await made.passes(60)
        here.clock.skip(86_400)
        async with daemon(here, second, levels=[CRITICAL]) as made:
            await made.passes(120)
        assert said(second) == [("over", [], ["damaged:boardsync"])]

    async def test_a_storm_of_restarts_is_no_storm_of_messages(self, here: World) -> None:
        here.settings["alarms"] = {"most_an_hour": 3}
        await here.restart()
        channel = Noted()
        for number in range(20):
            async with daemon(here, channel) as made:
                made.wrong = [cause(name=f"server {number}")]
                await made.passes(30)
        assert len(channel.told) == 3


class TestPace:
    @pytest.fixture
    async def made(self, here: World) -> AsyncIterator[tuple[Daemon, Noted]]:
        here.settings["alarms"] = {"most_an_hour": 3}
        await here.restart()
        channel = Noted()
        async with daemon(here, channel) as running:
            yield running, channel

    async def test_what_is_too_much_is_told_in_one_summary(
        self, made: tuple[Daemon, Noted]
    ) -> None:
        running, channel = made
        for number in range(20):
            running.wrong.append(cause(name=f"s{number}"))
            await running.passes(60)
        assert [len(one.begun) for one in channel.told] == [1, 1, 1]
        assert [bool(one.remark) for one in channel.told] == [False, False, True]
        assert "are gathered until" in channel.told[-1].text

        await running.passes(3600)
        assert [(one.event, len(one.begun)) for one in channel.told[3:]] == [("summary", 17)]

    async def test_what_came_and_went_meanwhile_is_counted(
        self, made: tuple[Daemon, Noted]
    ) -> None:
        running, channel = made
        for number in range(8):
            running.wrong = [cause(name="lasting"), cause(name=f"s{number}")]
            await running.passes(60)
        running.wrong = [cause(name="lasting")]
        await running.passes(3 * 3600)
        [summary] = [one for one in channel.told if one.event == "summary"]
        assert channel.told.index(summary) == 3
        told = {line.cause for one in channel.told for line in one.begun} - {"server:lasting"}
        assert summary.passed == 8 - len(told) > 0
        assert f"{summary.passed} more came and went" in summary.text

    async def test_there_is_never_more_than_that_in_an_hour(
        self, made: tuple[Daemon, Noted]
    ) -> None:
        running, channel = made
        moments = []
        for number in range(200):
            running.wrong = [cause(name=f"s{number // 2}")]
            before = len(channel.told)
            await running.passes(60)
            moments += [running.clock.monotonic()] * (len(channel.told) - before)
        assert len(moments) > 6
        for first, fourth in zip(moments, moments[3:], strict=False):
            assert fourth - first >= 3600 - SECONDS


class TestChannels:
    async def test_each_is_told_what_is_grave_enough_for_it(self, here: World) -> None:
        quiet, usual, chatty = Noted(), Noted(), Noted()
        async with daemon(
            here, quiet, usual, chatty, levels=[CRITICAL, WARNING, INFORMATION]
        ) as made:
            made.wrong = [
                Cause(Kind.REFUSED, "m", "m", "3 refused", 1),
                cause(),
                cause(Kind.FULL, "boardsync", "full"),
            ]
            await made.passes(60)
        assert said(quiet) == [("alarm", ["full:boardsync"], [])]
        assert said(usual) == [("alarm", ["server:shelf", "full:boardsync"], [])]
        assert said(chatty) == [("alarm", ["refused:m", "server:shelf", "full:boardsync"], [])]

    async def test_one_that_fails_is_tried_later_and_later_and_holds_nobody_up(
        self, here: World
    ) -> None:
        broken, working = Noted("broken", failures=6, clock=here.clock), Noted()
        async with daemon(here, broken, working) as made:
            made.wrong = [cause()]
            await made.passes(30)
            assert (len(working.told), len(broken.told)) == (1, 0)
            await made.passes(2 * 3600)
        assert said(broken) == [("alarm", ["server:shelf"], [])]
        waits = [b - a for a, b in zip(broken.tries, broken.tries[1:], strict=False)]
        assert len(waits) == 6
        assert waits[0] >= 6
        assert waits[-1] > 100
        assert waits == sorted(waits)

    async def test_one_that_fails_for_ever_is_asked_seldom_and_told_in_the_log(
        self, here: World
    ) -> None:
        broken = Noted("broken", failures=10**6, clock=here.clock)
        with logged() as lines:
            async with daemon(here, broken) as made:
                made.wrong = [cause()]
                await made.passes(24 * 3600)
        assert len(broken.tries) < 24 * 4 * 2
        [first, *_] = [one for one in lines if one["event"] == "an alarm did not arrive"]
        assert first["why"] == "broken: not today"

    async def test_one_that_hangs_is_left_after_its_time(self, here: World) -> None:
        class Hangs(Noted):
            async def tell(self, message: Message) -> None:
                self.tries.append(0)
                await asyncio.Event().wait()

        hangs = Hangs()
        outbox = Outbox(hangs, WARNING, 0.01, here.clock)
        [tried] = await send_test([outbox], here.clock)
        assert (tried.arrived, tried.words) == (False, "noted: no answer within 0.01 s")

    async def test_a_mistake_of_ours_on_one_does_not_silence_the_others(self, here: World) -> None:
        class Broken(Noted):
            async def tell(self, message: Message) -> None:
                raise ZeroDivisionError

        working = Noted()
        with logged() as lines:
            async with daemon(here, Broken("broken"), working) as made:
                made.wrong = [cause()]
                await made.passes(30)
        assert len(working.told) == 1
        assert [one for one in lines if one["event"].startswith("bug: an alarm failed")]

    async def test_what_waits_for_a_broken_one_has_an_end(self, here: World) -> None:
        outbox = Outbox(Noted(), WARNING, 5.0, here.clock)
        for number in range(3 * MOST):
            line = Line(f"server:{number}", WARNING, "away", 1)
            assert outbox.put(Message("alarm", "h", number, [line]))
        assert len(outbox._waiting) == MOST
        assert outbox._waiting[-1].begun[0].cause == f"server:{3 * MOST - 1}"

    async def test_a_state_that_cannot_be_written_holds_no_alarm_back(self, here: World) -> None:
        channel = Noted()
        async with daemon(here, channel) as made:
            stuck = asyncio.Event()

            async def never(_: object) -> None:
                await stuck.wait()

            here.state.write = never  # type: ignore[assignment, method-assign]
            made.wrong = [cause(Kind.FULL, "boardsync", "full")]
            await made.passes(60)
            made.wrong = []
            await made.passes(120)
        assert [one[0] for one in said(channel)] == ["alarm", "over"]


class TestSettings:
    def test_each_kind_of_channel_is_made(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("THE_SECRET", "https://example.org/open-sesame")
        secret = {"env": "THE_SECRET"}
        settings = from_values({
            "alarms": {"channels": [
                {"command": ["tell", "me"], "at_least": "critical", "timeout": "3 s"},
                {"webhook": "https://example.org/a"},
                {"webhook_from": secret, "secret_headers": {"X-Key": secret}},
                {"ntfy": "https://ntfy.sh/topic", "token": secret},
                {"mail": {"to": ["a@b.c"], "sender": "d@e.f", "host": "h", "user": "u",
                          "password": secret}},
            ]},
        })  # fmt: skip
        made = make_outboxes(settings.alarms, SkippingClock())
        assert [one.channel.name for one in made] == [
            "command tell", "webhook at example.org", "webhook at example.org",
            "ntfy at ntfy.sh", "mail by h",
        ]  # fmt: skip
        assert [(one.level, one.seconds) for one in made[:2]] == [(CRITICAL, 3.0), (WARNING, 30.0)]
        assert "open-sesame" not in repr([one.channel for one in made])

    def test_a_secret_that_is_missing_is_refused_at_the_start(self) -> None:
        settings = from_values(
            {"alarms": {"channels": [{"webhook_from": {"env": "NOT_SET_ANYWHERE"}}]}}
        )
        with pytest.raises(SettingsError, match="NOT_SET_ANYWHERE is not set"):
            make_outboxes(settings.alarms, SkippingClock())

    def test_a_header_that_cannot_be_sent_is_refused_without_its_value(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("THE_SECRET", "ö")
        channel = {"webhook": "https://a.b/", "secret_headers": {"X": {"env": "THE_SECRET"}}}
        settings = from_values({"alarms": {"channels": [channel]}})
        with pytest.raises(SettingsError, match="header X holds letters") as refused:
            make_outboxes(settings.alarms, SkippingClock())
        assert "ö" not in str(refused.value)


async def test_a_test_says_of_every_channel_whether_it_arrived(here: World) -> None:
    working, broken = Noted("working"), Noted("broken", failures=1)
    outboxes = [Outbox(one, CRITICAL, 5.0, here.clock) for one in (working, broken)]
    tried = await send_test(outboxes, here.clock)
    assert [(one.channel, one.arrived, one.words) for one in tried] == [
        ("working", True, "arrived"), ("broken", False, "broken: not today"),
    ]  # fmt: skip
    [message] = working.told
    assert (message.event, message.at_ms) == ("test", pytest.approx(now_ms(here.clock), abs=9999))
    assert "nothing is wrong" in message.text
