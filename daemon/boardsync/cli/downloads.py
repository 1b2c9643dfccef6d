"""Fetching images into files: whole or not at all, never over something else, and only once."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from boardsync.cli.landing import Landing, is_whole_picture, land
from boardsync.cli.output import printable
from boardsync.cli.steps import Steps
from boardsync.errors import (
    BoardsyncError,
    NoRoom,
    NotAuthorised,
    Refused,
    ServerBusy,
    ServerUnreachable,
    TryAgain,
)
from boardsync.files.durable import create_temp, remove_if_there, sync_and_close
from boardsync.model import Download, Item
from boardsync.plan.names import normal_key, safe_name, split_extension
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.batches import in_parallel

Result = TypeVar("Result")

WAITS: Final = (0.1, 0.3, 0.7, 1.5)
"""Seconds before fetching again: an image is listed up to a second before it is whole."""
LONGEST_WAIT: Final = 10.0
_FOR_ALL: Final = (ServerUnreachable, ServerBusy, NotAuthorised, NoRoom)
"""What one image shares with all others, so that the rest need not be tried."""


class Ending(StrEnum):
    """What became of one image."""

    SAVED = "saved"
    SKIPPED = "skipped"
    """It was there already, and is whole."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result for one image. size: bytes that were written."""

    name: str
    ending: Ending
    path: str | None = None
    size: int = 0
    reason: str | None = None

    def record(self) -> dict[str, Any]:
        """Return this for JSON."""
        told: dict[str, Any] = {"name": self.name, "outcome": self.ending.value}
        if self.path is not None:
            told["path"] = os.fsencode(self.path)
        return told if self.reason is None else told | {"reason": self.reason}

    def words(self) -> str:
        """Return this for people."""
        more = f": {self.reason}" if self.ending is Ending.FAILED else f", {self.path}"
        return printable(f"{self.name}: {self.ending.value}{more}")


@dataclass(frozen=True, slots=True)
class Job:
    """An image and the file it goes to. named: a person chose the file's name."""

    image: Item
    path: str
    named: bool = False


def file_name(image: Item, *, thumbnail: bool) -> str:
    """Return the name of an image's file: one safe component, whatever the server calls it."""
    name = safe_name(image.item_id)
    return split_extension(name)[0] + ".webp" if thumbnail else name


def jobs_in(directory: str, images: Sequence[Item], *, thumbnail: bool) -> Sequence[Job | Fetched]:
    """Give each image its file in a directory; two that would share one are kept apart."""
    jobs: dict[str, Job | Fetched] = {}
    for image in images:
        name = file_name(image, thumbnail=thumbnail)
        key = normal_key(os.fsencode(name))
        if key in jobs:
            reason = f"another image of this download goes to {name}"
            jobs[f"{key}/{len(jobs)}"] = Fetched(image.item_id, Ending.FAILED, reason=reason)
        else:
            jobs[key] = Job(image, os.path.join(directory, name))
    return list(jobs.values())


class Fetcher:
    """Fetches images of one account, several at once.

    thumbnail: the small WebP instead of the picture. force: fetch again what is there, and
    replace whatever has its name. waits: seconds before each further attempt.
    """

    def __init__(
        self,
        client: InvokeAIClient,
        *,
        at_once: int,
        thumbnail: bool = False,
        force: bool = False,
        waits: Sequence[float] = WAITS,
    ) -> None:
        self._images = client.images
        self._at_once = at_once
        self._thumbnail = thumbnail
        self._force = force
        self._waits = waits
        self._end: BoardsyncError | None = None

    async def fetch(self, jobs: Sequence[Job | Fetched]) -> Sequence[Fetched]:
        """Carry jobs out and return their results, in order. A failure never stops the rest,
        unless all would share it. Results among the jobs are passed on.
        """
        with Steps(len(jobs), "downloading") as steps:

            async def done(job: Job | Fetched) -> Fetched:
                result = await self._result(job) if isinstance(job, Job) else job
                steps.done(result.words())
                return result

            return await in_parallel(done, jobs, self._at_once)

    async def _result(self, job: Job) -> Fetched:
        failure = self._end
        try:
            if failure is None:
                return await self._save(job)
        except OSError as error:
            failure = _disk_error(job, error)
        except BoardsyncError as error:
            failure = error
        if isinstance(failure, _FOR_ALL):
            self._end = failure
        return Fetched(job.image.item_id, Ending.FAILED, reason=str(failure))

    async def _save(self, job: Job) -> Fetched:
        skipped = Fetched(job.image.item_id, Ending.SKIPPED, job.path)
        if not self._force and not job.named and await asyncio.to_thread(self._is_there, job):
            return skipped
        temporary, download = await self._landed(job)
        try:
            found = await asyncio.to_thread(land, temporary, job.path, force=self._force)
        finally:
            await asyncio.shield(asyncio.to_thread(remove_if_there, temporary))
        if found is Landing.OTHER:
            raise Refused(f"{job.path} is there with other content; --force replaces it")
        if found is Landing.SAME:
            return skipped
        return Fetched(job.image.item_id, Ending.SAVED, job.path, download.size)

    def _is_there(self, job: Job) -> bool:
        """Tell whether an image was fetched before. A thumbnail's size is not known here."""
        size = None if self._thumbnail else (job.image.width, job.image.height)
        return is_whole_picture(job.path, size)

    async def _landed(self, job: Job) -> tuple[bytes, Download]:
        """Fetch an image into a temporary file beside its place; whole and durable on return."""
        directory = os.path.dirname(job.path) or "."

        async def attempt() -> tuple[bytes, Download]:
            stream, temporary = await asyncio.to_thread(create_temp, directory)
            try:
                # Closing fails like writing on a full disk, hence inside the same `try`.
                with stream:
                    download = await self._images.download(
                        job.image, stream, thumbnail=self._thumbnail
                    )
                    await asyncio.to_thread(sync_and_close, stream)
            except BaseException:
                await asyncio.shield(asyncio.to_thread(remove_if_there, temporary))
                raise
            return temporary, download

        return await _patiently(attempt, self._waits)


def _disk_error(job: Job, error: OSError) -> BoardsyncError:
    reason = f"{job.path} cannot be written: {error.strerror or error}"
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return NoRoom(f"{reason}; free some space") if full else Refused(reason)


async def _patiently(attempt: Callable[[], Awaitable[Result]], waits: Sequence[float]) -> Result:
    """Make an attempt again, once after each wait, when what went wrong heals by itself."""
    for wait in waits:
        try:
            return await attempt()
        except TryAgain as error:
            await asyncio.sleep(min(error.retry_after or wait, LONGEST_WAIT))
    return await attempt()
