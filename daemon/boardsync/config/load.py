"""Finds and reads the settings file: either sound settings, or everything that is wrong.

A message has one line for each problem: `FILE:LINE:COLUMN: where.key: what was found; expected
...; did you mean 'x'?`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from boardsync.config.base import BASE_FOLDER, SettingsPath
from boardsync.config.checks import Parts, find_problems
from boardsync.config.document import Document, parse
from boardsync.config.model import (
    InvokeAISettings,
    MirrorSettings,
    Secret,
    ServerSettings,
    Settings,
)
from boardsync.config.places import (
    SYSTEM_SETTINGS,
    default_index,
    default_socket,
    default_state,
    service_places,
    user_settings,
)
from boardsync.config.problems import Problem, from_validation
from boardsync.errors import SettingsError

K = TypeVar("K", str, int)
T = TypeVar("T")

_VARIABLE = "BOARDSYNC_CONFIG"
_PATH: TypeAdapter[Path] = TypeAdapter(SettingsPath)
_MIRROR: TypeAdapter[MirrorSettings] = TypeAdapter(MirrorSettings)
_SERVER: TypeAdapter[ServerSettings] = TypeAdapter(ServerSettings)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Sound settings, the file they came from, and what a person should know about them."""

    settings: Settings
    path: Path
    warnings: tuple[str, ...] = ()


def find(explicit: str | None, environ: Mapping[str, str]) -> Path:
    """Return the settings file: the one named, or the first that exists.

    explicit: what `-c` was given. A file that was named, there or in $BOARDSYNC_CONFIG, is
    never replaced by another one. Raises SettingsError naming every place looked at.
    """
    for name, given in (("-c", explicit), (f"${_VARIABLE}", environ.get(_VARIABLE))):
        if given:
            path = Path(given).absolute()
            if _is_there(path):
                return path
            raise SettingsError(
                f"There is no settings file {path}, which {name} names: make it, or name another."
            )
    places = _usual_places(environ)
    for path in places:
        if _is_there(path):
            return path
    looked = "".join(f"\n  {place}" for place in places)
    raise SettingsError(
        f"There is no settings file: name one with -c or in ${_VARIABLE}, or make one of "
        f"these:{looked}"
    )


def is_any(environ: Mapping[str, str]) -> bool:
    """Tell whether a settings file is named in $BOARDSYNC_CONFIG, or lies where it usually does."""
    return bool(environ.get(_VARIABLE)) or any(map(_is_there, _usual_places(environ)))


def _usual_places(environ: Mapping[str, str]) -> tuple[Path, ...]:
    return user_settings(environ), SYSTEM_SETTINGS


def _is_there(path: Path) -> bool:
    """Tell whether there is a file. A place that may not be looked into counts as empty."""
    try:
        return path.is_file()
    except OSError:
        return False


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Loaded:
    """Read a settings file. Raises SettingsError with one line for each problem in it.

    environ: of whoever is to use them. It says where a service keeps its state and its socket.
    """
    path = path.absolute()
    document = parse(_read(path))
    settings = _settings(document, path, environ)
    if settings is None:
        raise SettingsError("\n".join(_lines(path, document)))
    return Loaded(settings, path, tuple(_warnings(settings)))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(
            f"{path}: the settings cannot be read ({reason}): make the file, readable for this "
            "user, or name another with -c."
        ) from error
    except UnicodeDecodeError as error:
        # Not chained: the error quotes the file, which may hold a secret.
        place = error.start
        raise SettingsError(
            f"{path}: the settings are not UTF-8 text (byte {place}): save them as UTF-8."
        ) from None


def _settings(document: Document, path: Path, environ: Mapping[str, str]) -> Settings | None:
    """Return the settings, or None with every problem noted in the document."""
    if document.data is None and not document.problems:
        document.data = {}
    if not isinstance(document.data, dict):
        if not document.problems:
            text = "the file holds no settings; expected a section with servers, mirrors ..."
            document.problems.append(Problem((), text))
        return None
    data = _placed(document.data, {**service_places(path), **environ})
    settings, problems = _validated(data, path.parent)
    document.problems.extend(problems)
    return None if document.problems else settings


