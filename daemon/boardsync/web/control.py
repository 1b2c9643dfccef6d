"""The control API of a running daemon, on a Unix socket that its permissions guard."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, PlainValidator

from boardsync import __version__
from boardsync.engine import report
from boardsync.engine.again import again
from boardsync.engine.once import once
from boardsync.engine.service import Service
from boardsync.engine.why import why as explain
from boardsync.errors import BoardsyncError, NeedsPerson, SettingsError, TryAgain

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
    """A path or an item, and the folder that a relative path may start from."""

    subject: Name
    here: Name | None = None


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
        done = {
            mirror.name: words
            for mirror in assembly.mirrors
            if (words := await again(mirror, request.subject, request.here))
        }
        for name in done:
            assembly.workers[name].hint_everything("again")
        return done

    return app


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
