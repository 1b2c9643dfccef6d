"""New settings in a running daemon: what changed is set up anew, the rest is not touched."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from boardsync.config.model import Settings
from boardsync.config.values import from_values
from boardsync.engine.assembly import assemble
from boardsync.engine.clock import SystemClock
from boardsync.engine.once import once
from boardsync.engine.reload import Reading
from boardsync.engine.service import Service
from boardsync.errors import NeedsPerson, SettingsError, TryAgain
from boardsync.model import Upload, UploadResult
from boardsync.servers.memory.server import MemoryServer
from boardsync.servers.port import BoardId
from boardsync.state import places
from boardsync.state.database import open_state
from cli.place_kit import put, tree
from engine.world import picture
from servers.fake_invokeai import FakeInvokeAI
from state.empty import begin_state

SECONDS = 20.0
AT_ONCE = {"quiet": "0 s", "quiet_uncertain": "0 s", "rewrite": "0 s"}


class SlowServer(MemoryServer):
    """A server in memory whose uploads wait to be let through."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.open = asyncio.Event()
        self.waiting = 0
        self.sent: list[bytes] = []
        self.closed = False

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        self.waiting += 1
        await self.open.wait()
        self.waiting -= 1
        self.sent += [one.content for one in uploads]
        return await super().upload(board_id, uploads)

    async def aclose(self) -> None:
        self.closed = True
        await super().aclose()


