"""The control API of a running daemon, on a Unix socket that its permissions guard."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from boardsync import __version__
from boardsync.engine import report
from boardsync.engine.again import again
from boardsync.engine.once import once
from boardsync.engine.service import Service
from boardsync.errors import NeedsPerson, SettingsError


class OnceRequest(BaseModel):
    """Which mirrors to reconcile; all when empty."""

    mirrors: list[str] = []


class AgainRequest(BaseModel):
    """A path or an item."""

    subject: str


def make_app(service: Service) -> FastAPI:
    """Build the API. Handlers only ask the engine."""
    app = FastAPI(title="boardsync", version=__version__, docs_url=None, redoc_url=None)
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
        return report.why(assembly.settings, assembly.state, subject)

    @app.get("/history")
    def history(mirror: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
        return report.history(assembly.settings, assembly.state, mirror, limit)

    @app.post("/once")
    async def run_once(request: OnceRequest) -> list[dict[str, Any]]:
        try:
            results = await once(assembly, request.mirrors)
        except SettingsError as error:
            raise HTTPException(404, str(error)) from error
        return [result.as_dict() for result in results]

    @app.post("/again")
    async def start_again(request: AgainRequest) -> dict[str, Any]:
        done = {
            mirror.name: words
            for mirror in assembly.mirrors
            if (words := await again(mirror, request.subject))
        }
        for name in done:
            assembly.workers[name].hint_everything("again")
        return done

    return app


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the service's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(service: Service, socket: Path | None) -> AsyncIterator[None]:
    """Serve the control API while the daemon runs. The socket is its owner's alone."""
    if socket is None:
        yield
        return
    try:
        socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The state's lock is ours: a socket that lies here belongs to a process that is gone.
        socket.unlink(missing_ok=True)
    except OSError as error:
        raise NeedsPerson(
            f"{socket}: the control socket cannot be made there: {error.strerror}; set another"
            " `socket`, or null for none"
        ) from error
    config = uvicorn.Config(
        make_app(service), uds=str(socket), log_config=None, access_log=False, lifespan="off"
    )
    server = _Server(config)
    before = os.umask(0o177)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 (uvicorn has no event)
            await asyncio.sleep(0.01)
    finally:
        os.umask(before)
    if socket.exists():
        socket.chmod(0o600)
    try:
        yield
    finally:
        server.should_exit = True
        await task
        socket.unlink(missing_ok=True)
