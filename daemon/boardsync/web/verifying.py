"""The control API's routes by which items are verified."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from boardsync.engine.at_work import AtWork
from boardsync.engine.service import Service
from boardsync.engine.verify import todays_turn, verify
from boardsync.web.steering import MirrorsRequest


class VerifyRequest(MirrorsRequest):
    """Mirrors, all when none is named, and how much of them. share: from 0 to 1."""

    share: float = Field(default=1.0, gt=0.0, le=1.0, strict=True, allow_inf_nan=False)


def verifying(service: Service) -> APIRouter:
    """Build them. The first answers when everything was looked at."""
    router, assembly = APIRouter(), service.assembly
    at_work: AtWork = []

    @router.post("/verify")
    async def start_verifying(request: VerifyRequest) -> list[dict[str, Any]]:
        turn = todays_turn(assembly)
        work = verify(assembly, request.mirrors, request.share, turn, at_work)
        return [asdict(one) for one in await service.unless_stopped(work)]

    @router.get("/verify/progress")
    async def progress() -> list[dict[str, Any]]:
        return [asdict(one) for one in at_work]

    return router
