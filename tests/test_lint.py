"""The linters, as tests, so that one command covers everything."""

import importlib.util
import subprocess
import sys

import pytest

from .conftest import ROOT


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["ruff", "check", "--quiet", "--output-format=concise"], "ruff check --fix"),
        (["ruff", "format", "--quiet", "--diff"], "ruff format"),
        (["mypy", "--no-error-summary"], "mypy"),
    ],
    ids=["ruff check", "ruff format", "mypy"],
)
def test_linter_has_nothing_to_say(arguments: list[str], remedy: str) -> None:
    """A linter finds nothing."""
    if importlib.util.find_spec(arguments[0]) is None:
        pytest.skip(f"needs {arguments[0]}: pip install -e '.[lint]'")
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"mend it, or run `{remedy}`\n{done.stdout}{done.stderr}", pytrace=False)
