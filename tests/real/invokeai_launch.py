"""Start InvokeAI inside its own virtual environment, without a GPU or models.

Runs under that environment's Python, so it imports nothing of boardsync. The registry's
torchvision is built for a CUDA torch; beside a CPU torch its compiled operators are
missing and its import fails. Declaring the two it asks for is enough for a server that
runs no model.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def _end_with_parent() -> None:
    """Stop this process once standard input closes: whoever started it is gone."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _declare_operators() -> object:
    """Declare torchvision's detection operators; the result must stay referenced."""
    import torch  # type: ignore[import-not-found]

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def main() -> None:
    """Run the server until it is told to stop."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    library = _declare_operators()
    from invokeai.app.run_app import run_app  # type: ignore[import-not-found]

    run_app()
    del library


if __name__ == "__main__":
    main()
