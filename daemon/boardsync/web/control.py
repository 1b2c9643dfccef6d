"""The control API of a running daemon: on a Unix socket and, when asked for, on TCP.

Permissions guard the socket (`boardsync.web.listening`); who comes over TCP passes
`boardsync.web.guard` first.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import ConfigDict, Field, JsonValue, StrictBool, model_validator

from boardsync import __version__
from boardsync.engine import consent, report, trash_can
from boardsync.engine.adopt import adopt, survey
from boardsync.engine.again import again_all, again_everywhere
from boardsync.engine.at_work import AtWork
from boardsync.engine.measure import Measuring
from boardsync.engine.once import once
from boardsync.engine.service import Service
from boardsync.engine.told import Told
from boardsync.engine.undo import undo
from boardsync.engine.why import why as explain
from boardsync.errors import BoardsyncError, SettingsError, TryAgain
from boardsync.plan.links import Consent
from boardsync.telemetry import exposition
from boardsync.telemetry.process import LoopLag
from boardsync.telemetry.redaction import clean
from boardsync.telemetry.rendering import readable_text
from boardsync.web.bundling import bundling
from boardsync.web.description import REFUSALS, describe
from boardsync.web.doctoring import doctoring
from boardsync.web.guard import NOBODY, Guard
from boardsync.web.health import health_routes
from boardsync.web.listening import (
    GRACE_SECONDS,
    Server,
    listen_on_path,
    listen_on_tcp,
    remove_socket,
)
from boardsync.web.mending import mending
from boardsync.web.reloading import reloading
from boardsync.web.standing import running_status
from boardsync.web.steering import MirrorsRequest, steering_routes
from boardsync.web.tcp import Listen, Tcp
from boardsync.web.texts import Limit, Name, Number, Question
from boardsync.web.verifying import verifying

__all__ = ["GRACE_SECONDS", "make_app", "serving"]

T = TypeVar("T")
log = structlog.get_logger(__name__)


_ANY_TEXT: JsonValue = {"type": "string"}


class OnceRequest(MirrorsRequest):
    """Which mirrors to reconcile; all when empty. even_paused: also those that are paused."""

    even_paused: StrictBool = False


class AgainRequest(Question):
    """A path or an item, and the folder that a relative path may start from.

    everything: instead, all of the mirror of this name.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [one], "properties": {one: _ANY_TEXT, other: {"type": "null"}}}
                for one, other in (("subject", "everything"), ("everything", "subject"))
            ]
        }
    )

    subject: Name | None = None
    here: Name | None = None
    everything: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> AgainRequest:
        if (self.subject is None) is (self.everything is None):
            raise ValueError("expected either a subject or everything")
        return self


class AnswerRequest(Question):
    """A person's answer to a hold."""

    hold: Number
    answer: Consent


