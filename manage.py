#!/usr/bin/env python3
"""Django's manage.py for the example project; it installs what it needs into ``.venv`` first.

``python3 manage.py demo`` starts the example shop, ``python3 manage.py test [pytest arguments]``
runs the tests, ``python3 manage.py install [group]`` only makes ``.venv`` (default: everything
that a contributor needs). Needs Python 3.11 and network, nothing else: until it has made them
available, this file imports only the standard library.
"""

import os
import sys

# Before the imports that an old Python lacks; no syntax below is newer than Python 3.6.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(f"anonauth needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.")

import contextlib
import hashlib
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
RESTARTED = "MANAGE_PY_RESTARTED_IN_VENV"
LOG = VENV / "install.log"
REQUIREMENT = re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?(?:>=([\d.]+))?")


def main() -> None:
    """Run one command, in ``.venv`` where this interpreter lacks something."""
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    arguments = sys.argv[2:]
    if command == "install":
        install(arguments[0] if arguments else "dev")
        print(f"Installed in {VENV}.")
        return
    group = "test" if command == "test" else "example"
    restarted = os.environ.pop(RESTARTED, None)
    missing = missing_requirements(group)
    if missing:
        if restarted:
            fail(f"{VENV} still lacks {missing[0]}; remove that directory and try again")
        install(group)
        restart_in_venv()
    if command == "test":
        from tests.run import main as run_tests

        sys.exit(run_tests(arguments))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def requirements(group: str) -> list[str]:
    """Return what pyproject.toml asks for: the library's dependencies and those of a group."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

    def expand(name: str) -> list[str]:
        found: list[str] = []
        for entry in project["dependency-groups"][name]:
            found += [entry] if isinstance(entry, str) else expand(entry["include-group"])
        return found

    if group not in project["dependency-groups"]:
        fail(f"pyproject.toml has no dependency group {group!r}")
    return [*project["project"]["dependencies"], *expand(group)]


def missing_requirements(group: str) -> list[str]:
    """Return the requirements that this interpreter does not meet (lower bounds only)."""
    missing = []
    for requirement in requirements(group):
        name, lowest = REQUIREMENT.findall(requirement)[0]
        try:
            met = release(metadata.version(name)) >= release(lowest)
        except metadata.PackageNotFoundError:
            met = False
        if not met:
            missing.append(requirement)
    return missing


def release(version: str) -> tuple[int, ...]:
    """Return the numbers at the front of a version: ``"6.1rc1"`` is ``(6, 1)``."""
    numbers = re.findall(r"^[\d.]*", version)[0]
    return tuple(int(part) for part in numbers.split(".") if part)


def install(group: str) -> None:
    """Make ``.venv`` hold the project (editable) and a dependency group; quick the second time."""
    requirements(group)  # ends here when there is no such group
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = VENV / f"installed-{group}.sha256"
    with lock():
        if venv_is_sound() and stamp.is_file() and stamp.read_text() == wanted:
            return
        sys.stderr.write(f"Installing into {VENV.name} (once, about a minute) ...\n")
        create_venv()
        pip("--upgrade", "pip>=25.1")  # the first that knows --group
        pip("--editable", str(ROOT), "--group", f"{ROOT / 'pyproject.toml'}:{group}")
        stamp.write_text(wanted)


def create_venv() -> None:
    """Make ``.venv`` with pip inside, also where Debian left ensurepip out of Python."""
    has_pip = [VENV_PYTHON, "-m", "pip", "--version"]
    if venv_is_sound() and runs(*has_pip):
        return
    # Without ensurepip, another installer that happens to be there can put pip into the venv.
    this = sys.executable
    ways: list[list[list[object]]] = [
        [[this, "-m", "venv", "--clear", VENV]],
        [
            [this, "-m", "venv", "--clear", "--without-pip", VENV],
            [this, "-m", "pip", "--python", VENV_PYTHON, "install", "pip>=25.1"],
        ],
        [["uv", "venv", "--clear", "--seed", "--python", this, VENV]],
        [["virtualenv", "--clear", "--python", this, VENV]],
    ]
    for way in ways:
        if all(runs(*command) for command in [*way, has_pip]):
            return
    shutil.rmtree(VENV, ignore_errors=True)
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    fail(
        f"{this} cannot make a virtual environment, its venv or ensurepip is missing; "
        f"on Debian or Ubuntu run: apt-get install {package}"
    )


def venv_is_sound() -> bool:
    """Tell whether ``.venv`` has an interpreter that still works and is new enough."""
    return runs(VENV_PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))")


def pip(*arguments: str) -> None:
    """Run ``pip install`` in ``.venv``; output to a file, of a failure one line is shown."""
    command = [str(VENV_PYTHON), "-m", "pip", "install", "--no-input", "--progress-bar=off"]
    environment = {k: v for k, v in os.environ.items() if k not in ("PIP_USER", "PIP_TARGET")}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    environment.setdefault("PIP_RETRIES", "2")  # without network, say so soon
    with LOG.open("w", encoding="utf-8") as log:
        done = subprocess.run(
            [*command, *arguments], cwd=ROOT, env=environment, stdout=log, stderr=log, check=False
        )
    if done.returncode:
        lines = LOG.read_text("utf-8").splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines or [""]
        fail(f"pip could not install; is there network? {errors[-1]} (all of it: {LOG})")


def runs(*command: object) -> bool:
    """Tell whether a program is there and ends well."""
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Let one process at a time touch ``.venv`` (where the system can)."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (ROOT / ".venv.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def restart_in_venv() -> NoReturn:
    """Run the same command again with the interpreter of ``.venv``."""
    os.environ[RESTARTED] = "1"
    command = [str(VENV_PYTHON), str(ROOT / "manage.py"), *sys.argv[1:]]
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


def fail(message: str) -> NoReturn:
    """End with one line."""
    sys.exit(f"manage.py: {' '.join(message.split())}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
