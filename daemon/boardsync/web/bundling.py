"""The control API's route that tells what a support bundle holds of a running daemon.

The daemon itself takes the secrets out: it knows all of them, and a command may not.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter

from boardsync.engine.service import Service
from boardsync.telemetry import redaction
from boardsync.web.standing import running_status


def bundling(service: Service) -> APIRouter:
    """Build it."""
    router = APIRouter()

    @router.get("/bundle")
    def bundle() -> dict[str, Any]:
        told = running_status(service)
        cleaned: dict[str, Any] = json.loads(redaction.clean(json.dumps(told, default=str)))
        return {"status": cleaned, "log": service.recent_log()}

    return router
