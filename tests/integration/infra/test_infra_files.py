"""Images and secrets in the files of infra."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ...conftest import ROOT

INFRA = ROOT / "infra"
COMPOSE = INFRA / "compose.yaml"
KUBERNETES = INFRA / "kubernetes"
SYSTEMD = INFRA / "systemd"
FILES = sorted(
    [
        COMPOSE,
        INFRA / "Dockerfile",
        *(path for part in (KUBERNETES, SYSTEMD) for path in part.rglob("*") if path.is_file()),
    ]
)

SECRET = re.compile(r"(?i)(_key|password|token|secret)[\"']?\s*[:=]\s*(?!false)[\"']?[^\s\"']|sk-\w|PRIVATE KEY")
"""A name of something secret with a value, or what a key looks like."""

compose: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
kustomization: dict[str, Any] = yaml.safe_load((KUBERNETES / "base" / "kustomization.yaml").read_text("utf-8"))


def images() -> list[str]:
    """List every image that is named anywhere."""
    built = re.findall(r"^ARG PYTHON=(\S+)", (INFRA / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    # Each may be replaced by a digest, which nobody knows before the image is pushed.
    named = [re.fullmatch(r"\$\{[A-Z_]+:-(\S+)\}", one["image"]) for one in compose["services"].values()]
    assert all(named)
    pushed = [f"{one['newName']}:{one['newTag']}" for one in kustomization["images"]]
    return [*built, *(one[1] for one in named if one is not None), *pushed]


def test_images_are_pinned() -> None:
    """Each image has a version in full, ours that of the project."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert images()
    for image in images():
        name, _, tag = image.rpartition(":")
        assert re.match(r"\d+\.\d+\.\d+", tag), image
        assert not name.endswith("orch") or tag == version, image


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(INFRA)))
def test_no_secret_is_in_a_file(path: Path) -> None:
    """No file gives a key, password or token a value."""
    assert not [line for line in path.read_text("utf-8").splitlines() if SECRET.search(line)]


@pytest.mark.parametrize("line", ["OPENAI_API_KEY: abc", "ORCH_KAFKA_PASSWORD=x", "password: 'x'", 'api_token = "x"'])
def test_secret_is_caught(line: str) -> None:
    """The search above finds what it is for."""
    assert SECRET.search(line)
