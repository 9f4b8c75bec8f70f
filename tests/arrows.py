"""
The table of rooms and the imports each may have.

    cli, infra.bench -> app -> runtimes, workers, agents, audit, evaluation, ui -> log
    workers -> agents
    log -> topology -> processors -> schemas

Every import statement counts, wherever it stands: in a function, under TYPE_CHECKING. No detour leads around an arrow,
for a room may import whatever the rooms that it may import may import.
"""

import ast
import sys
from collections.abc import Iterator, Mapping

_PURE = ("schemas", "streams.processors")
_MIDDLE = (*_PURE, "streams.topology", "streams.errors")
_INNER = ("schemas", "streams.errors")
_BESIDE = (*_INNER, "streams.extras", "streams.version")
_OUTER = (
    *_MIDDLE,
    "streams.drawing",
    "streams.file_forms",
    "streams.jsonlines",
    "streams.logs",
    "streams.loop_thread",
    "streams.presets",
    "streams.settings",
    "streams.written_amounts",
    "streams.log",
    "streams.version",
    "streams.extras",
)

_KAFKA = ("streams.runtimes.headers", "streams.runtimes.kafka.client", "streams.runtimes.kafka.raw_record")

ROOMS: Mapping[str, tuple[str, ...]] = {
    # Room: what it may import besides itself. The longest name that fits a module counts. A package's __init__ runs
    # when anything in the package is imported, so it stands here where a part may be imported by more than the whole.
    "schemas": (),
    "streams.__init__": (),
    "streams.drawing": (),
    "streams.errors": ("schemas",),
    "streams.extras": ("streams.version",),
    "streams.file_forms": _INNER,
    "streams.jsonlines": (*_INNER, "streams.file_forms"),
    "streams.logs": _INNER,
    "streams.loop_thread": (),
    "streams.presets": _INNER,
    "streams.settings": (*_MIDDLE, "streams.presets", "streams.written_amounts"),
    "streams.written_amounts": _INNER,
    "streams.processors": ("schemas",),
    "streams.topology": _PURE,
    "streams.log": _MIDDLE,
    "streams.version": (),
    "streams.runtimes.__init__": (),
    "streams.runtimes": _OUTER,
    "streams.runtimes.kafka.client": (*_OUTER, "streams.runtimes.headers"),
    "streams.runtimes.kafka.stages": (*_OUTER, *_KAFKA, "streams.runtimes.state_cache"),
    "streams.runtimes.kafka.reading": (*_OUTER, *_KAFKA, "streams.runtimes.embedded"),
    "streams.agents": _OUTER,
    "streams.instruments": _OUTER,
    "streams.workers": (*_OUTER, "streams.agents"),
    "streams.audit": _OUTER,
    "streams.app": (
        *_OUTER,
        "streams.runtimes",
        "streams.agents",
        "streams.workers",
        "streams.audit",
        "streams.evaluation",
        "streams.instruments",
    ),
    # For programs: what the command line is for people.
    "streams.api": (
        *_OUTER,
        "streams.runtimes",
        "streams.agents",
        "streams.workers",
        "streams.audit",
        "streams.evaluation",
        "streams.instruments",
        "streams.app",
    ),
    # HTTP for other programs, over the objects that programs in Python have.
    "streams.serve": (
        *_OUTER,
        "streams.runtimes",
        "streams.agents",
        "streams.workers",
        "streams.audit",
        "streams.evaluation",
        "streams.instruments",
        "streams.app",
        "streams.api",
    ),
    "infra.__init__": (),
    "infra.python_version": (),
    "infra.broker": _BESIDE,
    "infra.htmx": _INNER,
    # It asks the demo's questions, and writes to a log what no command would.
    "infra.pictures": (
        *_OUTER,
        "streams.runtimes",
        "streams.agents",
        "streams.workers",
        "streams.audit",
        "streams.app",
        "streams.evaluation",
        "streams.instruments",
    ),
    "infra.chaos": (*_BESIDE, "infra.broker"),
    # It has to find questions as the prompts show them.
    "infra.models": (
        *_BESIDE,
        "streams.processors",
        "streams.file_forms",
        "streams.jsonlines",
        "streams.agents.prompts",
    ),
    # The second opinion imports nothing; what makes receipts for it, and tries it, imports what makes them.
    "infra.verifier": (*_OUTER, "streams.runtimes", "streams.audit"),
    "infra.verifier.verify": (),
    "infra.verifier.derive_odds": (),
    "infra.verifier.read_answers": (),
    "infra.bench": (
        *_OUTER,
        "streams.runtimes",
        "streams.agents",
        "streams.workers",
        "streams.audit",
        "streams.app",
        "streams.evaluation",
        "streams.instruments",
        "infra.models",
        "infra.pictures.shots",
    ),
    "streams.evaluation": _OUTER,
    "streams.ui": _OUTER,
    "streams.cli": ("schemas", "streams"),
    # Thin commands over what is installed beside the program; loaded when they are called.
    "streams.cli.bench": ("schemas", "streams", "infra.bench"),
    "streams.cli.broker": ("schemas", "streams", "infra.broker"),
    "streams.cli.models": ("schemas", "streams", "infra.models"),
}

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    # Room: the only libraries it may import, the standard one apart. A room that is not here may import any.
    "schemas": ("pydantic", "pydantic_core"),
    "schemas.canonical": ("pydantic", "pydantic_core", "orjson"),
    "streams.__init__": (),
    "streams.errors": (),
    "streams.extras": (),
    "streams.processors": (),
    "streams.topology": (),
    "streams.log": (),
    "streams.version": (),
    # Usable without the command line: no click, and nothing that draws.
    # Its worker process logs a line a minute, and names the stage in the log lines of its tasks. DuckDB runs queries.
    "streams.app": ("aiokafka", "duckdb", "orjson", "pydantic", "structlog"),
    "streams.api": ("structlog",),
    "streams.runtimes.__init__": (),
}

