"""Who works for each mirror: the tasks of its worker and of its watchers."""

from __future__ import annotations

import asyncio

from boardsync.engine.board_news import BoardNews
from boardsync.engine.clock import Clock
from boardsync.engine.watching import Watching
from boardsync.engine.worker import Worker


class Crew:
    """Begins and ends the work for single mirrors, whose names it knows them by."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self.watching: dict[str, Watching] = {}

    def begin(self, worker: Worker) -> None:
        """Watch a mirror's folder and make its passes."""
        name = worker.mirror.name
        watching = Watching(worker, self._clock)
        self.watching[name] = watching
        self._tasks[name] = [
            asyncio.create_task(worker.run(), name=f"mirror {name}"),
            asyncio.create_task(watching.run(), name=f"watching {name}"),
        ]
        if worker.mirror.server.capabilities.directory is not None:
            news = BoardNews(worker, watching, self._clock)
            listening = asyncio.create_task(news.run(), name=f"hearing of boards of {name}")
            self._tasks[name].append(listening)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The tasks of all mirrors; none of them ends by itself."""
        return [task for own in self._tasks.values() for task in own]

    async def end(self, worker: Worker, patience: float) -> None:
        """Let a mirror's pass finish, and make no further one, for nobody.

        patience: seconds after which a pass is cut off; like a kill, that loses nothing.
        """
        working, *watching = self._tasks.pop(worker.mirror.name)
        worker.stand_down()
        for task in watching:
            task.cancel()
        await asyncio.wait([working], timeout=patience)
        working.cancel()
        await asyncio.gather(*watching, working, return_exceptions=True)
        await worker.at_rest()
        self.watching.pop(worker.mirror.name, None)

    async def end_all(self) -> None:
        """Cut off everything at once: the process ends."""
        tasks = self.tasks
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
