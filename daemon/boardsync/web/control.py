"""The control API of a running daemon, on a Unix socket that its permissions guard."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, PlainValidator, model_validator

from boardsync import __version__
from boardsync.engine import consent, report, trash_can
from boardsync.engine.adopt import adopt, survey
from boardsync.engine.again import again_all, again_everywhere
from boardsync.engine.once import once
from boardsync.engine.service import Service
from boardsync.engine.told import Told
from boardsync.engine.undo import undo
from boardsync.engine.why import why as explain
from boardsync.errors import BoardsyncError, NeedsPerson, SettingsError, TryAgain
from boardsync.plan.links import Consent
from boardsync.telemetry import exposition
from boardsync.telemetry.counters import counters

T = TypeVar("T")

GRACE_SECONDS = 2
"""How long a stopping daemon lets a request finish. Who waits for a pass was answered before."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        # A TypeError would pass through pydantic as a crash.
        raise ValueError("expected text")  # noqa: TRY004
    return value


Name = Annotated[str, PlainValidator(_text, json_schema_input_type=str)]
"""Text whose bytes that are no UTF-8 are lone surrogates, in JSON as `\\udc80` and on."""


class OnceRequest(BaseModel):
    """Which mirrors to reconcile; all when empty."""

    mirrors: list[str] = []


class AgainRequest(BaseModel):
    """A path or an item, and the folder that a relative path may start from.

    everything: instead, all of the mirror of this name.
    """

    subject: Name | None = None
    here: Name | None = None
    everything: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> AgainRequest:
        if (self.subject is None) is (self.everything is None):
            raise ValueError("expected either a subject or everything")
        return self


class AnswerRequest(BaseModel):
    """A person's answer to a hold."""

    hold: int
    answer: Consent


class EntriesRequest(BaseModel):
    """Entries of the trash, by their numbers; or all that one run put there."""

    entries: list[int] = []
    run: int | None = None


class UndoRequest(BaseModel):
    """A run, by its number in the history."""

    run: int


