"""Engines of the folding stages, with and without Faust."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from streams.extras import install_command

WITHOUT_FAUST = """
import importlib, pkgutil, sys
sys.modules |= dict.fromkeys(("faust", "mode"))
import streams.app, streams.runtimes.kafka, streams.workers
from streams.cli.main import run
for package in (streams.app, streams.runtimes.kafka, streams.workers):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(".faust_engine"):
            importlib.import_module(module.name)
sys.exit(run(sys.argv[1:]))
"""
"""All that a worker imports, and the command, in a process to which Faust is not installed."""


def worker(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Start a worker without Faust on a port where no broker is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = taken.getsockname()[1]
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_FAUST, "--log", f"kafka://127.0.0.1:{nobody}", "worker", "all", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.process
def test_default_engine_needs_no_faust(tmp_path: Path) -> None:
    """Without it everything else is imported, and a worker gets as far as looking for a broker."""
    done = worker(tmp_path)
    assert done.returncode == 3, done.stderr
    assert "no broker" in done.stderr.lower()
    assert "faust" not in done.stderr


@pytest.mark.process
def test_missing_engine_names_its_extra(tmp_path: Path) -> None:
    """`--engine faust` without the extra ends with 3 and what to install, before any broker is asked."""
    done = worker(tmp_path, "--engine", "faust")
    assert done.returncode == 3, done.stderr
    assert "the engine faust needs faust-streaming" in done.stderr
    assert install_command("faust") in done.stderr
