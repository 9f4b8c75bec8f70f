"""
Replay of exports under other interpreters and environments.

    python -m infra.verifier.matrix --questions 40 --seed 16

Each interpreter gets an environment of its own with the core's dependencies alone, so the libraries for models and for
Kafka are absent. No id may differ.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from infra.verifier.worlds import write_world
from streams import logs
from streams.runtimes.archive.export import export_log
from streams.runtimes.embedded.reader import EmbeddedReader

ABSENT = ("litellm", "aiokafka", "faust")
"""Libraries that a replay must not need."""

SEEDS = ("0", "1", "4294967295")
ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia")
LOCALES = ("C", "C.UTF-8", "en_US.UTF-8", "tr_TR.UTF-8", "de_DE.UTF-8")
"""Those that this machine lacks are as C to it, and are left out."""

CHILD = """
import importlib.util, json, locale, sys, time
for name in {absent!r}:
    if {blocked!r}:
        sys.modules[name] = None
    elif importlib.util.find_spec(name) is not None:
        sys.exit(f"{{name}} is installed")
locale.setlocale(locale.LC_ALL, "")
time.tzset()
from streams import logs
from streams.audit.carried_tables import end_of
from streams.audit.replay.replay import replay
from streams.runtimes.urls import open_reader
logs.configure(level="error")
for archive in sys.argv[1:]:
    with open_reader("parquet:" + archive) as reader:
        found = replay(reader)
        first = found.first_difference and found.first_difference.as_json()
        print(json.dumps([found.events, found.derived, found.different, end_of(reader).root, first]))
"""


class Setting(NamedTuple):
    """Environment of one replay."""

    seed: str
    zone: str
    locale: str

    @property
    def variables(self) -> dict[str, str]:
        """Give the environment variables of a child."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
        return {**kept, "PYTHONHASHSEED": self.seed, "TZ": self.zone, "LC_ALL": self.locale, "PYTHONUTF8": "0"}


def write_archives(folder: Path, seed: int, questions: int) -> list[Path]:
    """Write small logs of several merge rules from a seed, the rule `odds` among them, and export each."""
    archives = []
    for number in range(4):
        path = folder / f"{number}.db"
        write_world(path, Random(seed + number), questions, odds=number == 3)
        with EmbeddedReader(path) as reader:
            export_log(reader, folder / f"archive-{number}", written_by="the replay matrix")
        archives.append(folder / f"archive-{number}")
    return archives


def replayed(
    python: str | Path, archives: Sequence[Path], setting: Setting, *, blocked: bool = False
) -> list[Any] | str:
    """
    Replay archives in another process.

    Args:
        python: The interpreter; the program is installed there.
        setting: Its environment.
        blocked: Whether the libraries of `ABSENT` are hidden from it; else they must not be there.

    Returns:
        For each archive its events, derived and differing events, its root, and the first difference; or what
        went wrong.
    """
    code = CHILD.format(absent=ABSENT, blocked=blocked)
    done = subprocess.run(
        [python, "-c", code, *archives], env=setting.variables, capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return [json.loads(line) for line in done.stdout.splitlines()]


def interpreters(folder: Path, given: Sequence[str], root: Path) -> Mapping[str, Path | str]:
    """Make an environment for each interpreter with the core alone; where that fails, give the reason instead."""
    made: dict[str, Path | str] = {}
    for python in given:
        place = folder / f"python-{len(made)}"
        steps = (
            [python, "-m", "venv", str(place)],
            [str(place / "bin/python"), "-m", "pip", "install", "-q", "--no-input", str(root)],
        )
        name, problem = python, ""
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                problem = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
                break
        else:
            version = "import platform; print(platform.python_implementation(), platform.python_version())"
            found = subprocess.run([place / "bin/python", "-c", version], capture_output=True, text=True, check=True)
            name = found.stdout.strip()
        made[name] = problem or place / "bin/python"
    return made


def found_pythons() -> list[str]:
    """List the newest interpreter of each version that pyenv or the PATH has."""
    paths: dict[str, str] = {}
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for minor in ("3.11", "3.12", "3.13", "3.14"):
        held = sorted(versions.glob(f"{minor}.*/bin/python{minor}"))
        on_path = [Path(folder, f"python{minor}") for folder in os.environ.get("PATH", "").split(os.pathsep)]
        for path in (*held[-1:], *on_path):
            if path.exists():
                paths.setdefault(minor, str(path))
    return list(paths.values())


def installed_locales() -> list[str]:
    """List those of `LOCALES` that this machine has."""
    done = subprocess.run(["locale", "-a"], capture_output=True, text=True)
    held = {line.strip().lower().replace("-", "") for line in done.stdout.splitlines()}
    return [name for name in LOCALES if name == "C" or name.lower().replace("-", "") in held]


def settings(seed: int, most: int | None) -> list[Setting]:
    """List every combination, or so many of them drawn from a seed."""
    every = [Setting(*one) for one in itertools.product(SEEDS, ZONES, installed_locales())]
    return every if most is None else Random(seed).sample(every, min(most, len(every)))


def run(seed: int, questions: int, pythons: Sequence[str], root: Path, most: int | None = None) -> dict[str, Any]:
    """Replay under every combination, or *most* for each interpreter; give what was counted and what differed."""
    started = time.monotonic()
    wrong: list[str] = []
    counted: dict[str, int] = {}
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="orch-matrix-") as name:
        folder = Path(name)
        archives = write_archives(folder, seed, questions)
        expected: list[Any] | None = None
        for python, path in interpreters(folder, pythons, root).items():
            if isinstance(path, str):
                left_out[python] = path
                continue
            for setting in settings(seed, most):
                found = replayed(path, archives, setting)
                expected = expected or (found if isinstance(found, list) else None)
                if found != expected or any(one[2] for one in found):
                    wrong.append(f"{python}, {setting}: {found}")
                counted[python] = counted.get(python, 0) + 1
    events = [] if expected is None else [(one[0], one[1]) for one in expected]
    return {
        "archives": len(events),
        "events": sum(one[0] for one in events),
        "derived": sum(one[1] for one in events),
        "replays": counted,
        "left_out": left_out,
        "settings": [setting._asdict() for setting in settings(seed, most)],
        "differing": len(wrong),
        "first_wrong": wrong[:5],
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> int:
    """Run the matrix that the command line asks for."""
    asked = argparse.ArgumentParser(description="Replay exports under other interpreters and environments.")
    asked.add_argument("--questions", type=int, default=40, help="of each of the four logs")
    asked.add_argument("--seed", type=int, default=16)
    asked.add_argument("--settings", type=int, metavar="N", help="so many for each interpreter; default: all")
    asked.add_argument("--python", action="append", help="an interpreter; repeatable; default: those that are found")
    given = asked.parse_args()
    logs.configure(level="error")
    report = run(
        given.seed,
        given.questions,
        given.python or found_pythons(),
        Path(__file__).resolve().parents[2],
        given.settings,
    )
    print(json.dumps(report, indent=2))
    return 4 if report["differing"] or not report["replays"] else 0


if __name__ == "__main__":
    sys.exit(main())
