"""The control API's route by which settings are read again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from boardsync.engine.service import Service


def reloading(service: Service) -> APIRouter:
    """Build it. It answers when what changed is in force: transfers under way finish first."""
    router = APIRouter()

    @router.post("/reload")
    async def reload() -> dict[str, Any]:
        return (await service.reload()).as_dict()

    return router
