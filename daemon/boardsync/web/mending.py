"""The control API's route by which a file that rotted is mended."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from boardsync.engine.mend import mend
from boardsync.engine.service import Service
from boardsync.web.texts import Name, Question


class MendRequest(Question):
    """A path, and the folder that a relative one may start from."""

    subject: Name
    here: Name | None = None


def mending(service: Service) -> APIRouter:
    """Build it. It answers when the fetching is planned."""
    router, assembly = APIRouter(), service.assembly

    @router.post("/mend")
    async def start_mending(request: MendRequest) -> list[dict[str, Any]]:
        told = await service.unless_stopped(mend(assembly, request.subject, request.here))
        for carrier in assembly.carriers.values():
            carrier.wake()
        return [asdict(one) for one in told]

    return router
