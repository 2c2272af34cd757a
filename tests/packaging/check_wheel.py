"""Build the wheel, install it in an empty environment outside of the tree, and sign one guest in.

Run as a script (``tox -e package``); needs the ``build`` package and network. Prints one line per
step and ends with 1 at the first that fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = Path(__file__).resolve().parent / "newcomer"
WANTED = (
    "anonauth/py.typed",
    "anonauth/migrations/0001_",
    "anonauth/templates/anonauth/",
    "anonauth/locale/",
    ".dist-info/licenses/LICENSE",
)


def main() -> None:
    """Check the wheel from build to first guest."""
    with tempfile.TemporaryDirectory(prefix="anonauth-package-") as scratch:
        home = Path(scratch)
        wheel = build(home)
        check_contents(wheel)
        python = install(wheel, home)
        sign_in(python, home)
    say("the package is fine")


def build(home: Path) -> Path:
    """Build the source distribution, and from it the wheel, as a release does."""
    run(sys.executable, "-m", "build", "--outdir", str(home / "dist"), str(ROOT), cwd=home)
    (wheel,) = (home / "dist").glob("*.whl")
    say(f"built {wheel.name}")
    return wheel


def check_contents(wheel: Path) -> None:
    """Everything that is no Python is inside, and nothing but the package."""
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in WANTED:
        if not any(wanted in name for name in names):
            fail(f"{wanted} is not in the wheel")
    strangers = [n for n in names if not n.startswith("anonauth/") and ".dist-info/" not in n]
    if strangers:
        fail(f"the wheel holds more than the package: {strangers[:5]}")
    say(f"holds {len(names)} files, all of the package")


def install(wheel: Path, home: Path) -> Path:
    """Install the wheel with its dependencies, and nothing else, into a new environment."""
    venv.create(home / "venv", with_pip=True)
    python = home / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(str(python), "-m", "pip", "install", "--quiet", str(wheel), cwd=home)
    run(str(python), "-m", "pip", "check", cwd=home)
    say("installed into an empty environment")
    return python


def sign_in(python: Path, home: Path) -> None:
    """Set up a newcomer's project and let it answer one visitor."""
    shutil.copytree(PROJECT, home / "newcomer", ignore=shutil.ignore_patterns("__pycache__"))
    for command in (
        ("makemigrations", "newcomer"),
        ("check", "--fail-level", "WARNING"),
        ("migrate", "--verbosity", "0"),
    ):
        run(str(python), "-m", "django", *command, cwd=home)
        say(f"django {' '.join(command)}")
    run(str(python), "-m", "newcomer.visit", cwd=home)
    say("a visitor became a guest")


def run(*command: str, cwd: Path) -> None:
    """Run a command that must not find the working tree, and end if it fails."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DJANGO_"))}
    environment |= {"DJANGO_SETTINGS_MODULE": "newcomer.settings"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        fail(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def say(text: str) -> None:
    """Report one step."""
    sys.stdout.write(f"package: {text}\n")
    sys.stdout.flush()


def fail(reason: str) -> None:
    """End with the reason."""
    sys.exit(f"package: FAILED: {reason}")


if __name__ == "__main__":
    main()