class Running:
    """A daemon's inside on the real clock: two directory servers, mirrors as they are set."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.values: dict[str, Any] = {
            "state": str(base / "state.db"),
            "socket": None,
            "servers": {name: self.directory(name) for name in ("one", "two")},
            "mirrors": [self.mirror("a", "one")],
        }
        self.given: dict[str, SlowServer] = {}
        self.applied: list[Settings] = []
        self.service: Service

    def directory(self, name: str) -> dict[str, Any]:
        (self.base / name).mkdir(exist_ok=True)
        return {"kind": "directory", "path": str(self.base / name)}

    def mirror(self, name: str, server: str, **more: Any) -> dict[str, Any]:
        folder = self.base / f"folder-{name}"
        folder.mkdir(exist_ok=True)
        board = f"board-{name}"
        return {"name": name, "folder": str(folder), "server": server, "board": board,
                "direction": "push", "settle": AT_ONCE, **more}  # fmt: skip

    def slow(self, name: str) -> SlowServer:
        """Put a slow server in the place of one that the settings describe."""
        self.values["servers"][name] = {"kind": "invokeai", "url": "http://127.0.0.1:9"}
        self.given[name] = SlowServer(name)
        return self.given[name]

    def put(self, mirror: str, name: str, seed: int = 1) -> None:
        put(self.base / f"folder-{mirror}", name, picture(seed))

    def on_board(self, mirror: str, server: str) -> set[str]:
        return set(tree(self.base / server / f"board-{mirror}"))

    def agreed(self, mirror: str) -> int:
        """Count the pictures of a mirror that are on both sides as far as is known."""
        with self.service.assembly.state.read() as connection:
            number = places.find_mirror(connection, mirror)
            return 0 if number is None else _agreed(connection, number)

    def read(self) -> Settings:
        return from_values(copy.deepcopy(self.values))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Service]:
        begin_state(self.base / "state.db")
        state = open_state(self.base / "state.db")
        assembly = await assemble(self.read(), state, SystemClock(), self.given)
        self.service = Service(assembly, Reading(self.read, self.applied.append))
        up = asyncio.Event()

        async def ready() -> None:
            up.set()

        task = asyncio.create_task(self.service.run(ready))
        try:
            await asyncio.wait_for(up.wait(), SECONDS)
            yield self.service
        finally:
            self.service.stop()
            await asyncio.wait([task])
            await assembly.close()
            state.close()


def _agreed(connection: Connection, number: int) -> int:
    query = text("SELECT count(*) FROM link WHERE mirror = :mirror AND state = 'agreed'")
    return int(connection.execute(query, {"mirror": number}).scalar() or 0)


async def until(condition: Callable[[], bool], what: object = "") -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
def here(tmp_path: Path) -> Running:
    return Running(tmp_path)


async def test_a_new_mirror_begins_and_those_there_are_not_touched(here: Running) -> None:
    async with here.running() as service:
        worker, watching = service.assembly.workers["a"], service.watching["a"]
        here.put("a", "first.png")
        await until(lambda: here.agreed("a") == 1)
        here.values["mirrors"].append(here.mirror("b", "one"))
        here.values["mirrors"].append(here.mirror("c", "two"))
        here.put("b", "second.png", 2)

        told = await service.reload()

        assert (told.begun, told.ended, told.changed, told.servers) == (["b", "c"], [], [], [])
        assert service.assembly.workers["a"] is worker
        assert service.watching["a"] is watching
        await until(lambda: here.on_board("b", "one") == {"second.png"})
        here.put("c", "live.png", 3)
        await until(lambda: here.on_board("c", "two") == {"live.png"})
        assert [mirror.name for mirror in service.assembly.mirrors] == ["a", "b", "c"]


async def test_a_removed_mirror_stops_and_keeps_its_links_for_the_day_it_comes_back(
    here: Running,
) -> None:
    here.values["mirrors"].append(here.mirror("b", "one"))
    async with here.running() as service:
        here.put("b", "old.png", 2)
        await until(lambda: here.agreed("b") == 1)
        removed = here.values["mirrors"].pop()
        assert (await service.reload()).ended == ["b"]
        here.put("b", "new.png", 3)
        here.put("a", "other.png", 4)
        await until(lambda: here.agreed("a") == 1)
        assert here.on_board("b", "one") == {"old.png"}
        assert here.agreed("b") == 1
        assert "b" not in service.watching

        here.values["mirrors"].append(removed)
        await service.reload()
        await until(lambda: here.agreed("b") == 2)
        assert here.on_board("b", "one") == {"old.png", "new.png"}


async def test_changed_rules_hold_at_once_and_delete_nothing(here: Running) -> None:
    async with here.running() as service:
        here.put("a", "draft-1.png", 1)
        await until(lambda: here.agreed("a") == 1)
        here.values["mirrors"][0]["ignore"] = ["draft-*"]
        here.values["mirrors"][0]["policies"] = {"file_deleted": "trash"}

        assert (await service.reload()).changed == ["a"]

        here.put("a", "draft-2.png", 2)
        here.put("a", "final.png", 3)
        await until(lambda: here.agreed("a") == 2)
        await once(service.assembly)
        assert here.on_board("a", "one") == {"draft-1.png", "final.png"}


async def test_a_server_that_is_elsewhere_now_is_spoken_to_there(here: Running) -> None:
    async with here.running() as service:
        here.put("a", "first.png", 1)
        await until(lambda: here.agreed("a") == 1)
        (here.base / "one").rename(here.base / "moved")
        here.values["servers"]["one"]["path"] = str(here.base / "moved")

        told = await service.reload()

        assert (told.changed, told.servers) == (["a"], ["one"])
        here.put("a", "second.png", 2)
        await until(lambda: here.on_board("a", "moved") == {"first.png", "second.png"})
        assert not (here.base / "one").exists()


async def test_a_renamed_mirror_is_one_mirror_all_the_time(here: Running) -> None:
    here.values["mirrors"][0]["id"] = "a"
    async with here.running() as service:
        here.put("a", "first.png", 1)
        await until(lambda: here.agreed("a") == 1)
        here.values["mirrors"][0]["name"] = "other"
        assert (await service.reload()).changed == ["other"]
        assert list(service.assembly.workers) == list(service.watching) == ["other"]
        here.put("a", "second.png", 2)
        await until(lambda: here.agreed("a") == 2)
        assert here.on_board("a", "one") == {"first.png", "second.png"}


async def test_a_mirror_on_another_server_waits_as_after_a_restart_and_loses_nothing(
    here: Running,
) -> None:
    async with here.running() as service:
        here.put("a", "first.png", 1)
        await until(lambda: here.agreed("a") == 1)
        here.values["mirrors"][0]["server"] = "two"
        assert (await service.reload()).changed == ["a"]
        assert list(service.assembly.carriers) == ["two"]
        [told] = await once(service.assembly)
        assert "knows none of 1 pictures" in (told.trouble or "")
        assert here.on_board("a", "one") == {"first.png"}
        assert here.on_board("a", "two") == set()


async def test_an_upload_under_way_finishes_and_is_sent_once_while_others_go_on(
    here: Running,
) -> None:
    slow = here.slow("slow")
    here.values["mirrors"] += [here.mirror("s", "slow"), here.mirror("t", "slow")]
    async with here.running() as service:
        unchanged = service.assembly.workers["t"]
        here.put("s", "long.png", 1)
        await until(lambda: slow.waiting == 1)
        here.values["mirrors"][1]["ignore"] = ["*.gif"]
        here.values["mirrors"].append(here.mirror("new", "two"))

        reloading = asyncio.create_task(service.reload())

        await until(lambda: bool(here.applied))
        here.put("a", "meanwhile.png", 2)
        await until(lambda: here.on_board("a", "one") == {"meanwhile.png"})
        here.put("t", "same server.png", 3)
        await until(lambda: slow.waiting == 2)
        assert not reloading.done()
        slow.open.set()
        assert (await reloading).changed == ["s"]
        assert service.assembly.workers["t"] is unchanged
        await until(lambda: here.agreed("s") == 1 and here.agreed("t") == 1)
        here.put("s", "after.png", 4)
        await until(lambda: here.agreed("s") == 2)
        assert sorted(slow.sent) == sorted(picture(seed) for seed in (1, 3, 4))
        assert not slow.closed


async def test_a_changed_server_is_let_go_when_its_upload_is_through(here: Running) -> None:
    slow = here.slow("slow")
    here.values["mirrors"] = [here.mirror("s", "slow")]
    async with here.running() as service:
        here.put("s", "long.png", 1)
        await until(lambda: slow.waiting == 1)
        here.given["slow"] = SlowServer("slow")
        service.assembly.given = here.given
        here.values["servers"]["slow"]["uploads_at_once"] = 1
        reloading = asyncio.create_task(service.reload())
        await until(lambda: bool(here.applied))
        with pytest.raises(TryAgain, match="ask again"):
            await service.unless_stopped(once(service.assembly))
        assert not slow.closed
        slow.open.set()
        await reloading
        assert slow.closed
        assert slow.sent == [picture(1)]
        assert here.agreed("s") == 1


async def test_a_daemon_that_stops_does_not_wait_for_a_reload(here: Running) -> None:
    slow = here.slow("slow")
    here.values["schedule"] = {"drain": "0 s"}
    here.values["mirrors"] = [here.mirror("s", "slow")]
    async with here.running() as service:
        here.put("s", "long.png", 1)
        await until(lambda: slow.waiting == 1)
        here.values["mirrors"][0]["ignore"] = ["*.gif"]
        reloading = asyncio.create_task(service.reload())
        await until(lambda: bool(here.applied))
        service.stop()
        with pytest.raises(TryAgain, match="the next start reads the settings"):
            await reloading


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mirrors": [{"name": "a"}]}, r"mirrors\[0\].folder"),
        ({"state": "/elsewhere/state.db"}, "`state` cannot change .* needs a restart"),
        ({"socket": "/elsewhere/socket"}, "`socket` cannot change .* needs a restart"),
    ],
)
async def test_settings_that_are_refused_change_nothing(
    here: Running, change: dict[str, Any], words: str
) -> None:
    async with here.running() as service:
        worker, settings = service.assembly.workers["a"], service.assembly.settings
        sound = here.values
        here.values = here.values | change
        with pytest.raises(SettingsError, match=words):
            await service.reload()
        assert service.assembly.workers["a"] is worker
        assert service.assembly.settings is settings
        assert here.applied == []
        here.values = sound
        here.put("a", "on.png")
        await until(lambda: here.agreed("a") == 1)


async def test_a_password_that_is_missing_by_now_is_refused_before_anything_ends(
    here: Running,
) -> None:
    secret = here.base / "password"
    secret.write_text("first")
    account = {"kind": "invokeai", "url": "http://127.0.0.1:9", "email": "me@example.org",
               "password": {"file": str(secret)}}  # fmt: skip
    here.values["servers"]["far"] = account
    async with here.running() as service:
        assert (await service.reload()).servers == []
        secret.write_text("second")
        assert (await service.reload()).servers == ["far"]
        secret.unlink()
        with pytest.raises(SettingsError, match="password"):
            await service.reload()
        assert "far" in service.assembly.servers


async def test_schedule_and_log_change_at_once_without_touching_a_mirror(here: Running) -> None:
    async with here.running() as service:
        worker = service.assembly.workers["a"]
        here.values["schedule"] = {"reconcile_every": "1 h"}
        here.values["log"] = {"level": "debug"}
        told = await service.reload()
        assert (told.touched, told.schedule) == (False, True)
        assert service.assembly.workers["a"] is worker
        assert service._scheduler.get_job("reconcile").trigger.interval.total_seconds() == 3600
        assert [one.log.level for one in here.applied] == ["debug"]


async def test_the_service_manager_hears_that_settings_are_read_and_that_it_is_over(
    here: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(here.base / "notify"))
        manager.settimeout(SECONDS)
        async with here.running() as service:
            monkeypatch.setenv("NOTIFY_SOCKET", str(here.base / "notify"))
            here.values["mirrors"].append(here.mirror("b", "one"))
            await service.reload()
            first, second = manager.recv(1000).split(b"\n"), manager.recv(1000).split(b"\n")
            monkeypatch.delenv("NOTIFY_SOCKET")
        assert first[0] == b"RELOADING=1"
        assert first[1].startswith(b"MONOTONIC_USEC=")
        assert int(first[1].partition(b"=")[2]) > 0
        assert second == [b"READY=1", b"STATUS=watching a, b"]


async def test_without_a_settings_file_there_is_nothing_to_read_again(here: Running) -> None:
    async with here.running() as service:
        bare = Service(service.assembly)
        with pytest.raises(NeedsPerson, match="without a settings file"):
            await bare.reload()


async def test_an_invokeai_server_with_another_url_is_spoken_to_there_and_sent_nothing_twice(
    here: Running,
) -> None:
    async with FakeInvokeAI() as fake:
        here.values["servers"]["far"] = {"kind": "invokeai", "url": fake.url}
        here.values["mirrors"] = [here.mirror("f", "far")]
        async with here.running() as service:
            here.put("f", "first.png", 1)
            await until(lambda: here.agreed("f") == 1)
            here.values["servers"]["far"]["url"] = fake.url.replace("127.0.0.1", "localhost")
            assert (await service.reload()).servers == ["far"]
            fake.log.clear()
            here.put("f", "second.png", 2)
            await until(lambda: here.agreed("f") == 2)
            hosts = {one.headers["host"].partition(":")[0] for one in fake.log}
            assert hosts == {"localhost"}
            await once(service.assembly)
        assert fake.requests["upload"] == 2
