"""What a running daemon tells of its mirrors, besides what the state knows."""

from __future__ import annotations

from typing import Any

from boardsync.engine import report
from boardsync.engine.service import Service


def running_status(service: Service) -> dict[str, Any]:
    """Return how every mirror stands, with its watcher and transfers, and what health found."""
    assembly = service.assembly
    told = report.status(assembly.settings, assembly.state, assembly.clock)
    for mirror in told["mirrors"]:
        watching = service.watching.get(mirror["mirror"])
        mirror["watcher"] = watching.stats() if watching else None
        carrier = assembly.carriers.get(mirror["server"])
        mirror["under_way"] = len(carrier.under_way) if carrier else 0
    return told | {"health": [cause.as_dict() for cause in service.health.causes]}
