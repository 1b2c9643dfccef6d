"""One history: a world is drawn from a seed, lived through, left in peace, and judged."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import re
import shutil
import tempfile
import traceback
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from boardsync.config.values import from_values
from boardsync.engine import consent
from boardsync.engine.again import again_all
from boardsync.engine.assembly import Assembly, assemble
from boardsync.engine.context import Mirror
from boardsync.engine.planning import plan_mirrors
from boardsync.engine.schedule import follow_clock, make_scheduler
from boardsync.engine.sweep import sweep
from boardsync.plan.links import Consent
from boardsync.servers.memory import MemoryServer
from boardsync.servers.port import Server
from boardsync.servers.wrappers.keeping import Keeping
from boardsync.servers.wrappers.kept import KeptPictures
from boardsync.state import holds, links, places, transfers
from boardsync.state.database import open_scratch, open_state
from sim.disk import SimDisk
from sim.fate import act, draw_disk_faults, harm_state, memory
from sim.judge import judge
from sim.ledger import Ledger
from sim.loop import SimClock, SimLoop
from sim.people import People
from sim.process import Killed, Process, SteppingWriter
from sim.server import SimServer, Weather
from sim.setup import FOLDER, KEPT, LATE_SECONDS, TRASH, draw_setup, draw_weather
from state.empty import empty_state

ROUNDS = 40
ROUND_SECONDS = 90.0
QUIET_ROUNDS = 2
MOST_STEPS = 3000
MOST_LINES = 10_000
"""What is noted in a history; the longest that come to an end have a tenth of it."""
LONGEST_LATE = max(LATE_SECONDS)
AGAIN = "boardsync again --all"
BOARD_TAKEN = "is that of subfolder '[^']+' already; rename '([^']+)'"
BOARD_GONE = "board '([^']+)' was deleted on server|has no board '([^']+)'; make it"
WIDE = 1 << 32
"""The first seed of wider worlds: servers encode anew, and people delete boards."""
LESSER = 2 << 32
"""The first seed of wider worlds whose servers lack a trash, moves or new names for boards."""
DELETING = 3 << 32
"""The first seed of such worlds where a server without a trash may delete for good."""
NAMING = 4 << 32
"""The first seed of such worlds whose pulled files may have templated names, and sidecars."""
SEED_END = 5 << 32
ASKED_FOR = "mount its disk, or put them back"
Body = Callable[[Assembly], Awaitable[None]]
Story = Callable[["World"], Awaitable[None]]


class TooBusy(BaseException):
    """The process does the same again and again."""


@dataclass(slots=True)
class Report:
    """What became of one history. digest: of everything that was asked and of what is there.

    steps: that the process of the first life took.
    """

    seed: int
    steps: int = 0
    findings: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    digest: str = ""


class World:
    """Everything outside the process, and the process of the moment."""

    def __init__(
        self, seed: int, loop: SimLoop, source: random.Random, base: Path, first_death: int | None
    ) -> None:
        self.report = Report(seed)
        self.first_death = first_death
        self.source = source
        self.loop = loop
        self.clock = SimClock(loop)
        self.state = base / "state.db"
        self.scratch = base / "scratch"
        self.setup = draw_setup(
            source, wide=seed >= WIDE, lesser=seed >= LESSER, deleting=seed >= DELETING,
            naming=seed >= NAMING,
        )  # fmt: skip
        self.settings = self.setup.settings(self.state)
        self.disk = SimDisk(
            self.clock.now_ns, source, granularity_ns=self.setup.granularity_ns,
            folded=self.setup.folded,
        )  # fmt: skip
        self.server = MemoryServer("server", self.setup.capabilities, self.clock.now_ms)
        self.disk.note = self.note
        self.ledger = Ledger(self.disk, self.server)
        self.people = People(
            self.setup, self.disk, self.server, self.ledger, loop, source, self.note, self._hint
        )
        self.weather = Weather()
        self.process = Process()
        self.assembly: Assembly | None = None
        self.state_harmed = False
        self.holds_answered = False
        self.note(f"the world: {self.setup}")
        for path in (FOLDER, TRASH):
            self.disk.make(path)
        made = self.setup.board_names[: 2 if self.setup.pushes else None]
        for name in [*made, "elsewhere", *(made[:1] if self.setup.doubled_board else ())]:
            self.server.add_board(name)

    def note(self, text: str) -> None:
        """Write down what happened. Raises TooBusy when that is more than a history can hold."""
        self.report.journal.append(f"{self.loop.time():9.3f} {text}")
        if len(self.report.journal) >= MOST_LINES:
            raise TooBusy

    def find(self, text: str) -> None:
        """Write down what should not have happened."""
        self.report.findings.append(text)
        self.report.journal.append(f"{self.loop.time():9.3f} FOUND: {text}")

    @property
    def obstructed(self) -> bool:
        """Whether something happened after which a deletion may stay on one side."""
        return (
            self.state_harmed or self.holds_answered or self.people.unmounted or self.clock.stepped
        )

    def _hint(self, path: bytes, closed: bool) -> None:
        if self.assembly is not None and self.process.alive:
            self.assembly.workers["m"].hint_path(path, closed=closed)

    async def run_process(self, body: Body, dies_after: int | None = None) -> None:
        """Run a process until it dies, or until what happens meanwhile is over."""
        self.process = process = Process(dies_after)
        self.disk.step = process.step
        self.note(f"a process begins, and dies after {dies_after} steps")
        state = open_state(self.state, inline=True)
        state._writer = SteppingWriter(state._writer, process, self.delay)
        server = self._way_to_the_server(process)
        tasks: list[asyncio.Task[Any]] = []
        try:
            settings = from_values(self.settings)
            self.assembly = await assemble(
                settings, state, self.clock, {"server": server}, self.disk
            )
            for mirror in self.assembly.mirrors:
                if mirror.settings.direction.pulls:
                    await sweep(mirror)
            tasks += [carrier.start() for carrier in self.assembly.carriers.values()]
            worker = self.assembly.workers["m"]
            tasks.append(asyncio.create_task(worker.run()))
            clockwork = follow_clock(make_scheduler(self.assembly), self.assembly)
            tasks.append(asyncio.create_task(clockwork))
            worker.hint_everything("start")
            await body(self.assembly)
            await self._stop(self.assembly, tasks)
        except Killed:
            self.note(f"the process dies at {process.last!r}")
        finally:
            await self._end(process)
            self.assembly = None
            state.close()

    def _way_to_the_server(self, process: Process) -> Server:
        way = SimServer(self.server, process, self.weather, self.source, self.note)
        deletes = self.setup.capabilities.deletes
        return Keeping(way, KeptPictures(KEPT, self.disk)) if deletes else way

    async def _stop(self, assembly: Assembly, tasks: list[asyncio.Task[Any]]) -> None:
        """Stop as the service does: no more passes, then drain."""
        if not self.process.alive:
            raise Killed
        assembly.workers["m"].stop()
        for task in tasks[-2:]:
            task.cancel()
        await asyncio.gather(*tasks[-2:], return_exceptions=True)
        await asyncio.gather(*(one.drain(5.0) for one in assembly.carriers.values()))
        self.note("the process stops")

    async def _end(self, process: Process) -> None:
        """Let nothing of a process live on.

        `wait_for` of Python 3.11 can swallow a cancellation, hence the tries, and a carrier that
        lives on for one of them must not begin anything.
        """
        process.kill()
        for carrier in self.assembly.carriers.values() if self.assembly else ():
            carrier.stop()
        for _ in range(100):
            left = asyncio.all_tasks() - {asyncio.current_task()}
            if not left:
                return
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=0.1)
        self.find("a dead process cannot be ended")

    def delay(self) -> float:
        """Return how long a thread takes to get to something."""
        return self.source.choice((0.0, 0.0, 0.001, 0.02))


async def _live(world: World, *, first: bool) -> None:
    """Let a process live while people act and the weather is bad."""
    source, setup = world.source, world.setup
    late, world.weather = world.weather.late_ones, draw_weather(source, setup)
    world.weather.late_ones = late
    draw_disk_faults(world)
    mortal = source.random() < 0.8
    steps = int(MOST_STEPS ** source.random()) if mortal else None
    if first and world.first_death is not None:
        steps = world.first_death

    async def meanwhile(assembly: Assembly) -> None:
        for _ in range(setup.acts):
            pause = source.random() ** 3 * setup.life_seconds / setup.acts * 4
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(world.process.died.wait(), pause)
                raise Killed
            act(world)
            if source.random() < 0.1:
                await answer_holds(world, assembly)

    await world.run_process(meanwhile, steps)
    if first:
        world.report.steps = world.process.steps
    if source.random() < 0.4:
        world.note("the power is cut")
        world.disk.cut_power()
    world.disk.step = lambda _: None
    for _ in range(source.choice((0, 0, 3))):
        act(world)
    pause = source.choice((0.0, 5.0, 4000.0))
    if pause > LONGEST_LATE:
        world.weather.commit_late()
    world.loop.pass_time(pause)
    harm_state(world)


async def answer_holds(world: World, assembly: Assembly) -> None:
    """Answer what waits for consent, at random."""
    mirror = assembly.mirrors[0]
    with mirror.state.read() as connection:
        numbers = [one.id for one in holds.open_holds(connection, [mirror.number])]
    world.holds_answered |= bool(numbers)
    for number in numbers:
        answer = world.source.choice(list(Consent))
        world.note(f"person: answers hold {number}: {answer.value}")
        if answer is Consent.RESTORE:
            _note_restored(world, mirror, number)
        _, count = await consent.answer(assembly.mirrors, number, answer)
        world.note(f"{count} pictures")
    if numbers:
        assembly.workers["m"].hint_everything("a hold was answered")


def _note_restored(world: World, mirror: Mirror, number: int) -> None:
    """Note whose files people want again: they may have moved them, and have them twice then."""
    contents = {hashlib.sha256(one).hexdigest(): one for one in world.ledger.all()}
    with mirror.state.read() as connection:
        for subject in holds.subjects(connection, number):
            link = links.find(connection, subject)
            content = contents.get(link.digest) if link is not None else None
            if content is not None:
                world.ledger.restored[content] += 1


def calm(world: World) -> None:
    """End all faults of server, network and disk."""
    world.weather = Weather(slow=0.02)
    world.people.mount()
    faults = world.disk.faults
    faults.room, faults.failing, faults.crippled, faults.blind = None, 0.0, False, False
    faults.unreadable = set()


async def find_peace(world: World) -> None:
    """Let everything work, and wait until nothing happens any more."""
    calm(world)
    if not world.setup.pushes:  # such a mirror makes no boards
        for path in world.disk.directories(FOLDER):
            name = path[len(FOLDER) + 1 :].decode()
            if world.setup.by_subfolder and "/" not in name:
                _add_board(world, name)
    world.note("peace begins")

    async def meanwhile(assembly: Assembly) -> None:
        quiet = 0
        for _ in range(ROUNDS):
            before = len(world.report.journal)
            assembly.workers["m"].hint_everything("round")
            await asyncio.sleep(ROUND_SECONDS)
            if not world.process.alive:
                world.find("the process died in peace")
                return
            await answer_holds(world, assembly)
            await _do_what_is_asked(world, assembly)
            still = _nothing_happened(world.report.journal[before:]) and not _waiting(assembly)
            quiet = quiet + 1 if still else 0
            if quiet >= QUIET_ROUNDS:
                break
        else:
            world.find(f"no peace after {ROUNDS} rounds")
        await _plan_again(world)
        judge(world, assembly)

    await world.run_process(meanwhile)


async def _do_what_is_asked(world: World, assembly: Assembly) -> None:
    """Do what the trouble tells people to do."""
    trouble = _trouble(assembly)
    if ASKED_FOR in trouble:
        world.people.put_back()
    for deleted, missing in re.findall(BOARD_GONE, trouble):
        world.people.make_board(deleted or missing)
    for subfolder in re.findall(BOARD_TAKEN, trouble) if world.state_harmed else ():
        world.people.rename_directory(FOLDER + b"/" + subfolder.encode())
    if AGAIN in trouble:
        world.note("person: sends everything again")
        await again_all(assembly, "m")
        assembly.workers["m"].hint_everything("asked to send everything again")


def _add_board(world: World, name: str) -> None:
    if all(one.name != name for one in world.server._boards.values()):
        world.server.add_board(name)


LOOKING = ("listing:", "boards:", "items:", "marks:", "starred:", "board:")


def _trouble(assembly: Assembly) -> str:
    mirror = assembly.mirrors[0]
    with mirror.state.read() as connection:
        found = places.trouble(connection, mirror.number)
    return (found[0] or "") if found else ""


def _waiting(assembly: Assembly) -> bool:
    mirror = assembly.mirrors[0]
    with mirror.state.read() as connection:
        return bool(transfers.waiting(connection, [mirror.number]))


def _nothing_happened(lines: list[str]) -> bool:
    return all(line[10:].startswith(LOOKING) for line in lines)


async def _plan_again(world: World) -> None:
    """Decide once more, on a copy of the state: nothing may be left to do."""
    world.scratch.mkdir(exist_ok=True)
    state = open_scratch(world.state, world.scratch)
    try:
        settings = from_values(world.settings)
        server = SimServer(world.server, world.process, world.weather, world.source, world.note)
        copy = await assemble(settings, state, world.clock, {"server": server}, world.disk)
        planned = await plan_mirrors(copy, [])
    finally:
        state.close()
        shutil.rmtree(world.scratch)
    for action in planned["actions"]:
        world.find(f"a second plan wants {action}")
    for remark in planned["remarks"]:
        world.find(f"a second plan remarks {remark}")


async def _history(world: World) -> None:
    for number in range(world.setup.lives):
        await _live(world, first=number == 0)
        _look_for_loss(world)
    await find_peace(world)


def run(seed: int, first_death: int | None = None, story: Story = _history) -> Report:
    """Live through the history of a seed.

    first_death: after how many steps the first process dies, whatever the seed says. story: what
    happens, by default what the seed says.
    """
    source = random.Random(seed)
    base = Path(tempfile.mkdtemp(prefix="boardsync-sim-", dir=memory()))
    (base / "state.db").write_bytes(empty_state())
    loop = SimLoop()
    try:
        asyncio.set_event_loop(loop)
        world = World(seed, loop, source, base, first_death)
        loop._delay = world.delay
        loop.set_exception_handler(_complain(world))
        with _all_logged(world):
            _lived_through(world, story)
        return _reported(world)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        shutil.rmtree(base)


@contextlib.contextmanager
def _all_logged(world: World) -> Iterator[None]:
    """Let every line of the log go into the journal, whatever this process logs otherwise."""
    before = structlog.get_config()
    structlog.reset_defaults()
    structlog.configure(processors=[_Noting(world)])
    try:
        yield
    finally:
        structlog.configure(**before)


def _lived_through(world: World, story: Story) -> None:
    """Live through the history. Whatever ends it early is a finding."""
    try:
        world.loop.run_until_complete(story(world))
    except TooBusy:
        world.find(f"{MOST_LINES} things were done, and there is no end to it")
    except KeyboardInterrupt:
        raise
    except BaseException:
        world.find(f"the history broke off: {traceback.format_exc(limit=-6)}")


def _look_for_loss(world: World) -> None:
    for word in world.ledger.lost():
        world.find(f"picture {word} is lost")


def _reported(world: World) -> Report:
    sha = hashlib.sha256()
    for line in world.report.journal:
        sha.update(line.encode("utf-8", "backslashreplace"))
    for path, content in world.disk.files(b"/sim").items():
        sha.update(path + b"\0" + content)
    for key, stored in world.server._stored.items():
        sha.update(key.encode("utf-8", "surrogateescape") + b"\0" + stored.content)
    world.report.digest = sha.hexdigest()
    return world.report


class _Noting:
    """Writes the log into the journal; a bug that was logged is a finding."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, _: Any, level: str, event: dict[str, Any]) -> Any:
        said = {key: value for key, value in event.items() if key != "exc_info"}
        self._world.note(f"log {level}: {said}")
        if str(event.get("event", "")).startswith("bug:"):
            self._world.find(f"{event['event']}: {traceback.format_exc(limit=-3)}")
        raise structlog.DropEvent


def _complain(world: World) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    def complain(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), Killed | TooBusy):
            world.find(f"the loop complains: {context}")

    return complain
