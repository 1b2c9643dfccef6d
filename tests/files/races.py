"""Threads that do the same thing at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable


def at_once(count: int, act: Callable[[int], None]) -> list[OSError | None]:
    """Run `act(0)` to `act(count - 1)` at the same moment; return what each of them raised."""
    outcomes: list[OSError | None] = [None] * count
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        gate.wait()
        try:
            act(number)
        except OSError as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
