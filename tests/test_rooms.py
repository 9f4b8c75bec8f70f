"""Structure of the source: imports, names, sizes, docstrings, top level."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from .arrows import ROOMS, imports, libraries, violations
from .conftest import ROOT

PACKAGES = sorted(path for package in ("schemas", "streams", "infra") for path in (ROOT / package).rglob("*.py"))
MODULES = sorted([*PACKAGES, *(ROOT / "tests").rglob("*.py")])
UNIT = sorted((ROOT / "tests" / "unit").rglob("*.py"))

BUILD_HOOK = ROOT / "infra" / "python_version.py"
TOP_LEVEL = frozenset({"pyproject.toml", "streams", "schemas", "tests", "infra", "README.md"})
NOT_NAMES = frozenset({"utils", "helpers", "common", "base", "types", "core", "manager"})
MOST_LINES = 400
"""Hard limit of a module's length; the usual length is 60 to 250 lines."""
LONGER = {
    # One file of less than 500 lines, which strangers read at one go and run anywhere.
    "infra/verifier/verify.py": 500,
    # A bundle of other modules, written by a script.
    "infra/verifier/read_answers.py": 10_000,
}
"""Modules with a limit of their own."""
MOST_WORDS = 10
"""Hard limit of the first line of a module's docstring."""
QUESTION_WORDS = frozenset({"What", "Who", "Why", "How", "Where", "When"})
"""Words that begin a clause, where the first line of a module's docstring is a noun phrase."""


def require_no(faults: Iterable[str]) -> None:
    """Fail with every fault that a rule finds: a test for each rule, not for each module, keeps the run short."""
    if found := list(faults):
        pytest.fail("\n".join(["", *found]), pytrace=False)


def dotted(path: Path) -> str:
    """Name a module as imports do; a package by its `__init__`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_rooms_are_there() -> None:
    """The rules below have something to hold for."""
    assert {"schemas.event", "streams.processors.__init__"} <= set(map(dotted, PACKAGES))


def test_arrows_go_one_way() -> None:
    """A module imports only rooms and libraries that its own room may."""
    require_no(
        f"{path.relative_to(ROOT)}:{line}: against the arrows"
        for path in PACKAGES
        for line in violations(dotted(path), path.read_text("utf-8"))
    )


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("schemas.event", "import streams.topology"),
        ("schemas.event", "from streams import topology"),
        ("schemas.event", "import orjson"),
        ("schemas.event", "def f():\n    import httpx"),
        ("schemas.__init__", "from .event import Event"),
        ("streams.__init__", "from streams.processors import route"),
        ("streams.__init__", "import pydantic"),
        ("streams.processors.route", "from streams.topology import TOPICS"),
        ("streams.processors.route", "from streams.errors import OrchError"),
        ("streams.processors.route", "import pydantic"),
        ("streams.processors.route", "if TYPE_CHECKING:\n    from streams.log import Log"),
        ("streams.topology", "from streams.log import Log"),
        ("streams.topology", "from streams.errors import OrchError"),
        ("streams.errors", "import streams.topology"),
        ("streams.settings", "from streams.log import Log"),
        ("streams.runtimes.__init__", "from streams.runtimes.embedded.file import open_log"),
        ("streams.log", "from streams.runtimes.embedded.file import open_log"),
        ("streams.runtimes.kafka.app", "from streams.agents.agent import Agent"),
        ("streams.agents.agent", "from streams.runtimes.embedded import file"),
        ("streams.agents.agent", "from streams import runtimes"),
        ("streams.agents.agent", "from streams.workers.embedded_session import EmbeddedSession"),
        ("streams.audit.replay.replay", "from streams.agents.agent import Agent"),
        ("streams.evaluation.experiment", "from streams.audit.replay.replay import replay"),
        ("streams.runtimes.kafka.client.topics", "from streams.runtimes.kafka.stages.stage import KafkaStage"),
        ("streams.runtimes.kafka.reading.tail", "from streams.runtimes.kafka.stages.stage import KafkaStage"),
        ("streams.ui.app", "import streams.cli.main"),
        ("streams.app.run", "import streams.cli.main"),
        ("streams.app.run", "def f():\n    import click"),
        ("streams.app.doctor.checks", "from rich.table import Table"),
        ("streams.runtimes.kafka.app", "import litellm"),
        ("streams.runtimes.kafka.stages.runner", "def f():\n    import faust"),
        ("streams.cli.main", "from litellm import completion"),
        ("streams.agents.providers.openai_client", "def call():\n    import httpx"),
        ("streams.cli.main", "from infra.broker import Broker"),
        ("streams.cli.broker", "from infra.models import ModelProcess"),
        ("streams.app.run", "from infra.broker import Broker"),
        ("streams.stuff", "import json"),
        ("streams.processing", "import json"),
    ],
)
def test_arrow_check_catches(module: str, text: str) -> None:
    """Each import against an arrow is found."""
    assert len(violations(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("schemas.event", "import hashlib\nfrom pydantic import BaseModel\nfrom schemas.canonical import content_id"),
        ("schemas.canonical", "import orjson"),
        ("streams.processors.__init__", "from streams.processors.route import ROUTE"),
        ("streams.processors.merge", "from schemas.registry import KINDS\nfrom streams.processors import ballot"),
        ("streams.topology", "from streams.processors.route import ROUTE"),
        ("streams.errors", "import enum"),
        ("streams.log", "from streams.topology import TOPICS"),
        ("streams.runtimes.kafka.stages.faust_engine", "import faust\nfrom streams.runtimes.headers import headers"),
        ("streams.agents.agent", "from streams import log\nfrom streams.errors import OrchError"),
        ("streams.workers.embedded_session", "from streams.agents.agent import Agent"),
        ("streams.agents.providers.litellm_patch", "def call():\n    import litellm\n    import httpx"),
        ("streams.audit.replay.replay", "import streams.log\nimport duckdb"),
        ("streams.cli.main", "import click\nfrom streams import settings\nfrom streams.runtimes.embedded import file"),
    ],
)
def test_arrow_check_lets_pass(module: str, text: str) -> None:
    """What goes along the arrows is not complained about."""
    assert violations(module, text) == []


def test_no_detour_leads_around_an_arrow() -> None:
    """A room may import whatever the rooms that it may import may import."""
    detours = {
        (room, between, end)
        for room, allowed in ROOMS.items()
        for between in allowed
        for end in ROOMS.get(between, ())
        if not any(f"{end}.".startswith(f"{may}.") for may in (room, *allowed)) and "streams" not in allowed
    }
    assert not detours


def test_every_library_is_declared() -> None:
    """Each library that the packages import is a dependency or in a user's extra; the build's hook has the build's."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project = settings["project"]
    extras = project["optional-dependencies"].items()
    wanted = [
        *project["dependencies"],
        *(line for name, lines in extras if name not in ("test", "lint") for line in lines),
    ]
    declared = set(map(_required, wanted))
    of_build = set(map(_required, settings["build-system"]["requires"]))
    # pydantic and its core are one release in two packages.
    declared |= {"pydantic-core"}
    distributions = packages_distributions()
    missing = [
        f"{path.relative_to(ROOT)}:{line}: {library}"
        for path in PACKAGES
        for known in (of_build if path == BUILD_HOOK else declared,)
        for line, library in libraries(ast.parse(path.read_text("utf-8")))
        if known.isdisjoint(map(_normal, distributions.get(library, [library])))
    ]
    if missing:
        pytest.fail("\n".join(["imported, but in no dependency of pyproject.toml", *missing]), pytrace=False)


