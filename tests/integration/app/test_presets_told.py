"""Descriptions of the presets for users."""

import re

import pytest

from streams import presets
from streams.app.configuration_file import default_configuration

from ...conftest import ROOT


@pytest.mark.parametrize("where", ["README.md", "orch.toml", "presets.py"])
def test_reference_presets_are_not_called_the_experiment(where: str) -> None:
    """Wherever the reference presets are described, arithmetic and published experiment are told apart, in full."""
    texts = {
        "README.md": (ROOT / "README.md").read_text("utf-8"),
        "orch.toml": default_configuration(),
        "presets.py": presets.__doc__ or "",
    }
    text = " ".join(re.sub(r"^#", "", texts[where], flags=re.MULTILINE).split())
    for words in (
        "arithmetic",
        "not the published experiment",
        r"every agent .*taught after each question",
        r"question n is learned before (question )?n \+ 1 is asked",
        "a merge model .*decides",
    ):
        assert re.search(words, text), words
