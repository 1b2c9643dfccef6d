"""What is left alone in a watched folder, and why: built-in rules and the person's own.

Pure but for its imports: the content of `.boardsyncignore` is passed in. Built-in rules can
not be lifted by a `!` pattern: they keep half-written files and the daemon's own files out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import translate

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from boardsync.errors import SettingsError
from boardsync.files.durable import TEMP_PREFIX
from boardsync.formats import is_supported_file

IGNORE_FILE = b".boardsyncignore"
"""Name of the file of rules in a mirror's folder."""

_TEMPORARY = (
    "~*", "*~", "#*#", "*.tmp", "*.temp", "*.swp", "*.swo", "*.swx", "*.kate-swp", "*.lock",
    "*.part", "*.partial", "*.filepart", "*.crdownload", "*.opdownload", "*.download",
    "*.aria2", "*.!qb", "*.!ut",
)  # fmt: skip
"""Names that editors, browsers and copying tools give to what they have not finished."""

_SYSTEM = frozenset({
    b"thumbs.db", b"ehthumbs.db", b"desktop.ini", b"icon\r", b"__macosx", b"lost+found",
    b"system volume information", b"$recycle.bin", b"recycler", b"#recycle", b"#snapshot",
    b"@eadir", b"@recycle", b"@recently-snapshot", b"@sharebin", b"network trash folder",
    b"temporary items",
})  # fmt: skip
"""Names, in lower case, that systems and network disks scatter over folders."""

_TEMPORARY_NAME = re.compile("|".join(translate(shape) for shape in _TEMPORARY), re.IGNORECASE)
_DOT, _TILDE = b".~"
_REMEMBERED = 8192