def make_app(service: Service) -> FastAPI:
    """Build the API. Handlers only ask the engine."""
    app = FastAPI(title="boardsync", version=__version__, docs_url=None, redoc_url=None)
    app.add_exception_handler(BoardsyncError, _refuse)
    assembly = service.assembly

    @app.get("/version")
    def version() -> dict[str, Any]:
        return {"version": __version__, "pid": os.getpid()}

    @app.get("/status")
    def status() -> dict[str, Any]:
        told = report.status(assembly.settings, assembly.state)
        for mirror in told["mirrors"]:
            watching = service.watching.get(mirror["mirror"])
            mirror["watcher"] = watching.stats() if watching else None
            carrier = assembly.carriers.get(mirror["server"])
            mirror["under_way"] = len(carrier.under_way) if carrier else 0
        return told | {"daemon": {"pid": os.getpid(), "version": __version__}}

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(exposition.exposed(counters.samples()), media_type=exposition.MEDIA_TYPE)

    @app.get("/why")
    def why(subject: str) -> list[dict[str, Any]]:
        return explain(assembly.settings, assembly.state, subject)

    @app.get("/history")
    def history(mirror: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
        return report.history(assembly.settings, assembly.state, mirror, limit)

    @app.post("/once")
    async def run_once(request: OnceRequest) -> list[dict[str, Any]]:
        results = await service.unless_stopped(once(assembly, request.mirrors))
        return [result.as_dict() for result in results]

    @app.post("/again")
    async def start_again(request: AgainRequest) -> dict[str, Any]:
        if request.everything is not None:
            done = await again_all(assembly, request.everything)
        else:
            done = await again_everywhere(assembly, request.subject or "", request.here)
        for name in done:
            assembly.workers[name].hint_everything("again")
        return done

    app.include_router(_removals(service))
    app.include_router(_adoption(service))
    return app


def _removals(service: Service) -> APIRouter:
    """Build what is asked about removals: those that wait, and those that can be taken back."""
    router, assembly = APIRouter(), service.assembly
    one_at_a_time = asyncio.Lock()

    async def done(work: Coroutine[Any, Any, T]) -> T:
        """Change what was removed; look at every mirror afterwards, however that ended."""

        async def alone() -> T:
            async with one_at_a_time:
                return await work

        try:
            return await service.unless_stopped(alone())
        finally:
            work.close()
            for worker in assembly.workers.values():
                worker.hint_everything("asked")

    @router.get("/holds")
    def list_holds() -> list[dict[str, Any]]:
        return consent.list_holds(assembly.settings, assembly.state)

    @router.post("/holds/answer")
    async def answer(request: AnswerRequest) -> dict[str, Any]:
        mirror, count = await consent.answer(assembly.mirrors, request.hold, request.answer)
        assembly.workers[mirror.name].hint_everything(f"hold {request.hold} was answered")
        return {"hold": request.hold, "mirror": mirror.name, "count": count}

    @router.get("/trash")
    def list_trash(mirror: str | None = None, limit: int = 100) -> dict[str, Any]:
        return trash_can.list_trash(assembly.settings, assembly.state, mirror, limit)

    @router.post("/trash/restore")
    async def restore(request: EntriesRequest) -> list[dict[str, Any]]:
        if request.run is not None:
            return _as_values(await done(trash_can.restore_run(assembly, request.run)))
        return _as_values(await done(trash_can.restore(assembly, request.entries)))

    @router.post("/trash/purge")
    async def purge(request: EntriesRequest) -> list[dict[str, Any]]:
        return _as_values(await done(trash_can.purge(assembly, request.entries)))

    @router.post("/undo")
    async def start_undo(request: UndoRequest) -> dict[str, Any]:
        return asdict(await done(undo(assembly, request.run)))

    return router


def _adoption(service: Service) -> APIRouter:
    """Build what takes over a board that somebody else filled."""
    router, assembly = APIRouter(), service.assembly

    async def done(mirrors: list[str], work: Coroutine[Any, Any, T]) -> T:
        """Do it; have the mirrors looked at afterwards: what they had planned was taken back."""
        try:
            return await service.unless_stopped(work)
        finally:
            for name, worker in assembly.workers.items():
                if not mirrors or name in mirrors:
                    worker.hint_everything("asked")

    @router.post("/adopt/survey")
    async def start_survey(request: OnceRequest) -> list[dict[str, Any]]:
        told = await done(request.mirrors, survey(assembly, request.mirrors))
        return [asdict(one) for one in told]

    @router.post("/adopt")
    async def start_adopting(request: OnceRequest) -> list[dict[str, Any]]:
        told = await done(request.mirrors, adopt(assembly, request.mirrors))
        return [asdict(one) for one in told]

    return router


def _as_values(told: Sequence[Told]) -> list[dict[str, Any]]:
    """Return what was told of single pictures as JSON holds it."""
    return [asdict(one) for one in told]


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    """Answer with what went wrong: 404 for a stranger's name, 503 for what heals, 409 else."""
    status = 409
    if isinstance(error, SettingsError):
        status = 404
    elif isinstance(error, TryAgain):
        status = 503
    return JSONResponse({"detail": str(error)}, status)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the service's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(service: Service, path: Path | None) -> AsyncIterator[None]:
    """Serve the control API while the daemon runs. The socket is its owner's alone.

    Raises NeedsPerson when the socket cannot be made there, or is another daemon's.
    """
    if path is None:
        yield
        return
    listening = await asyncio.to_thread(_listen, path)
    ours = path.stat().st_ino
    config = uvicorn.Config(
        make_app(service), log_config=None, access_log=False, lifespan="off",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 (uvicorn has no event)
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task
        listening.close()
        _remove(path, ours)


def _listen(path: Path) -> socket.socket:
    """Make the socket. Nobody can connect before it listens, and then only its owner may."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make_way(path)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.bind(os.fspath(path))
            path.chmod(0o600)
            made.listen()
        except BaseException:
            made.close()
            raise
    except OSError as error:
        raise NeedsPerson(
            f"{path}: the control socket cannot be made there: {error.strerror or error}; set"
            " another `socket`, or null for none"
        ) from error
    return made


def _make_way(path: Path) -> None:
    """Remove the socket of a process that is gone. Anything else there is not ours to remove."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise NeedsPerson(f"{path}: is there and no socket; set another `socket`")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        # One that is too busy to answer is alive, too.
        asking.settimeout(1.0)
        try:
            asking.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except (TimeoutError, BlockingIOError):
            pass
    raise NeedsPerson(
        f"{path}: another boardsync, with another state, listens there; set another `socket`"
    )


def _remove(path: Path, inode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_ino == inode:
            path.unlink()