def _required(line: str) -> str:
    return _normal(re.split(r"[^\w.-]", line, maxsplit=1)[0])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_unit_tests_need_no_effects() -> None:
    """Deleting runtimes/, agents/ and workers/ breaks no unit test."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: imports {module}: see tests/README.md for the folder it belongs to"
        for path in UNIT
        for line, module, name in imports(ast.parse(path.read_text("utf-8")))
        if re.match(r"streams\.(runtimes|agents|workers|app)\b", f"{module}.{name}")
    ]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def import_circle(sources: Mapping[str, str]) -> list[str]:
    """
    Find a circle of module-level imports.

    Args:
        sources: Text of each module by its dotted name; a package has the name that imports give it.

    Returns:
        The modules of one circle, each importing the next and the last being the first; empty if there is none.
    """
    graph = {module: set(_imported_at_load(ast.parse(text), sources)) - {module} for module, text in sources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def _imported_at_load(tree: ast.Module, modules: Mapping[str, str]) -> Iterator[str]:
    """Give the modules that loading a module loads by name; an import in a function is not among them."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            for _, module, name in imports(node):
                yield from [each for each in (f"{module}.{name}", module) if each in modules][:1]


def test_no_import_circle() -> None:
    """No module of `streams` imports itself by way of others when it is loaded."""
    sources = {
        dotted(path).removesuffix(".__init__"): path.read_text("utf-8")
        for path in PACKAGES
        if path.relative_to(ROOT).parts[0] == "streams"
    }
    circle = import_circle(sources)
    if circle:
        pytest.fail(f"an import circle: {' -> '.join(circle)}", pytrace=False)


