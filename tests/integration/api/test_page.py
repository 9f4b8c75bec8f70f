"""The examples of API.md, and the notebook."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from streams.drawing.notebook import InNotebook

from ...conftest import ROOT

PAGE = ROOT / "streams" / "API.md"
NOTEBOOK = ROOT / "streams" / "api" / "panel.ipynb"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does: its last line, if that is an expression, is what the cell shows."""
    *lines, last = source.rstrip().splitlines()
    try:
        shown = compile(last, "cell", "eval")
    except SyntaxError:
        exec(compile(source, "cell", "exec"), names)
        return None
    exec(compile("\n".join(lines), "cell", "exec"), names)
    return eval(shown, names)


def test_every_example_of_the_page_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The blocks run in order, and print what their comments say."""
    names: dict[str, Any] = {"__name__": "page"}
    blocks = _BLOCK.findall(PAGE.read_text("utf-8"))
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    said = capsys.readouterr().out
    assert len(blocks) >= 7
    assert "stands for another question" in said
    assert "2 1.0 0\n()" in said


def test_readme_shows_ten_lines_that_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The Python of README.md asks a question and reads its decision."""
    (block,) = _BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
    exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out


def test_notebook_runs_from_top_to_bottom(folder: Path) -> None:
    """Panel, decisions as a table, and a chart; in a fresh directory, with nothing but this program."""
    book = json.loads(NOTEBOOK.read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert book["nbformat"] == 4
    assert all(cell["outputs"] == [] for cell in book["cells"] if cell["cell_type"] == "code")
    names: dict[str, Any] = {"__name__": "notebook"}
    shown = [run_cell(cell, names) for cell in cells]
    pictures = [each for each in shown if isinstance(each, InNotebook)]
    assert len(pictures) == 2
    assert "<svg" in pictures[-1].html
    assert "<iframe" in pictures[-1]._repr_html_()
    assert len(names["rows"]) == 40
