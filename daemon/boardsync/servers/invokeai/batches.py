"""Many subjects: in pieces that a request may hold, or a few at a time side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

Subject = TypeVar("Subject")
Result = TypeVar("Result")


def chunked(subjects: Sequence[Subject], size: int) -> Iterator[Sequence[Subject]]:
    """Cut a sequence into pieces of at most `size`, in order; an empty one into none."""
    for start in range(0, len(subjects), size):
        yield subjects[start : start + size]


async def in_parallel(
    function: Callable[[Subject], Awaitable[Result]], subjects: Sequence[Subject], workers: int
) -> Sequence[Result]:
    """Call `function` for every subject, at most `workers` at once; results keep the order.

    The first error is raised after the others were stopped. Only as many tasks exist as
    there are workers, however many the subjects.
    """
    results: dict[int, Result] = {}
    pending = iter(enumerate(subjects))

    async def work() -> None:
        for index, subject in pending:
            results[index] = await function(subject)

    tasks = [asyncio.ensure_future(work()) for _ in range(min(workers, len(subjects)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [results[index] for index in range(len(subjects))]
