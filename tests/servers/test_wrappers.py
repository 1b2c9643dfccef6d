"""Wrappers add one concern each, and change nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import BinaryIO

import pytest
import stamina.instrumentation

from boardsync.errors import (
    BoardMissing,
    BoardsyncError,
    FileChanging,
    OutcomeUnknown,
    ServerBusy,
    ServerFault,
    ServerUnreachable,
)
from boardsync.model import Board, Download, Item, Upload, UploadResult
from boardsync.servers.memory import CAPABILITIES, MemoryServer
from boardsync.servers.port import BoardId
from boardsync.servers.wrappers import (
    Bandwidth,
    Limited,
    Metered,
    Pauses,
    Policy,
    Retrying,
    Shared,
    Slots,
    Throttled,
    compose,
)
from servers.contract import picture, stored, upload_of
from servers.meters import Measured, Meters

AT_ONCE = Pauses(first=0.0, jitter=0.0)


@dataclass
class Time:
    """A clock that moves only when somebody sleeps."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    async def wait(self, _: asyncio.Event, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class SlowServer(MemoryServer):
    """Transfers that last until `release`, counting how many are under way."""

    def __init__(self) -> None:
        super().__init__("slow", replace(CAPABILITIES, uploads_at_once=3, downloads_at_once=2))
        self.release = asyncio.Event()
        self.under_way = 0
        self.most = 0

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        await self._work()
        return await super().upload(board_id, uploads)

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        await self._work()
        return await super().download(item, sink)

    async def _work(self) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.release.wait()
        self.under_way -= 1


class TornServer(MemoryServer):
    """A download that breaks off midway so many times."""

    breaks = 1

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        if self.breaks:
            self.breaks -= 1
            sink.write(b"torn")
            raise ServerFault("connection reset in the middle")
        return await super().download(item, sink)


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer("memory")


@pytest.fixture
async def board(server: MemoryServer) -> Board:
    return await server.create_board("board")


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """The waits that retries plan."""
    planned: list[float] = []
    stamina.instrumentation.set_on_retry_hooks([lambda details: planned.append(details.wait_for)])
    yield planned
    stamina.instrumentation.set_on_retry_hooks(None)


# Retrying


async def test_a_read_that_fails_twice_succeeds(server: MemoryServer, board: Board) -> None:
    server.faults.errors = [ServerUnreachable("refused"), ServerFault("500")]
    listing = await Retrying(server, AT_ONCE).listing(board.board_id)
    assert listing.complete
    assert server.calls["listing"] == 3


async def test_what_is_asked_again_is_told_each_time_and_the_first_try_is_not(
    server: MemoryServer,
) -> None:
    meters = Meters()
    whole = compose(server, Policy(pauses=AT_ONCE), meters)
    await whole.boards()
    server.faults.errors = [ServerUnreachable("refused"), ServerFault("500")]
    await whole.boards()
    assert meters.retries == ["boards", "boards"]
    assert [one.operation for one in meters.seen] == ["boards"] * 4


async def test_the_third_failure_of_a_read_is_the_callers(server: MemoryServer) -> None:
    server.faults.errors = [ServerFault("1"), ServerFault("2"), ServerFault("3"), ServerFault("4")]
    with pytest.raises(ServerFault, match="3"):
        await Retrying(server, AT_ONCE).boards()
    assert server.calls["boards"] == 3


async def test_what_does_not_heal_is_not_asked_again(server: MemoryServer) -> None:
    with pytest.raises(BoardMissing):
        await Retrying(server, AT_ONCE).board("nothing")
    assert server.calls["board"] == 1


@pytest.mark.parametrize("error", [ServerUnreachable("refused"), ServerBusy("wait")])
async def test_writes_are_never_repeated(
    server: MemoryServer, board: Board, error: BoardsyncError
) -> None:
    patient = Retrying(server, AT_ONCE)
    item = server.put(board.board_id, "a.png", picture(), whole=False)
    board_id = board.board_id
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "create_board": lambda: patient.create_board("new"),
        "rename_board": lambda: patient.rename_board(board_id, "new"),
        "upload": lambda: patient.upload(board_id, [upload_of(picture())]),
        "delete_ghost": lambda: patient.delete_ghost(item),
        "move": lambda: patient.move(item, None),
        "trash": lambda: patient.trash(item, "key"),
        "untrash": lambda: patient.untrash(item.item_id, board_id),
        "purge": lambda: patient.purge(item.item_id),
    }
    for operation, call in calls.items():
        before = server.calls[operation]
        server.faults.errors = [error]
        with pytest.raises(type(error)):
            await call()
        assert server.calls[operation] == before + 1


