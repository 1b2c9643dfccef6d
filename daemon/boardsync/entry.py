"""The entry point: joins the command line to the control API, which do not know each other."""

from __future__ import annotations

import signal
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from boardsync.cli.probe import quick

if TYPE_CHECKING:
    from boardsync.engine.service import Service


def main() -> None:
    """Run the command `boardsync`."""
    # As process 1 of a container nothing ends us by default, not even before the service runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    code = quick(sys.argv[1:])
    if code is not None:
        sys.exit(code)
    from boardsync.cli.access import Wiring
    from boardsync.cli.main import main as command_line

    command_line(obj=Wiring(serving=_serving))


def _serving(service: Service, socket: Path | None) -> AbstractAsyncContextManager[None]:
    # FastAPI and uvicorn weigh more than all the rest: only a daemon loads them.
    from boardsync.web.control import serving

    return serving(service, socket)
