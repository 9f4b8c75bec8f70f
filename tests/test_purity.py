"""
Purity of `schemas` and `streams.processors`, and of its rules.

Both are functions of their inputs; each rule that says so can fail.
"""

from pathlib import Path

import pytest

from .conftest import ROOT
from .purity import RULES, Source, findings

PURE = sorted([*(ROOT / "schemas").rglob("*.py"), *(ROOT / "streams" / "processors").rglob("*.py")])

CAUGHT = {
    "impure_imports": (
        "import time",
        "import random",
        "import secrets",
        "import uuid",
        "import os",
        "import os.path",
        "import sys",
        "from sys import argv",
        "import pathlib",
        "import io",
        "import socket",
        "import threading",
        "import asyncio",
        "import locale",
        "import math",
        "from math import log",
        "import statistics",
        "import logging",
        "import unicodedata",
        "import json, time",
        "def late():\n    from time import monotonic",
    ),
    "clocks": (
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "read = datetime.now",
        "datetime.fromtimestamp(0, UTC)",
        "at.timestamp()",
        "(at - start).total_seconds()",
        "at.strftime('%c')",
        "datetime.strptime(text, '%b')",
        "at.astimezone()",
    ),
    "floats": (
        "half = 0.5",
        "big = 1e9",
        "imaginary = 2j",
        "share = part / whole",
        "share /= whole",
        "tiny = 10 ** -3",
        "def f(x: float) -> int: ...",
        "class E:\n    quality: int | float",
        "y = float(x)",
        "isinstance(float(x), int)",
        "from pydantic import confloat",
        "from pydantic import NonNegativeFloat",
        "from operator import truediv",
        "operator.truediv(a, b)",
    ),
    "sets": (
        "for x in {a, b}: ...",
        "names = [n for n in set(agents)]",
        "names = list(frozenset(agents))",
        "seen = set()",
        "unique = {a.name for a in agents}",
        "return_value = ','.join({a, b})",
        "sorted(set(agents), key=len)",
        "max(set(agents))",
        "for x in first.keys() & second.keys(): ...",
        "gone = old.keys() - new.keys()",
        "both = mine.union(theirs)",
        "def f(names: frozenset[str]) -> None: ...",
        "class E:\n    names: set[str]",
        "counts = defaultdict(set)",
        "KINDS = frozenset({'a', 'b'})\nfor kind in KINDS: ...",
        "KINDS = {'a', 'b'}\nordered = tuple(KINDS)",
        "KINDS = {'a', 'b'}\nordered = [*KINDS]",
        "KINDS = {'a', 'b'}\nordered = [k for k in KINDS]",
        "def f():\n    LOCAL = {1, 2}",
        "ORDER = tuple({'a', 'b'})",
        "x = {1, 2} if flag else {3}",
    ),
    "ambient_names": (
        "hash(x)",
        "id(x)",
        "sorted(xs, key=id)",
        "open('f')",
        "input()",
        "print(x)",
        "breakpoint()",
        "eval(x)",
        "exec(x)",
        "compile(x, 'f', 'eval')",
        "__import__('os')",
        "globals()['x']",
        "decimal.getcontext().prec",
        "getcontext()",
        "decimal.setcontext(c)",
    ),
    "ambient_statements": (
        "def f():\n    global count\n    count = 1",
        "async def f(): ...",
        "async def f():\n    await g()",
        "async def f():\n    async for x in y: ...",
        "async def f():\n    async with y: ...",
        "async def f():\n    return [x async for x in y]",
    ),
}

WELCOME = (
    "import hashlib, json, re",
    "from math import gcd, isqrt",
    "from collections.abc import Mapping",
    "from schemas.event import Event",
    "import pydantic",
    "at = datetime.fromisoformat(text).astimezone(UTC)",
    "at.timestamp_ms",
    "whole = part // total",
    "count //= 2",
    "refused = isinstance(x, float)",
    "refused = isinstance(x, (bool, float))",
    "refused = isinstance(x, bool | float | complex)",
    "match x:\n    case float(): ...",
    "json.loads(text, parse_float=refuse)",
    "found = x in {1, 2}",
    "found = x not in frozenset(xs)",
    "same = set(a) == set(b)",
    "unknown = sorted(set(a) - set(b))",
    "unknown = sorted(a.keys() - b.keys())",
    "twice = len(set(a)) < len(a)",
    "if set(a) - set(b): ...",
    "known = {1}.issuperset(xs)",
    "known = set(a).union(b).isdisjoint(c)",
    "model.model_dump(exclude={'event_id'})",
    "KINDS = frozenset({'a', 'b'})\nfound = x in KINDS\nordered = sorted(KINDS)",
    "KINDS: Final[frozenset[str]] = frozenset(('a', 'b'))",
    "_BY_TOPIC = {'t': {'a', 'b'}}",
    "isinstance(x, (set, frozenset))",
    "table = {'a': 1}",
    "pattern = re.compile('x')",
    "event.id",
    "Context(prec=50).divide(a, b)",
    "def f():\n    nonlocal_ = [x for x in y]",
)


def test_pure_rooms_are_there() -> None:
    """The rules have something to hold for."""
    assert ROOT / "schemas" / "event.py" in PURE
    assert any("processors" in path.parts for path in PURE)


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_pure(path: Path) -> None:
    """A pure room sees nothing but its arguments."""
    place = path.relative_to(ROOT)
    found = [f"{place}:{line}: {what}: {remedy}" for line, what, remedy in findings(path.read_text("utf-8"))]
    if found:
        pytest.fail("\n".join(["not pure", *found]), pytrace=False)


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in CAUGHT.items() for text in texts])
def test_rule_catches(rule: str, text: str) -> None:
    """Each rule finds what it is there for, and says where and what to do."""
    found = list(RULES[rule](Source(text)))
    assert found
    assert all(1 <= line <= text.count("\n") + 1 and what and remedy for line, what, remedy in found)


@pytest.mark.parametrize("text", WELCOME)
def test_rules_let_pure_code_pass(text: str) -> None:
    """What is deterministic is not complained about."""
    assert findings(text) == []


def test_every_rule_is_tested() -> None:
    """No rule is without an example that it catches."""
    assert CAUGHT.keys() == RULES.keys()
