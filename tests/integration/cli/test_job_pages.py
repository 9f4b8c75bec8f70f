"""The pages for each job: their commands and their pictures."""

import re
import shlex
from pathlib import Path

import pytest

from infra.pictures.shots import SHOTS

from ...conftest import ROOT
from ...e2e.command import outputs, question
from ...e2e.test_readme import missing, steps
from ..command_in_process import Inside

PAGES = {
    "produce": "streams/app/PRODUCE.md",
    "consume": "streams/api/CONSUME.md",
    "operate": "infra/OPERATE.md",
    "audit": "streams/audit/AUDIT.md",
    "research": "streams/evaluation/RESEARCH.md",
}
MOST_LINES = 110
"""Two screens."""

LARGEST = 180_000
"""Bytes of a picture."""


def text_of(job: str) -> str:
    """Read a page."""
    return (ROOT / PAGES[job]).read_text("utf-8")


@pytest.mark.process
@pytest.mark.parametrize("job", PAGES)
def test_commands_do_what_the_page_says(job: str, tmp_path: Path) -> None:
    """Every command of a page ends well, in order, beside two files, and prints what is shown there."""
    place = Inside(tmp_path)
    place.write("questions.jsonl", [question(number) for number in range(40)])
    place.write("outputs.jsonl", outputs(40))
    place.write("feedback.jsonl", [{"question_id": "q1", "answer": "B", "source": "human"}])
    found = steps(text_of(job))
    for step in found:
        done = place.orch(*shlex.split(step.line, comments=True)[1:])
        assert done.code == 0, f"{step.line}\n{done.err}"
        assert missing(step.shown, done.out + done.err) == [], step.line
    assert len(found) > 3


@pytest.mark.parametrize("job", PAGES)
def test_page_is_found_and_leads_on(job: str) -> None:
    """The README links to it, its links and pictures exist, and it has two screens at most."""
    page, text = ROOT / PAGES[job], text_of(job)
    assert f"]({PAGES[job]})" in (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    assert any(link.endswith(".png") for link in links)
    assert [link for link in links if link and not (page.parent / link).exists()] == []


def test_pictures_are_small_and_used() -> None:
    """`python -m infra.pictures` takes every picture that there is; each is small, and a page shows it."""
    pictures = {file.stem: file.read_bytes() for file in (ROOT / "infra" / "pictures").glob("*.png")}
    assert set(pictures) == {shot.name for shot in SHOTS}
    shown = "".join(map(text_of, PAGES))
    for name, content in pictures.items():
        assert content.startswith(b"\x89PNG")
        assert len(content) < LARGEST, name
        assert f"/{name}.png)" in shown
