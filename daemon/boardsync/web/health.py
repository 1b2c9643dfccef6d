"""Health for whoever watches over the daemon: is it alive, and is it doing what it should?

`/health/live` fails when only a restart helps; `/health/ready` when something is stuck, which a
restart rarely mends. Both answer 503 then, with the reasons.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from boardsync.engine.service import Service

FAILED = 503


def health_routes(service: Service) -> APIRouter:
    """Build the routes."""
    router, health = APIRouter(), service.health

    @router.get("/health/live")
    async def live() -> JSONResponse:
        """Answer from the event loop, after the writer of the state has answered it."""
        reason = await health.answers()
        reasons = [] if reason is None else [reason]
        return JSONResponse({"live": not reasons, "reasons": reasons}, FAILED if reasons else 200)

    @router.get("/health/ready")
    async def ready() -> JSONResponse:
        """Answer 200 when every mirror was looked at and nothing is stuck."""
        told = ready_values(service)
        return JSONResponse(told, 200 if told["ready"] else FAILED)

    @router.post("/alarms/test")
    async def test_alarms() -> list[dict[str, Any]]:
        tried = await service.alarms.test()
        return [one.as_dict() for one in tried]

    return router


def ready_values(service: Service) -> dict[str, Any]:
    """Return how the daemon is. healthy: nothing is stuck; ready: and all was looked at."""
    causes = service.health.look()
    stuck = [cause.words for cause in causes if cause.stuck]
    unseen = [f"{name}: the first look is under way" for name in service.health.unseen]
    return {
        "ready": not stuck and not unseen,
        "healthy": not stuck,
        "reasons": stuck + unseen,
        "causes": [cause.as_dict() for cause in causes],
    }