ONLY_IN: Mapping[str, str] = {
    # Library: the one room that may import it.
    "faust": "streams.runtimes.kafka.stages.faust_engine",
    "mode": "streams.runtimes.kafka.stages.faust_engine",
    "litellm": "streams.agents.providers.litellm_patch",
    # Where litellm's requests become ours, and our answers litellm's responses.
    "httpx": "streams.agents.providers.litellm_patch",
    "openai": "streams.agents.providers",
    "starlette": "streams.serve",
    "uvicorn": "streams.serve.server",
    "prometheus_client": "streams.instruments.exposition",
    "opentelemetry": "streams.instruments.otlp",
    "google": "streams.instruments.otlp",
}


def imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """
    Find every import.

    Returns:
        Line, module (with a dot for each level where it is relative), and the name taken from it; "" for the module.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, module, alias.name) for alias in node.names)


def is_ours(module: str) -> bool:
    """Whether a module belongs to this project."""
    return any(_fits(module, package) for package in ("schemas", "streams", "infra"))


def libraries(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Give line and top-level name of every import that is neither ours nor of the standard library."""
    for line, module, _ in imports(tree):
        top = module.partition(".")[0]
        if top and not is_ours(module) and top not in sys.stdlib_module_names:
            yield line, top


def violations(module: str, text: str) -> list[str]:
    """
    List the imports of a module that go against the arrows.

    Args:
        module: Dotted name; of a package with `.__init__` at its end.
        text: Its source.

    Returns:
        `line: fault: remedy`, one for each.
    """
    tree = ast.parse(text)
    room = _longest(module, ROOMS)
    if room is None:
        return [f"1: {module} is in no room: put it in one, or give it a line in tests/arrows.py"]
    allowed = (room, *ROOMS[room])
    found = []
    for line, target, name in imports(tree):
        if target.startswith("."):
            found.append(f"{line}: relative import: write the whole name")
        elif is_ours(target) and not any(_fits(t, may) for t in (target, f"{target}.{name}") for may in allowed):
            found.append(
                f"{line}: {room} imports {target}; it may import {', '.join(allowed)}:"
                " move what both need inwards, or let the cli join them"
            )
    part = _longest(module, LIBRARIES)
    permitted = LIBRARIES[part] if part else None
    for line, library in libraries(tree):
        if permitted is not None and library not in permitted:
            found.append(f"{line}: {part} imports {library}: libraries it may import: {', '.join(permitted) or 'none'}")
        elif library in ONLY_IN and not _fits(module, ONLY_IN[library]):
            found.append(f"{line}: {module} imports {library}: only {ONLY_IN[library]} may")
    return list(dict.fromkeys(found))


def _fits(module: str, room: str) -> bool:
    return f"{module}.".startswith(f"{room}.")


def _longest(module: str, rooms: Mapping[str, object]) -> str | None:
    return max((room for room in rooms if _fits(module, room)), key=len, default=None)