async def test_waits_grow_and_stay_below_the_longest(
    server: MemoryServer, waits: list[float]
) -> None:
    server.faults.errors = [ServerFault("again")] * 4
    pauses = Pauses(attempts=5, first=0.001, longest=0.003, jitter=0.0)
    await Retrying(server, pauses).boards()
    assert waits == pytest.approx([0.001, 0.002, 0.003, 0.003])


async def test_a_server_that_names_a_wait_gets_it(server: MemoryServer, waits: list[float]) -> None:
    server.faults.errors = [ServerBusy("wait", retry_after=0.01), ServerBusy("go", retry_after=0.0)]
    await Retrying(server, Pauses(first=3.0)).boards()
    assert waits == [0.01, 0.0]


async def test_a_wait_beyond_patience_is_left_to_the_caller(
    server: MemoryServer, waits: list[float]
) -> None:
    server.faults.errors = [ServerBusy("maintenance", retry_after=31.0)]
    with pytest.raises(ServerBusy):
        await Retrying(server).boards()
    assert waits == []


async def test_a_repeated_download_starts_its_sink_afresh() -> None:
    torn = TornServer("torn")
    board = await torn.create_board("board")
    item = torn.put(board.board_id, "a.png", b"ok")
    sink = BytesIO()
    sink.write(b"before ")
    await Retrying(torn, AT_ONCE).download(item, sink)
    assert sink.getvalue() == b"before ok"


# Limited


@pytest.mark.parametrize(("chosen", "expected"), [(None, 3), (1, 1), (5, 5)])
async def test_so_many_uploads_run_at_once(chosen: int | None, expected: int) -> None:
    slow = SlowServer()
    board = await slow.create_board("board")
    limited = Limited(slow, uploads_at_once=chosen)
    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(limited.upload(board.board_id, [upload_of(picture(number))]))
        while slow.under_way < expected:
            await asyncio.sleep(0)
        slow.release.set()
    assert slow.most == expected
    assert slow.calls["upload"] == 8


async def test_downloads_have_slots_of_their_own_and_reading_needs_none() -> None:
    slow = SlowServer()
    board = await slow.create_board("board")
    item = slow.put(board.board_id, "a.png", picture())
    limited = Limited(slow)
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(limited.download(item, BytesIO()))
            group.create_task(limited.upload(board.board_id, [upload_of(picture())]))
        while slow.under_way < 5:
            await asyncio.sleep(0)
        assert (await limited.listing(board.board_id)).complete
        slow.release.set()
    assert slow.most == 5


async def test_a_failed_transfer_gives_its_slot_back(server: MemoryServer, board: Board) -> None:
    limited = Limited(server, uploads_at_once=1)
    server.faults.errors = [ServerBusy("wait")]
    with pytest.raises(ServerBusy):
        await limited.upload(board.board_id, [upload_of(picture())])
    assert stored((await limited.upload(board.board_id, [upload_of(picture())]))[0])


async def test_calls_beyond_the_rate_wait(server: MemoryServer) -> None:
    limited = Limited(server, requests_per_second=100)
    loop = asyncio.get_running_loop()
    start = loop.time()
    for _ in range(110):
        await limited.boards()
    assert loop.time() - start >= 0.08


# Throttled


async def test_uploads_keep_to_their_rate(server: MemoryServer, board: Board) -> None:
    time = Time()
    throttled = Throttled(server, up=Bandwidth(1000, time.clock, time.wait), down=Bandwidth(None))
    upload = replace(upload_of(picture()), content=bytes(500))
    for _ in range(5):
        await throttled.upload(board.board_id, [upload, upload])
    assert time.now == 104.0
    await asyncio.gather(*(throttled.upload(board.board_id, [upload]) for _ in range(4)))
    assert time.now == pytest.approx(106.5)


async def test_downloads_keep_to_their_rate_and_pay_for_torn_ones_too() -> None:
    time = Time()
    torn = TornServer("torn")
    board = await torn.create_board("board")
    item = torn.put(board.board_id, "a.png", bytes(100))
    throttled = Throttled(torn, up=Bandwidth(None), down=Bandwidth(100, time.clock, time.wait))
    with pytest.raises(ServerFault):
        await throttled.download(item, BytesIO())
    await throttled.download(item, BytesIO())
    await throttled.download(item, BytesIO())
    assert time.slept == pytest.approx([0.04, 1.0])