@pytest.mark.parametrize(
    ("sources", "circle"),
    [
        ({"a": "import b", "b": "import c", "c": "import a"}, {"a", "b", "c"}),
        ({"p": "", "p.a": "from p import b", "p.b": "from p.a import f"}, {"p.a", "p.b"}),
        ({"p": "from p.a import f", "p.a": "import p"}, {"p", "p.a"}),
        ({"a": "if TYPE_CHECKING:\n    import b", "b": "try:\n    import a\nexcept ImportError: ..."}, {"a", "b"}),
        ({"a": "import b, json", "b": "def f():\n    import a"}, set()),
        ({"p": "from p.a import f", "p.a": "from p import b", "p.b": "import os"}, set()),
    ],
)
def test_import_circle_check(sources: dict[str, str], circle: set[str]) -> None:
    """A circle is found and named; an import in a function, or of a package's other module, makes none."""
    found = import_circle(sources)
    assert set(found) == circle
    assert found[:1] == found[-1:]


def test_kinds_are_told_by_a_method() -> None:
    """No protocol is for `isinstance`: on CPython 3.11 that evaluates its properties, and one of them copies a log."""
    require_no(str(path.relative_to(ROOT)) for path in PACKAGES if "runtime_checkable" in path.read_text("utf-8"))


def headline_fault(text: str) -> str | None:
    """Say what is wrong with the first line of a module's docstring; None if nothing is."""
    first = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    if not first:
        return "no docstring"
    if not first.endswith("."):
        return f"no full stop at the end of {first!r}"
    if len(first.split()) > MOST_WORDS:
        return f"{len(first.split())} words, {MOST_WORDS} at most: {first!r}"
    if re.findall(r"\w+", first)[0] in QUESTION_WORDS:
        return f"a clause, not a noun phrase: {first!r}"
    return None


def test_module_opens_with_a_noun_phrase() -> None:
    """The first line of a module's docstring is a noun phrase of at most ten words with a full stop."""
    faults = {path: headline_fault(path.read_text("utf-8")) for path in MODULES}
    require_no(f"{path.relative_to(ROOT)}:1: {fault}" for path, fault in faults.items() if fault)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import json", "no docstring"),
        ('"""The log"""', "no full stop"),
        ('"""The log, its readers, its writers, their locks, and all of their files."""', "13 words"),
        ('"""What a log promises."""', "a clause"),
        ('"""\nHow\'s a log read.\n\nMore.\n"""', "a clause"),
        ('"""The log."""', None),
        ('"""\n`orch run`: questions and feedback.\n\nA paragraph may have any number of sentences. More.\n"""', None),
        ('"""Whole files."""', None),
    ],
)
def test_headline_check(text: str, fault: str | None) -> None:
    """The check finds each fault of a first line, and lets a right one pass."""
    found = headline_fault(text)
    assert found is None if fault is None else fault in str(found)


def test_module_has_a_size() -> None:
    """No module is longer than the limit: split it by its reasons to change."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    require_no(f"{name}: {lines} lines" for name, lines in lengths.items() if lines > LONGER.get(name, MOST_LINES))


def test_class_has_a_name_of_its_own() -> None:
    """One name, one class: no two modules define the same, with or without an underscore before it."""
    found: dict[str, list[str]] = {}
    for path in PACKAGES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name.lstrip("_"), []).append(
                    f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
                )
    require_no(place for places in found.values() if len(places) > 1 for place in places)


def test_module_has_a_name() -> None:
    """A name says what is inside."""
    names = [path.relative_to(ROOT).with_suffix("") for path in MODULES]
    require_no(str(name) for name in names if {part.strip("_") for part in name.parts} & NOT_NAMES)


@pytest.mark.process
def test_top_level_is_fixed() -> None:
    """Nothing but the rooms lies on the top level."""
    strangers = {entry for entry in _top_level() if entry not in TOP_LEVEL and not entry.startswith(".")}
    assert not strangers, f"belongs into a room, or into .gitignore: {sorted(strangers)}"


def _top_level() -> set[str]:
    """List what is under version control; outside a checkout, what is there apart from caches and builds."""
    git = ["git", "-C", str(ROOT)]
    try:
        top = subprocess.run([*git, "rev-parse", "--show-toplevel"], check=True, capture_output=True, text=True).stdout
        files = subprocess.run([*git, "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        top = files = ""
    if top and Path(top.strip()).resolve() == ROOT:
        return {file.partition("/")[0] for file in files.split("\0") if file}
    left_behind = re.compile(r"__pycache__|build|dist|PKG-INFO|.*\.egg-info|orch\.(db.*|toml)")
    return {entry.name for entry in ROOT.iterdir() if not left_behind.fullmatch(entry.name)}


def test_readme_and_ci_run_the_same_tests() -> None:
    """What a reader is told to run is what CI runs, from the same extras."""
    told, run = (ROOT / "README.md").read_text("utf-8"), (ROOT / ".ci" / "run").read_text("utf-8")
    commands = {re.findall(r'^.*\.?venv"?/bin/pytest"?(.*)$', text, re.MULTILINE)[-1] for text in (told, run)}
    assert len(commands) == 1
    for text in (told, run):
        assert "'.[all,test,lint]'" in text
