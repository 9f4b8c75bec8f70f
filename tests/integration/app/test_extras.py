"""Advice on installing an extra."""

import importlib.metadata
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from streams.extras import install_command

from ...conftest import ROOT

GIT = {"url": "https://git.example/orch", "vcs_info": {"vcs": "git", "commit_id": "abc"}}


class Noted:
    """A distribution with a note of where it came from."""

    def __init__(self, note: object) -> None:
        self._note = note

    def read_text(self, name: str) -> str | None:
        """Give the note, None if there is none."""
        assert name == "direct_url.json"
        return None if self._note is None else json.dumps(self._note)


def came_from(monkeypatch: pytest.MonkeyPatch, note: Any) -> None:
    """Let the program be installed from somewhere."""
    monkeypatch.setattr("streams.extras.distribution", lambda name: Noted(note))


@pytest.mark.parametrize("editable", [False, True], ids=["copied", "editable"])
def test_a_checkout_is_installed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, editable: bool) -> None:
    """The command names the folder that pip noted, with all extras, and quotes what a shell would read."""
    folder = tmp_path / "my orch"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    came_from(monkeypatch, {"url": folder.as_uri(), "dir_info": {"editable": True} if editable else {}})
    option = "-e " if editable else ""
    assert install_command("kafka", "metrics") == f"pip install {option}'{folder}[kafka,metrics]'"


def test_a_repository_is_installed_at_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that pip took out of a repository comes from the same commit again."""
    came_from(monkeypatch, GIT)
    assert install_command("otel") == "pip install 'orch-streams[otel] @ git+https://git.example/orch@abc'"


@pytest.mark.parametrize("note", [None, {}, {"url": "file:///gone"}, {"url": "https://x/orch-1.whl"}], ids=str)
def test_unknown_source_means_a_checkout(monkeypatch: pytest.MonkeyPatch, note: object) -> None:
    """Where the source is unknown or gone, the command is for the root of a checkout, and for no registry."""
    came_from(monkeypatch, note)
    assert install_command("kafka") == "pip install '.[kafka]' in the checkout of orch"


def test_an_environment_of_uvx_is_not_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What uvx made for one command has no pip, so the advice is another uvx."""
    home = tmp_path / "archive-v0" / "x1"
    home.mkdir(parents=True)
    (home / "pyvenv.cfg").write_text("home = /usr\nuv = 0.13.9\n")
    monkeypatch.setattr(sys, "prefix", str(home))
    came_from(monkeypatch, None)
    assert install_command("kafka") == "uvx --from '.[kafka]' orch ..."


def test_every_extra_that_is_advised_exists() -> None:
    """The extras that the source advises are those of the distribution."""
    provided = set(importlib.metadata.metadata("orch-streams").get_all("Provides-Extra") or ())
    assert {"broker", "faust", "kafka", "litellm", "metrics", "models", "openai", "test"} <= provided


def test_nothing_advises_the_name_of_no_registry() -> None:
    """Outside of the one place that builds the command, no message or page has pip look the distribution up."""
    advice = re.compile(r"(?:pip|uvx?) [^|]*orch-streams|orch-streams\[")
    pages = [ROOT / "README.md", *(path for room in ("streams", "infra") for path in (ROOT / room).rglob("*.[pm][yd]"))]
    found = [path for path in pages if any(map(advice.search, path.read_text("utf-8").splitlines()))]
    assert [path.relative_to(ROOT).as_posix() for path in found] == []