class EntriesRequest(Question):
    """Entries of the trash, by their numbers; or all that one run put there, and nothing else."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "required": ["entries"],
                    "properties": {"entries": {"minItems": 1}, "run": {"type": "null"}},
                },
                {
                    "required": ["run"],
                    "properties": {"entries": {"maxItems": 0}, "run": {"type": "integer"}},
                },
            ]
        }
    )

    entries: list[Number] = Field(default=[])
    run: Number | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> EntriesRequest:
        if bool(self.entries) is (self.run is not None):
            raise ValueError("expected either entries or a run")
        return self


class UndoRequest(Question):
    """A run, by its number in the history."""

    run: Number


def make_app(service: Service, measuring: Measuring | None = None) -> FastAPI:
    """Build the API. Handlers only ask the engine."""
    app = FastAPI(
        title="boardsync", version=__version__, docs_url=None, redoc_url=None,
        redirect_slashes=False, responses=REFUSALS,
    )  # fmt: skip
    app.add_exception_handler(BoardsyncError, _refuse)
    app.add_exception_handler(RequestValidationError, _not_understood)
    assembly = service.assembly

    @app.get("/version")
    def version() -> dict[str, Any]:
        return {"version": __version__, "pid": os.getpid()}

    @app.get("/status")
    def status() -> dict[str, Any]:
        daemon = {"pid": os.getpid(), "version": __version__}
        return running_status(service) | {"daemon": daemon}

    @app.get("/why")
    def why(subject: str) -> list[dict[str, Any]]:
        return explain(assembly.settings, assembly.state, subject, clock=assembly.clock)

    @app.get("/history")
    def history(mirror: str | None = None, limit: Limit = 20) -> list[dict[str, Any]]:
        return report.history(assembly.settings, assembly.state, mirror, limit)

    @app.post("/once")
    async def run_once(request: OnceRequest) -> list[dict[str, Any]]:
        results = await service.unless_stopped(
            once(assembly, request.mirrors, even_paused=request.even_paused)
        )
        return [result.as_dict() for result in results]

    @app.post("/again")
    async def start_again(request: AgainRequest) -> dict[str, Any]:
        if request.everything is not None:
            done = await again_all(assembly, request.everything)
        else:
            done = await again_everywhere(assembly, request.subject or "", request.here)
        for name in done:
            assembly.workers[name].hint_everything("asked")
        return done

    app.include_router(_measurements(measuring or Measuring(service)))
    app.include_router(_removals(service))
    app.include_router(_adoption(service))
    app.include_router(verifying(service))
    app.include_router(reloading(service))
    app.include_router(mending(service))
    app.include_router(doctoring(service))
    app.include_router(bundling(service))
    app.include_router(health_routes(service))
    app.include_router(steering_routes(service))
    describe(app)
    return app


def _measurements(measuring: Measuring) -> APIRouter:
    """Build what is measured."""
    router = APIRouter()

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> PlainTextResponse:
        text = exposition.exposed(measuring.samples())
        return PlainTextResponse(text, media_type=exposition.MEDIA_TYPE)

    return router


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
    def list_trash(mirror: str | None = None, limit: Limit = 100) -> dict[str, Any]:
        return trash_can.list_trash(assembly.settings, assembly.state, mirror, limit)

    @router.post("/trash/restore")
    async def restore(request: EntriesRequest) -> list[dict[str, Any]]:
        if request.run is not None:
            return _as_values(await done(trash_can.restore_run(assembly, request.run)))
        return _as_values(await done(trash_can.restore(assembly, request.entries)))

    @router.post("/trash/purge")
    async def purge(request: EntriesRequest) -> list[dict[str, Any]]:
        if request.run is not None:
            return _as_values(await done(trash_can.purge_run(assembly, request.run)))
        return _as_values(await done(trash_can.purge(assembly, request.entries)))

    @router.post("/undo")
    async def start_undo(request: UndoRequest) -> dict[str, Any]:
        return asdict(await done(undo(assembly, request.run)))

    return router


def _adoption(service: Service) -> APIRouter:
    """Build what takes over a board that somebody else filled."""
    router, assembly = APIRouter(), service.assembly
    at_work: AtWork = []

    async def done(mirrors: list[str], work: Coroutine[Any, Any, T]) -> T:
        """Do it; have the mirrors looked at afterwards: what they had planned was taken back."""
        try:
            return await service.unless_stopped(work)
        finally:
            for name, worker in assembly.workers.items():
                if not mirrors or name in mirrors:
                    worker.hint_everything("asked")

    @router.post("/adopt/survey")
    async def start_survey(request: MirrorsRequest) -> list[dict[str, Any]]:
        told = await done(request.mirrors, survey(assembly, request.mirrors, at_work=at_work))
        return [asdict(one) for one in told]

    @router.get("/adopt/progress")
    async def progress() -> list[dict[str, Any]]:
        return [asdict(one) for one in at_work]

    @router.post("/adopt")
    async def start_adopting(request: MirrorsRequest) -> list[dict[str, Any]]:
        told = await done(request.mirrors, adopt(assembly, request.mirrors, at_work=at_work))
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
    return JSONResponse({"detail": clean(readable_text(str(error), multiline=True))}, status)


async def _not_understood(_: Request, error: Exception) -> JSONResponse:
    """Answer what is wrong with a question. What was sent is not repeated."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    told = [
        {"type": one["type"], "loc": list(one["loc"]), "msg": readable_text(one["msg"])}
        for one in error.errors()
    ]
    return JSONResponse({"detail": told}, 422)


@contextlib.asynccontextmanager
async def serving(
    service: Service, path: Path | None, listen: Listen = listen_on_tcp
) -> AsyncIterator[None]:
    """Serve the API while the daemon runs: on a Unix socket, and on TCP as the settings say.

    listen: how it is listened on TCP. The Unix socket is its owner's alone. Raises NeedsPerson
    when a socket cannot be made there or is another daemon's, and SettingsError for a token that
    cannot be used.
    """
    async with contextlib.AsyncExitStack() as lasting, contextlib.AsyncExitStack() as stack:
        make_once = functools.cache(functools.partial(_make_measured, service, lasting))
        tcp = Tcp(make_once, listen)
        own = [] if path is None else [await _listen_on_path(stack, path)]
        change = await tcp.prepare(service.assembly.settings.http)
        if change is not None:
            change.make()
        server = Server(make_once(), Guard(make_once(), NOBODY)) if own else None
        await stack.enter_async_context(_answering(tcp, server, own))
        service.followers.append(tcp.follow)
        stack.callback(service.followers.remove, tcp.follow)
        yield


@contextlib.asynccontextmanager
async def _answering(
    tcp: Tcp, server: Server | None, sockets: Sequence[socket.socket]
) -> AsyncIterator[None]:
    """Answer on sockets, too, until both ways in end together."""
    ends = list[asyncio.Task[None]]()
    try:
        if server is not None:
            ends.append(asyncio.create_task(server.serve(sockets=list(sockets))))
            while not (server.started or ends[0].done()):  # noqa: ASYNC110 (uvicorn has no event)
                await asyncio.sleep(0.01)
        yield
    finally:
        if server is not None:
            server.end()
        await asyncio.gather(tcp.close(), *ends)


def _make_measured(service: Service, stack: contextlib.AsyncExitStack) -> FastAPI:
    """Make the application, and what measures for it until the stack ends."""
    lag = LoopLag()
    lag.start()
    stack.callback(lag.stop)
    measuring = Measuring(service, lag)
    stack.push_async_callback(asyncio.to_thread, measuring.close)
    return make_app(service, measuring)


async def _listen_on_path(stack: contextlib.AsyncExitStack, path: Path) -> socket.socket:
    """Make the Unix socket, which ends with the stack."""
    own = await asyncio.to_thread(listen_on_path, path)
    stack.callback(own.close)
    stack.callback(remove_socket, path, path.stat().st_ino)
    return own
