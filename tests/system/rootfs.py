"""A small Debian, made once and kept, and the boardsync of this checkout installed into a copy."""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from system.tools import CACHE, CHECKOUT, call, locked

SUITE = "bookworm"
PYTHON = "3.11"
PYTHON_PACKAGES = ("python3", "python3-venv", "python3-pip", "ca-certificates")
PACKAGES = ("systemd", "systemd-sysv", "dbus", "libpam-systemd", *PYTHON_PACKAGES)
HOME = Path("/opt/boardsync")
"""Where boardsync is installed, inside."""


def debian() -> Path:
    """Return a Debian with systemd and Python that nobody writes to; make it when it is missing."""
    return _made("debian", f"{SUITE} {PACKAGES}", _bootstrap)


def debian_for(architecture: str) -> Path:
    """Return a Debian with Python for another processor, which has to be imitated by now."""
    make = partial(_bootstrap, packages=PYTHON_PACKAGES, architecture=architecture)
    return _made(f"debian-{architecture}", f"{SUITE} {PYTHON_PACKAGES}", make)


def wheels(machine: str = platform.machine()) -> Path:
    """Return a directory with the wheels that boardsync needs on that Debian, to build and to run.

    They are fetched by the Python at hand: inside there is no proxy, certificate or index of ours.
    machine: whose processor they are for, as `uname -m` names it.
    """
    key = f"{SUITE} {_requirements()} {machine}"
    return _made(f"wheels-{machine}", key, partial(_fetch_wheels, machine=machine))


def with_dependencies() -> Path:
    """Return a layer that holds, in `/opt`, an environment with boardsync's dependencies."""
    return _made("opt", f"{SUITE} {PACKAGES} {_requirements()}", _install_dependencies)


def wheel(target: Path, kind: str = "wheel", source: Path = CHECKOUT) -> Path:
    """Build a wheel or an sdist of a source tree, and return it."""
    call([sys.executable, "-m", "build", f"--{kind}", "--outdir", target, source])
    [built] = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@contextmanager
def mounted(base: Path, lower: Path, *more: Path) -> Iterator[Path]:
    """Give a system of some layers, whose changes go to `base` and stay there. First wins."""
    upper, work, merged = base / "changes", base / "work", base / "system"
    for one in (upper, work, merged):
        one.mkdir(parents=True, exist_ok=True)
    below = ":".join(str(one) for one in (*more, lower))
    options = f"lowerdir={below},upperdir={upper},workdir={work}"
    call(["mount", "-t", "overlay", "overlay", "-o", options, merged])
    try:
        yield merged
    finally:
        call(["umount", "--lazy", merged])


def inside(root: Path, *command: str) -> str:
    """Run a command in a system that is not booted, in an environment without ours."""
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return call(["env", "-i", path, "LANG=C.UTF-8", "chroot", root, *command])


def install(root: Path, *requirements: str | Path) -> None:
    """Install into the environment of a system that is not booted, from wheels alone."""
    place = root / "wheels"
    place.mkdir(exist_ok=True)
    call(["mount", "--bind", wheels(), place])
    try:
        pip = (f"{HOME}/bin/pip", "install", "--quiet", "--no-index", "--find-links=/wheels")
        inside(root, *pip, *(str(one) for one in requirements))
    finally:
        call(["umount", "--lazy", place])


def carried(root: Path, file: Path) -> Path:
    """Bring a file into a system; return how it is called there."""
    shutil.copyfile(file, root / file.name)
    return Path("/", file.name)


def _project() -> dict[str, Any]:
    with (CHECKOUT / "pyproject.toml").open("rb") as stream:
        return tomllib.load(stream)


def _requirements() -> list[str]:
    known = _project()
    extras = [one for some in known["project"]["optional-dependencies"].values() for one in some]
    return [*known["project"]["dependencies"], *extras, *known["build-system"]["requires"]]


def _made(name: str, key: str, make: Callable[[Path], None]) -> Path:
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    target, stamp = CACHE / f"{name}-{digest}", CACHE / f"{name}-{digest}.complete"
    with locked(CACHE / f"{name}.lock"):
        if not stamp.exists():
            shutil.rmtree(target, ignore_errors=True)
            make(target)
            stamp.touch()
    return target


def _bootstrap(
    target: Path, packages: Sequence[str] = PACKAGES, architecture: str | None = None
) -> None:
    other = [] if architecture is None else [f"--architectures={architecture}"]
    call([
        "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}",
        *other, SUITE, target,
    ], seconds=300 if architecture is None else 3600)  # fmt: skip


def _fetch_wheels(target: Path, machine: str) -> None:
    kinds = [f"--platform={one}_{machine}" for one in ("manylinux_2_28", "manylinux2014")]
    call([
        sys.executable, "-m", "pip", "download", "--quiet", "--dest", target,
        "--only-binary=:all:", f"--python-version={PYTHON}", *kinds, "--platform=any",
        *_requirements(),
    ])  # fmt: skip


def _install_dependencies(target: Path) -> None:
    work = target.with_name(f"{target.name}.work")
    shutil.rmtree(work, ignore_errors=True)
    try:
        with mounted(work, debian()) as root:
            inside(root, "python3", "-m", "venv", str(HOME))
            install(root, *_project()["project"]["dependencies"])
        (target / "opt").mkdir(parents=True)
        (work / "changes/opt/boardsync").rename(target / "opt/boardsync")
    finally:
        shutil.rmtree(work, ignore_errors=True)
