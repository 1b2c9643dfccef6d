"""The control API's routes that steer the daemon: pause, resume, look now."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from boardsync.engine import steering
from boardsync.engine.service import Service
from boardsync.web.texts import Question, Seconds


class MirrorsRequest(Question):
    """Which mirrors are meant; all when empty."""

    mirrors: list[str] = Field(default=[])


class ResumeRequest(MirrorsRequest):
    """Which mirrors are meant, or instead of them a server; everything with neither."""

    server: str | None = None


class PauseRequest(ResumeRequest):
    """seconds: after which the pause ends by itself; null is never."""

    seconds: Seconds | None = None


def steering_routes(service: Service) -> APIRouter:
    """Build the routes. Handlers only ask the engine."""
    router, assembly = APIRouter(), service.assembly

    @router.post("/pause")
    async def pause(request: PauseRequest) -> dict[str, Any]:
        return await steering.pause(assembly, request.mirrors, request.server, request.seconds)

    @router.post("/resume")
    async def resume(request: ResumeRequest) -> dict[str, Any]:
        return await steering.resume(assembly, request.mirrors, request.server)

    @router.post("/sync")
    async def sync(request: MirrorsRequest) -> dict[str, Any]:
        return steering.sync(assembly, request.mirrors)

    return router