class Reason(StrEnum):
    """Why something in the folder is left alone; the key under which a scan counts it."""

    HIDDEN = "hidden"
    TEMPORARY = "temporary"
    SYSTEM = "system"
    PULLED = "pulled"
    NOT_A_PICTURE = "not-a-picture"
    RULE = "rule"
    NOT_INCLUDED = "not-included"
    SYMLINK = "symlink"
    SPECIAL = "special"
    """Neither file, directory nor symlink: a FIFO, socket or device."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """The reason why a path is left alone, and the rule in words."""

    reason: Reason
    rule: str


class Rules:
    """Tells what of a folder is mirrored. Compiled once, safe to share between threads.

    include: when given, only files that one of these patterns fits. ignore: patterns from the
    settings. ignore_file: content of `.boardsyncignore`; its patterns come after those of the
    settings, so that its `!` patterns win over them. All in gitignore's syntax.

    pull_into: the directory, relative to the folder, that pictures are pulled into; None when
    what is pulled is to be seen as well. by_subfolder: every first-level subfolder has such a
    directory, besides the one in the root, which belongs to the board of the root's files.

    Raises SettingsError for a line that is no pattern.
    """

    def __init__(
        self,
        *,
        include: Sequence[str] = (),
        ignore: Sequence[str] = (),
        ignore_file: bytes = b"",
        pull_into: bytes | None = b"outputs",
        by_subfolder: bool = False,
    ) -> None:
        lines = [*_from_settings("ignore", ignore), *_from_file(ignore_file)]
        self._ignore = _Patterns(lines) if lines else None
        self._include = _Patterns(list(_from_settings("include", include))) if include else None
        self._pull_into = pull_into or None
        self._by_subfolder = by_subfolder
        self._directories: dict[bytes, Ignored | None] = {b"": None}
        self._extensions: dict[bytes, Ignored | None] = {}

    def verdict(self, path: bytes, is_dir: bool) -> Ignored | None:
        """Return why a path is left alone, itself or with a directory above it; else None."""
        parent, slash, name = path.rpartition(b"/")
        above = self._directory(parent)
        if above is not None:
            return above
        return self.judge(parent + slash, name, is_dir) if name else None

    def judge(self, prefix: bytes, name: bytes, is_dir: bool) -> Ignored | None:
        """Return why one entry is left alone, in a directory that is known not to be.

        prefix: the directory with a slash behind it, empty for the root. The scan's hot path.
        """
        if is_dir:
            verdict = _built_in(name) or self._pulled(prefix + name)
        else:
            verdict = self._by_extension(name)
            if verdict is not None or name[0] in (_DOT, _TILDE):
                verdict = _built_in(name) or verdict
        if verdict is None and (self._ignore is not None or self._include is not None):
            return self._by_pattern(prefix + name, is_dir)
        return verdict

    def _directory(self, path: bytes) -> Ignored | None:
        """Judge a directory and all above it, remembering the answers."""
        known = self._directories
        if path in known:
            return known[path]
        if len(known) > _REMEMBERED:
            self._directories = known = {b"": None}
        verdict = None
        for prefix, name in _steps(path):
            here = prefix + name
            if here not in known:
                verdict = self.judge(prefix, name, True)
                known[here] = verdict and Ignored(verdict.reason, _inside(here, verdict.rule))
            verdict = known[here]
            if verdict is not None:
                break
        known[path] = verdict
        return verdict

    def _by_extension(self, name: bytes) -> Ignored | None:
        """Judge a file by its extension alone; the few that exist are judged once."""
        extension = name[name.rfind(b".") :]
        try:
            return self._extensions[extension]
        except KeyError:
            if len(self._extensions) > _REMEMBERED:
                self._extensions.clear()
            verdict = self._extensions[extension] = _not_a_picture(b"x" + extension)
            return verdict

    def _pulled(self, directory: bytes) -> Ignored | None:
        if self._pull_into is None:
            return None
        below = directory.partition(b"/")[2] if self._by_subfolder else directory
        if self._pull_into not in (directory, below):
            return None
        return Ignored(Reason.PULLED, "pictures from the board are put here, not taken from here")

    def _by_pattern(self, path: bytes, is_dir: bool) -> Ignored | None:
        # In a pattern's regular expression neither `.` nor `$` means what it should beside a
        # newline. No name holds a NUL, and no pattern can name a newline.
        text = path.decode("utf-8", "surrogateescape").replace("\n", "\0")
        if self._ignore is not None:
            rule = self._ignore.deciding(text + "/" if is_dir else text)
            if rule is not None:
                return Ignored(Reason.RULE, rule)
        if self._include is None or is_dir or self._include.take(text):
            return None
        return Ignored(Reason.NOT_INCLUDED, "no pattern under `include` fits")


class _Patterns:
    """An ordered list of gitignore patterns, each with the words for where it stands."""

    def __init__(self, lines: Sequence[tuple[str, str]]) -> None:
        self._places = [f"the pattern `{line}` ({place})" for line, place in lines]
        patterns = [_compiled(line, place) for line, place in lines]
        self._spec = GitIgnoreSpec(patterns)
        # One search over all at once answers for most paths that no pattern fits. Group names
        # may not repeat, and only the full answer needs them.
        sources = (pattern.regex.pattern for pattern in patterns if pattern.regex is not None)
        joined = "|".join(f"(?:{_GROUP_NAME.sub('(?:', source)})" for source in sources)
        self._any = re.compile(joined)
        self._only_positive = all(pattern.include for pattern in patterns)

    def take(self, text: str) -> bool:
        """Tell whether the patterns take a path."""
        if self._only_positive:
            return self._any.search(text) is not None
        return self.deciding(text) is not None

    def deciding(self, text: str) -> str | None:
        """Return the words for the pattern that takes a path, None when none does."""
        if self._any.search(text) is None:
            return None
        result = self._spec.check_file(text, separators=())
        if not result.include or result.index is None:
            return None
        return self._places[result.index]


_GROUP_NAME = re.compile(r"\(\?P<\w+>")


def _compiled(line: str, place: str) -> GitIgnoreSpecPattern:
    """Compile one pattern. What git would drop in silence is refused: it protects nothing."""
    try:
        pattern = GitIgnoreSpecPattern(line)
    except (GitIgnorePatternError, re.error) as error:
        raise _no_pattern(line, place) from error
    if pattern.include is None:
        raise _no_pattern(line, place)
    return pattern


def _no_pattern(line: str, place: str) -> SettingsError:
    return SettingsError(
        f"{place}: `{line}` is no pattern; write it as in a .gitignore, for example `drafts/` "
        "or `*.bmp`"
    )


def _from_settings(setting: str, patterns: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(patterns, 1):
        yield line, f"setting `{setting}`, entry {number}"


def _from_file(content: bytes) -> Iterator[tuple[str, str]]:
    name = IGNORE_FILE.decode()
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield line.removesuffix("\r"), f"{name}, line {number}"


def _built_in(name: bytes) -> Ignored | None:
    """Judge a name, of a file or of a directory, by the rules that always hold."""
    if name.startswith(TEMP_PREFIX):
        return Ignored(Reason.TEMPORARY, "a temporary file of boardsync itself")
    if name[0] == _DOT:
        return Ignored(Reason.HIDDEN, "its name begins with a dot")
    if name.lower() in _SYSTEM:
        return Ignored(
            Reason.SYSTEM, f"`{_shown(name)}` belongs to the system, not to the pictures"
        )
    if _TEMPORARY_NAME.match(name.decode("utf-8", "surrogateescape")):
        return Ignored(Reason.TEMPORARY, "a name for unfinished files, such as *.part or ~*")
    return None


def _not_a_picture(name: bytes) -> Ignored | None:
    """Judge a file by the extension of its name."""
    if is_supported_file(name):
        return None
    dot = name.rfind(b".")
    kind = f"`{_shown(name[dot:])}`" if dot > 0 else "a name without an extension"
    return Ignored(Reason.NOT_A_PICTURE, f"{kind} is no kind of picture that boardsync sends")


def _steps(path: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Go down a path: prefix with slash, and name, of each directory on the way."""
    prefix = b""
    for name in path.split(b"/"):
        yield prefix, name
        prefix += name + b"/"


def _inside(directory: bytes, rule: str) -> str:
    return f"in `{_shown(directory)}`, which is left alone: {rule}"


def _shown(name: bytes) -> str:
    """Return a name for a message, on one line whatever it holds."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
