"""The control API's routes by which a running daemon examines itself, and is mended."""

from __future__ import annotations

from fastapi import APIRouter

from boardsync.engine.service import Service


def doctoring(service: Service) -> APIRouter:
    """Build them. Mending writes to the state, which only its daemon may."""
    router, assembly = APIRouter(), service.assembly

    @router.post("/doctor/mend")
    async def mend_all() -> list[str]:
        from boardsync.engine.doctor import mend

        done = await service.unless_stopped(mend(assembly.settings, assembly.state))
        service.index_anew()
        return done

    return router
