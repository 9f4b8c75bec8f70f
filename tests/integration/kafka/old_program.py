"""The program of release 0.1, built from this repository's history."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.chaos.workers import environment

from ...conftest import ROOT
from ...limits import LIMIT_S

LAST_OF_0_1 = "0970eec3ea29caf897586979f9aab41e2987bb83"
"""The last commit without kinds of v2; its version is 0.1.0."""


def build(folder: Path) -> Path:
    """
    Build the wheel of release 0.1, and give its command; skip without the repository's history.

    The libraries are those of this interpreter, which both versions need alike.
    """
    tree = folder / "tree.tar"
    with tree.open("wb") as archive:
        try:
            git = ["git", "-C", str(ROOT), "archive", LAST_OF_0_1]
            subprocess.run(git, check=True, stdout=archive, stderr=subprocess.DEVNULL, timeout=LIMIT_S)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip(f"optional: needs the repository's history, with commit {LAST_OF_0_1}")
    source, installed = folder / "source", folder / "installed"
    source.mkdir()
    _run("tar", "-x", "-f", str(tree), "-C", str(source))
    # Offline: the build backend is in the extra `test`.
    pip = sys.executable, "-m", "pip", "--disable-pip-version-check"
    alone = "-q", "--no-deps", "--no-index"
    _run(*pip, "wheel", *alone, "--no-build-isolation", "-w", str(folder), str(source))
    (wheel,) = folder.glob("orch_streams-0.1.0-*.whl")
    _run(*pip, "install", *alone, "--target", str(installed), str(wheel))
    # PYTHONPATH comes before the program under test, wherever that is installed.
    command = folder / "orch-0.1"
    start = shlex.join([sys.executable, "-c", "from streams.cli.main import main; main()"])
    command.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(installed))} exec {start} "$@"\n')
    command.chmod(0o755)
    return command


def run_old(command: Path, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Run the old program to its end, and give its stdout."""
    return _run(str(command), *arguments, cwd=folder, env={**environment(folder), **(env or {})})


def _run(*command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
    return done.stdout
