"""Page of obligations: what it names exists."""

import re

import pytest

from schemas.registry import KINDS
from streams.audit.views import catalog

from ...conftest import ROOT

PAGE = (ROOT / "streams" / "audit" / "OBLIGATIONS.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`([a-z]+\.[a-z]+\.v\d): (\w+)`", PAGE)))


@pytest.mark.parametrize(("kind", "field"), NAMED, ids=lambda name: name)
def test_fields_exist(kind: str, field: str) -> None:
    """Each field on the page is one of its kind, and the kind is the newest of its name."""
    assert field in KINDS[kind].model_fields
    name, _, version = kind.rpartition(".")
    assert f"{name}.v{int(version[1:]) + 1}" not in KINDS


def test_views_exist() -> None:
    """The last column of the first table names views."""
    rows = re.findall(r"^\|.*\|.*\| (`.*) \|$", PAGE, flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w.]+)`", row)}
    assert len(named) > 8
    assert named <= {*catalog.VIEWS, f"log.{catalog.RECORDS}"}
