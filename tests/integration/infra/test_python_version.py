"""The interpreter's version, checked before an installation."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from infra.verifier.read_answers import OLDEST
from streams.app.doctor.checks import NEWEST_PYTHON, OLDEST_PYTHON

from ...limits import LIMIT_S

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CHECK = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]


def prepared(folder: Path, since: str, before: str) -> subprocess.CompletedProcess[str]:
    """Ask for the metadata of a project that needs such a Python, as pip does."""
    (folder / "infra").mkdir()
    for name in ("README.md", "infra/python_version.py"):
        shutil.copy(ROOT / name, folder / name)
    text = (ROOT / "pyproject.toml").read_text()
    for name, version in (("since", since), ("before", before)):
        text = text.replace(f'{name} = "{CHECK[name]}"', f'{name} = "{version}"')
    (folder / "pyproject.toml").write_text(text)
    code = "import hatchling.build; print(hatchling.build.prepare_metadata_for_build_wheel('.'))"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def test_every_check_names_the_same_versions() -> None:
    """pip, hatchling, `orch doctor` and the bundled readers compare with the same numbers."""
    assert PROJECT["project"]["requires-python"] == f">={CHECK['since']},<{CHECK['before']}"
    oldest = tuple(map(int, CHECK["since"].split(".")))
    assert {OLDEST_PYTHON, OLDEST} == {oldest}
    major, minor = NEWEST_PYTHON
    assert CHECK["before"] == f"{major}.{minor + 1}"


@pytest.mark.process
def test_a_python_that_fits_is_taken(tmp_path: Path) -> None:
    """Metadata are written."""
    done = prepared(tmp_path, CHECK["since"], CHECK["before"])
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"orch_streams-\S+\.dist-info\n", done.stdout)


@pytest.mark.process
@pytest.mark.parametrize(("since", "before"), [("3.99.1", "4"), ("3.9", "3.11")])
def test_another_python_is_told_at_once(since: str, before: str, tmp_path: Path) -> None:
    """No metadata: one line names what is needed and what is there, so an installer has nothing to search for."""
    done = prepared(tmp_path, since, before)
    told = f"orch-streams needs CPython from {since} on and before {before}, and this is {sys.version.split()[0]}."
    assert (done.returncode, done.stderr) == (1, f"{told} Make the environment with another Python.\n")