def _placed(data: dict[str, object], environ: Mapping[str, str]) -> dict[str, object]:
    """Add where a system service keeps its things, unless the settings say it."""
    places: dict[str, object] = {}
    if "STATE_DIRECTORY" in environ:
        places["state"] = str(default_state(environ))
    state = data.get("state", places.get("state"))
    if "RUNTIME_DIRECTORY" in environ and isinstance(state, str):
        places["socket"] = str(default_socket(Path(state), environ))
    if "CACHE_DIRECTORY" in environ and isinstance(state, str):
        places["index"] = str(default_index(Path(state), environ))
    return places | data


def _validated(data: dict[str, object], base: Path) -> tuple[Settings | None, list[Problem]]:
    try:
        settings = Settings.model_validate(data, context={BASE_FOLDER: base})
    except ValidationError as error:
        problems = from_validation(error, Settings)
        return None, problems + find_problems(_sound_parts(data, base))
    return settings, find_problems(Parts.of(settings))


def _sound_parts(data: dict[str, object], base: Path) -> Parts:
    """Gather what is sound in unsound settings, so that one look shows all that is wrong."""
    listed, named = data.get("mirrors"), data.get("servers")
    mirrors = dict(enumerate(listed)) if isinstance(listed, list) else {}
    servers = named if isinstance(named, dict) else {}
    state = data.get("state", default_state(os.environ))
    context = {BASE_FOLDER: base}
    return Parts(
        mirrors=_sound(mirrors, _MIRROR, context),
        servers=_sound(servers, _SERVER, context),
        server_names=frozenset(servers),
        state=_sound({"state": state}, _PATH, context).get("state"),
        index=_sound({"index": data.get("index")}, _PATH, context).get("index"),
    )


def _sound(raw: Mapping[K, object], adapter: TypeAdapter[T], context: object) -> dict[K, T]:
    sound: dict[K, T] = {}
    for key, value in raw.items():
        try:
            sound[key] = adapter.validate_python(value, context=context)
        except ValidationError:
            continue  # it was reported when the whole was validated
    return sound


def _lines(path: Path, document: Document) -> Iterator[str]:
    """Write the problems in the order of the file, each one once."""
    placed = {
        (position.line, position.column, str(problem))
        for problem in document.problems
        for position in (document.position(problem),)
    }
    for line, column, text in sorted(placed):
        yield f"{path}:{line}:{column}: {text}"


def _warnings(settings: Settings) -> Iterator[str]:
    """Warn of secrets that every user of this machine can read."""
    for where, secret in _secrets(settings):
        file = secret.file
        if file is not None and _readable_by_all(file):
            yield f"{where}: every user of this machine can read {file}: run `chmod 600` on it."


def _secrets(settings: Settings) -> Iterator[tuple[str, Secret]]:
    """Yield the secrets that the settings name, and where they do."""
    for name, server in settings.servers.items():
        if isinstance(server, InvokeAISettings) and server.password is not None:
            yield f"servers.{name}.password", server.password
    if settings.http.token is not None:
        yield "http.token", settings.http.token
    for number, channel in enumerate(settings.alarms.channels):
        where = f"alarms.channels[{number}]"
        given = {"webhook_from": channel.webhook_from, "token": channel.token}
        if channel.mail is not None:
            given["mail.password"] = channel.mail.password
        given |= {f"secret_headers.{key}": one for key, one in channel.secret_headers.items()}
        yield from ((f"{where}.{key}", one) for key, one in given.items() if one is not None)


def _readable_by_all(path: Path) -> bool:
    """Tell whether others may read a file. One that is missing is reported when it is needed."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