async def test_without_a_rate_nothing_waits(server: MemoryServer, board: Board) -> None:
    time = Time()
    free = Bandwidth(None, time.clock, time.wait)
    throttled = Throttled(server, up=free, down=free)
    for _ in range(3):
        await throttled.upload(board.board_id, [upload_of(picture())])
    assert time.slept == []


async def test_idle_time_is_not_saved_up(server: MemoryServer, board: Board) -> None:
    time = Time()
    throttled = Throttled(server, up=Bandwidth(1000, time.clock, time.wait), down=Bandwidth(None))
    upload = replace(upload_of(picture()), content=bytes(1000))
    time.now += 3600
    await throttled.upload(board.board_id, [upload])
    await throttled.upload(board.board_id, [upload])
    assert time.slept == [1.0]


async def test_a_rate_that_changes_while_somebody_waits_counts_from_then_on(
    server: MemoryServer, board: Board
) -> None:
    time = Time()
    # A night of no limit begins after 150 seconds, and a day of a tenth of it before that.
    up = Bandwidth(lambda: 10 if time.now < 250.0 else None, time.clock, time.wait)
    throttled = Throttled(server, up=up, down=Bandwidth(None))
    upload = replace(upload_of(picture()), content=bytes(6000))
    await throttled.upload(board.board_id, [upload])
    await throttled.upload(board.board_id, [upload])
    assert time.now == 280.0  # looked at every minute, not after the ten that it would have taken
    await throttled.upload(board.board_id, [upload])
    assert time.slept == [60.0, 60.0, 60.0]


async def test_what_was_moved_without_a_limit_is_owed_to_nobody(
    server: MemoryServer, board: Board
) -> None:
    time = Time()
    up = Bandwidth(lambda: None if time.now < 200.0 else 10, time.clock, time.wait)
    throttled = Throttled(server, up=up, down=Bandwidth(None))
    upload = replace(upload_of(picture()), content=bytes(6000))
    await throttled.upload(board.board_id, [upload])
    time.now = 200.0
    await throttled.upload(board.board_id, [replace(upload, content=bytes(20))])
    assert time.slept == []
    await throttled.upload(board.board_id, [upload])
    assert time.slept == [2.0]


async def test_two_servers_keep_to_a_rate_that_they_share(board: Board) -> None:
    time = Time()
    shared = Bandwidth(1000, time.clock, time.wait)
    upload = replace(upload_of(picture()), content=bytes(500))
    servers = [MemoryServer("one"), MemoryServer("two")]
    boards = [await one.create_board("board") for one in servers]
    own = [Bandwidth(None), Bandwidth(500, time.clock, time.wait)]
    throttled = [
        Throttled(one, up=(mine, shared), down=Bandwidth(None))
        for one, mine in zip(servers, own, strict=True)
    ]
    for _ in range(4):
        await throttled[0].upload(boards[0].board_id, [upload])
    assert time.now == 101.5
    await throttled[1].upload(boards[1].board_id, [upload])
    assert time.now == 102.0  # half a second for what the other one sent
    await throttled[1].upload(boards[1].board_id, [upload])
    assert time.now == 103.0  # and a whole one for its own


# Metered


async def test_every_operation_is_told_with_its_bytes(server: MemoryServer, board: Board) -> None:
    meters = Meters()
    ticks = iter(range(100))
    metered = Metered(server, meters, clock=lambda: float(next(ticks)))
    [result] = await metered.upload(board.board_id, [upload_of(picture())])
    await metered.download(stored(result), BytesIO())
    await metered.listing(board.board_id)
    size = len(picture())
    assert meters.seen == [
        Measured("upload", 1.0, "ok", size, 0),
        Measured("download", 1.0, "ok", 0, size),
        Measured("listing", 1.0, "ok", 0, 0),
    ]


async def test_errors_are_told_by_class(server: MemoryServer, board: Board) -> None:
    meters = Meters()
    metered = Metered(server, meters)
    server.faults.errors = [ServerBusy("wait")]
    with pytest.raises(ServerBusy):
        await metered.boards()
    server.faults.lost_answers = 1
    await metered.upload(board.board_id, [upload_of(picture(1)), upload_of(picture(2))])
    item = server.put(board.board_id, "a.png", picture(), whole=False)
    with pytest.raises(FileChanging):
        await metered.download(item, BytesIO())
    assert [(seen.operation, seen.outcome) for seen in meters.seen] == [
        ("boards", "ServerBusy"),
        ("upload", "OutcomeUnknown"),
        ("download", "FileChanging"),
    ]


