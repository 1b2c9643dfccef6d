"""The log: one form for our own messages and those of libraries, and never a secret in it.

Our modules write with `structlog.get_logger(__name__)`; libraries use the standard library's
logging. Both end in one handler, which makes every value printable, takes secrets out, and
writes lines for people or JSON lines for machines.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from boardsync.telemetry import journal
from boardsync.telemetry.recent import RecentLines
from boardsync.telemetry.redaction import HIDDEN, clean, is_telling
from boardsync.telemetry.rendering import readable, readable_text

_AT_LEAST = {
    # One line for each request, and several for each event and each run of a job: what these
    # libraries find worth an INFO (watchdog: a DEBUG) is noise in a daemon that works.
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "alembic": logging.WARNING,
    "apscheduler": logging.WARNING,
    "uvicorn": logging.WARNING,
    "watchdog": logging.INFO,
    "PIL": logging.INFO,
}
_MULTILINE = ("exception", "stack")


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second `configure` replaces it and leaves other handlers alone."""


_OURS = (_Handler, journal.JournalHandler)


def configure(
    level: str,
    format: str,  # noqa: A002
    stream: TextIO | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    journal_socket: str = journal.SOCKET,
) -> None:
    """Set up the log of this process. Calling it again replaces the set-up.

    level: debug, info, warning or error. format: console, json, journal, or auto, which is
    console on a terminal, journal where the stream leads there, and json otherwise. stream: by
    default standard error.
    """
    stream = sys.stderr if stream is None else stream
    environ = os.environ if environ is None else environ
    if isinstance(stream, io.TextIOWrapper):
        # A terminal without UTF-8 must not turn a message into an error.
        stream.reconfigure(errors="backslashreplace")
    _configure_structlog()
    handler = _handler(_form(format, stream, environ), stream, journal_socket)
    root = logging.getLogger()
    for old in [known for known in root.handlers if isinstance(known, _OURS)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    number = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(number)
    for library, least in _AT_LEAST.items():
        logging.getLogger(library).setLevel(max(number, least))


def _form(chosen: str, stream: TextIO, environ: Mapping[str, str]) -> str:
    if chosen != "auto":
        return chosen
    if stream.isatty():
        return "console"
    return "journal" if journal.leads_there(stream, environ) else "json"


def _handler(form: str, stream: TextIO, journal_socket: str) -> logging.Handler:
    """Make the handler. Where no journal listens, the stream gets lines with priorities."""
    handler: logging.Handler = _Handler(stream)
    if form != "journal":
        handler.setFormatter(_formatter(_renderer(form, stream)))
        return handler
    spare = journal.PrefixedFormatter(_formatter(_plain))
    try:
        listening = journal.Journal(journal_socket)
    except OSError:
        handler.setFormatter(spare)
        return handler
    handler = journal.JournalHandler(listening, stream, spare)
    handler.setFormatter(_formatter(journal.rendered))
    return handler


def _plain(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Render a line without what the journal adds by itself (a structlog processor)."""
    return journal.message(event)


def keep_recent() -> RecentLines:
    """Keep the last lines of this process's log from now on, as JSON; return where."""
    kept = RecentLines(_formatter(structlog.processors.JSONRenderer()))
    logging.getLogger().addHandler(kept)
    return kept


@contextmanager
def about(
    *,
    mirror: str | None = None,
    run: int | str | None = None,
    path: bytes | None = None,
    item: str | None = None,
) -> Iterator[None]:
    """Name what the block deals with in every message inside it, libraries' ones included.

    It follows the task (context variables), not the thread. What is None stays as it was.
    """
    subjects = {"mirror": mirror, "run": run, "path": path, "item": item}
    given = {key: value for key, value in subjects.items() if value is not None}
    with structlog.contextvars.bound_contextvars(**given):
        yield


def fit_to_write(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Make every value of a message printable and free of secrets (a structlog processor)."""
    return {key: _safe_text(key, value) for key, value in event.items()}


def _configure_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common(),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _common() -> list[Processor]:
    """What our messages and the libraries' get alike, in the context they were written in."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderer(form: str, stream: TextIO) -> Processor:
    if form != "console":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty() and not os.environ.get("NO_COLOR"),
        # The richer ones print local variables, where secrets live.
        exception_formatter=structlog.dev.plain_traceback,
    )


def _formatter(renderer: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_common(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            fit_to_write,
            renderer,
        ],
    )


def _safe_text(key: str, value: object) -> object:
    """Return a value of a message, or of a mapping in it, as it may be written."""
    if is_telling(key):
        return HIDDEN
    if key in _MULTILINE and isinstance(value, str):
        return clean(readable_text(value, multiline=True))
    return _safe(readable(value))


def _safe(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, MutableMapping):
        return {clean(key): _safe_text(key, part) for key, part in value.items()}
    if isinstance(value, list):
        return [_safe(part) for part in value]
    return value
