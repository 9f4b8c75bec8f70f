"""
The npm packages that tests of one machine share.

`node/` says which. Where a machine has no Node, or cannot get the packages, their tests skip.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).with_name("node")
"""Scripts, and what they need: `package.json` and its lock."""

TIMEOUT_S = 240
"""An installation takes ten seconds; on a slow network it may take some more."""


def node_modules() -> Path:
    """
    Have the locked packages, installing them into the user's cache if they are not there.

    No script of a package runs. Each lock has a folder of its own, which appears complete or not at all.
    """
    missing = [command for command in ("node", "npm") if shutil.which(command) is None]
    if missing:
        pytest.skip(f"needs Node: there is no {' and no '.join(missing)} on this machine")
    described = b"".join(NODE.joinpath(name).read_bytes() for name in ("package.json", "package-lock.json"))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "orch")
    folder = cache / f"node-{hashlib.sha256(described).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _install(folder)
    return folder / "node_modules"


def _install(folder: Path) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NODE / name, part)
    command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    done = subprocess.run(command, cwd=part, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        pytest.skip(f"needs the npm packages of tests/node: {done.stderr.strip()[-500:]}")
    part.rename(folder)