async def test_a_cancelled_call_is_told_too() -> None:
    slow = SlowServer()
    board = await slow.create_board("board")
    meters = Meters()
    task = asyncio.create_task(Metered(slow, meters).upload(board.board_id, [upload_of(picture())]))
    while not slow.under_way:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [seen.outcome for seen in meters.seen] == ["CancelledError"]


# All together


async def test_every_attempt_is_metered_and_waiting_holds_no_slot(
    server: MemoryServer, board: Board
) -> None:
    meters = Meters()
    policy = Policy(downloads_at_once=1, pauses=replace(AT_ONCE, first=0.001))
    whole = compose(server, policy, meters)
    item = server.put(board.board_id, "a.png", picture())
    server.faults.errors = [ServerUnreachable("refused")]
    await asyncio.gather(whole.download(item, BytesIO()), whole.download(item, BytesIO()))
    outcomes = [seen.outcome for seen in meters.seen if seen.operation == "download"]
    assert outcomes == ["ServerUnreachable", "ok", "ok"]


async def test_a_lost_answer_passes_through_untouched(server: MemoryServer, board: Board) -> None:
    whole = compose(server, Policy(pauses=AT_ONCE), Meters())
    server.faults.lost_answers = 1
    [result] = await whole.upload(board.board_id, [upload_of(picture())])
    assert isinstance(result.error, OutcomeUnknown)
    assert server.calls["upload"] == 1


async def test_removals_and_moves_pass_through_with_all_they_were_given(
    server: MemoryServer, board: Board
) -> None:
    meters = Meters()
    whole = compose(server, Policy(pauses=AT_ONCE), meters)
    item = server.put(board.board_id, "a.png", picture())
    moved = await whole.move(item, None, "b.png")
    trashed_id = await whole.trash(moved, "key")
    trashed = await whole.in_trash(trashed_id)
    assert trashed is not None
    assert trashed.trashed
    back = await whole.untrash(trashed_id, board.board_id, "c.png")
    assert back == item
    await whole.purge(await whole.trash(back, "another-key"))
    assert (await whole.rename_board(board.board_id, "renamed")).name == "renamed"
    assert [seen.operation for seen in meters.seen] == [
        "move", "trash", "in_trash", "untrash", "trash", "purge", "rename_board",
    ]  # fmt: skip


async def test_a_wrapped_server_shows_its_name_and_record(server: MemoryServer) -> None:
    whole = compose(server, Policy(), Meters())
    assert (whole.name, whole.capabilities) == ("memory", server.capabilities)
    await whole.aclose()
    await whole.aclose()


async def test_servers_share_slots_and_who_waits_for_bandwidth_holds_none() -> None:
    slots = Slots(1)
    upload = replace(upload_of(picture()), content=bytes(100))
    slow, free = SlowServer(), MemoryServer("free")
    boards = [await one.create_board("board") for one in (slow, free)]
    # After its first upload it waits for its rate: much longer than this test lasts.
    starved = compose(slow, Policy(bandwidth_up=1, shared=Shared(at_once=slots)), Meters())
    quick = compose(free, Policy(shared=Shared(at_once=slots)), Meters())

    first = asyncio.create_task(starved.upload(boards[0].board_id, [upload]))
    second = asyncio.create_task(starved.upload(boards[0].board_id, [upload]))
    third = asyncio.create_task(quick.upload(boards[1].board_id, [upload]))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not third.done()  # the only slot is taken

    slow.release.set()
    await asyncio.wait_for(asyncio.gather(first, third), 10)
    assert not second.done()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert slots.held == 0


async def test_a_composed_server_keeps_to_the_rates_that_it_shares(
    server: MemoryServer, board: Board
) -> None:
    time = Time()
    shared = Shared(
        up=Bandwidth(100, time.clock, time.wait), down=Bandwidth(10, time.clock, time.wait)
    )
    whole = compose(server, Policy(shared=shared), Meters())
    item = server.put(board.board_id, "a.png", bytes(100))
    for _ in range(2):
        await whole.upload(board.board_id, [replace(upload_of(picture()), content=bytes(100))])
        await whole.download(item, BytesIO())
    assert time.slept == pytest.approx([1.0, 9.0])
