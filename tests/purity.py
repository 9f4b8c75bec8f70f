"""
Rules of purity: one for each side effect or input.

Each finding says what to do instead.

A rule reads the syntax tree, so it sees names and not values: it stops the honest mistake, not a determined author.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from .arrows import imports


class Finding(NamedTuple):
    """One place where a module is not pure."""

    line: int
    what: str
    remedy: str


class Source:
    """One module as its nodes, each of which knows its parent."""

    def __init__(self, text: str) -> None:
        self.tree = ast.parse(text)
        self.nodes = tuple(ast.walk(self.tree))
        self.parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def climb(self, node: ast.AST, *through: type[ast.AST]) -> tuple[ast.AST, ast.AST]:
        """Go up while the parent is of one of the given types; give the last node and the parent above it."""
        while isinstance(self.parents[node], through):
            node = self.parents[node]
        return node, self.parents[node]


# --- imports -------------------------------------------------------------------------------------------------------

PURE_STDLIB: Mapping[str, tuple[str, ...]] = {
    # Module: the names that may be taken from it; none listed, all of it.
    "__future__": (),
    "abc": (),
    "base64": (),
    "binascii": (),
    "bisect": (),
    "collections": (),
    "contextlib": (),
    "copy": (),
    "dataclasses": (),
    "datetime": (),
    "decimal": (),
    "enum": (),
    "fractions": (),
    "functools": (),
    "hashlib": (),
    "heapq": (),
    "hmac": (),
    "itertools": (),
    "json": (),
    "math": ("comb", "factorial", "gcd", "isqrt", "lcm", "perm"),  # the functions on integers
    "operator": (),
    "re": (),
    "string": (),
    "struct": (),
    "textwrap": (),
    "types": (),
    "typing": (),
}

_FROM_EVENT = "take it from an event (occurred_at, an instant in a tick)"
_FROM_ID = "derive it from a content id, or let it come in an event"
_OUTSIDE = "leave it to a runtime, a worker or the cli, and take the value as an argument"
REMEDIES: Mapping[str, str] = {
    "time": _FROM_EVENT,
    "zoneinfo": "keep event time in UTC; zone tables differ between machines",
    "random": _FROM_ID,
    "secrets": _FROM_ID,
    "uuid": _FROM_ID,
    "math": "use integers, math.isqrt, or decimal with a Context of your own; libm differs between machines",
    "statistics": "use integers and one named rounding function",
    "unicodedata": "its tables differ between Python versions; compare code points",
    "locale": "write the format out",
    "logging": "processors do not log; the event is the record",
    **dict.fromkeys(("os", "sys", "pathlib", "io", "socket", "threading", "asyncio", "subprocess"), _OUTSIDE),
}


def impure_imports(source: Source) -> Iterator[Finding]:
    """Find modules of the standard library that see more than their arguments."""
    for line, module, name in imports(source.tree):
        top = module.partition(".")[0]
        allowed = PURE_STDLIB.get(top)
        if top not in sys.stdlib_module_names or (allowed is not None and (not allowed or name in allowed)):
            continue
        remedy = REMEDIES.get(top, "if it sees nothing but its arguments, add it to PURE_STDLIB; else " + _OUTSIDE)
        yield Finding(line, f"import of {module}" + (f".{name}" if name else ""), remedy)


# --- the clock, the zone, the locale ----------------------------------------------------------------------------------

CLOCKS = frozenset({"now", "utcnow", "today", "fromtimestamp", "utcfromtimestamp"})
DATE_CALLS: Mapping[str, str] = {
    "timestamp": "it gives a float; divide by a timedelta with //",
    "total_seconds": "it gives a float; divide by a timedelta with //",
    "strftime": "it depends on the locale and the C library; use isoformat",
    "strptime": "it depends on the locale; use fromisoformat",
}


def clocks(source: Source) -> Iterator[Finding]:
    """Find readings of the wall clock, the local zone and the locale through `datetime`."""
    for node in source.nodes:
        match node:
            case ast.Attribute(attr=name) if name in CLOCKS:
                yield Finding(node.lineno, f".{name}", _FROM_EVENT)
            case ast.Call(func=ast.Attribute(attr=name)) if name in DATE_CALLS:
                yield Finding(node.lineno, f".{name}()", DATE_CALLS[name])
            case ast.Call(func=ast.Attribute(attr="astimezone"), args=[], keywords=[]):
                yield Finding(node.lineno, ".astimezone() without a zone", "name the zone: astimezone(UTC)")


# --- floats --------------------------------------------------------------------------------------------------------

_INTEGERS = "use integers with the unit in the name, and one named rounding function"


def floats(source: Source) -> Iterator[Finding]:
    """Find floats and calls that make them; a type test that refuses a float is allowed."""
    for node in source.nodes:
        match node:
            case ast.Constant(value=float() | complex() as value):
                yield Finding(node.lineno, f"float literal {value!r}", _INTEGERS)
            case ast.Name(id="float" | "complex" as name) if not _is_type_test(source, node):
                yield Finding(node.lineno, f"{name}", f"{_INTEGERS}; only isinstance may name it, to refuse it")
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield Finding(node.lineno, "true division", "use //, or the rounding function, on integers")
            case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp(op=ast.USub())):
                yield Finding(node.lineno, "negative power", "it gives a float; divide integers")
            case ast.Attribute(attr="truediv" | "__truediv__" as name):
                yield Finding(node.lineno, name, "use //, or the rounding function, on integers")
            case ast.ImportFrom(names=names):
                for alias in names:
                    if alias.name.lower().endswith("float") or alias.name == "truediv":
                        yield Finding(node.lineno, f"import of {alias.name}", _INTEGERS)


def _is_type_test(source: Source, node: ast.AST) -> bool:
    """Whether a type's name stands only where a value is tested for it."""
    node, parent = source.climb(node, ast.Tuple, ast.BinOp)
    match parent:
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, tested]):
            return node is tested
        case ast.MatchClass(cls=tested):
            return node is tested
    return False


# --- sets ----------------------------------------------------------------------------------------------------------

SET_TYPES = frozenset({"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"})
SET_METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference"})
SET_TESTS = frozenset({"issubset", "issuperset", "isdisjoint"})
ORDERED_READERS = frozenset(
    {
        "list",
        "tuple",
        "dict",
        "fromkeys",
        "join",
        "iter",
        "next",
        "enumerate",
        "reversed",
        "zip",
        "map",
        "filter",
        "chain",
    }
    | {"sum", "min", "max"}
)
_SET_OPERATORS = (ast.Sub, ast.BitAnd, ast.BitOr, ast.BitXor)
_ORDERED = (
    "its order is that of hash(): use a dict (dict.fromkeys), a tuple, sorted(), or test for membership directly; "
    "an ALL_CAPS constant may hold a set for membership tests"
)


def sets(source: Source) -> Iterator[Finding]:
    """
    Find sets whose order could reach a result.

    Allowed: a set that is compared, tested, counted or sorted (without a key: equal keys would keep the set's order)
    on the spot, one given as `include` or `exclude`, and one that a module or class constant holds.
    """
    constants = {name for node in source.nodes if (name := _constant_name(node)) and _makes_set(node.value)}
    for node in source.nodes:
        if _makes_set(node):
            if not _order_is_lost(source, node):
                yield Finding(node.lineno, "a set", _ORDERED)
        elif isinstance(node, ast.Name) and node.id in SET_TYPES:
            if not _names_set_rightly(source, node):
                yield Finding(node.lineno, f"the type {node.id}", _ORDERED)
        elif isinstance(node, ast.Name) and node.id in constants and _is_iterated(source, node):
            yield Finding(node.lineno, f"iteration over the set {node.id}", "make it a tuple, or use sorted()")


def _constant_name(node: ast.AST) -> str | None:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return name if re.fullmatch(r"_?[A-Z][A-Z0-9_]*", name) else None
    return None


def _makes_set(node: ast.AST | None) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in SET_METHODS
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _SET_OPERATORS):
            return any(_makes_set(side) or _is_view(side) for side in (left, right))
    return False


def _is_view(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="keys" | "items"), args=[]):
            return True
    return False


def _order_is_lost(source: Source, node: ast.AST) -> bool:
    parent = source.parents[node]
    match parent:
        case ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return True
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            return node is test
        case ast.keyword(arg="include" | "exclude"):
            return True
        case ast.Call(func=ast.Name(id="len" | "bool" | "sorted"), keywords=keywords):
            return all(keyword.arg == "reverse" for keyword in keywords)
        case ast.Call(func=ast.Attribute(attr=name)) if name in SET_TESTS:
            return True
        case ast.Attribute(attr=name) if name in SET_TESTS:
            return True
        case ast.Attribute(attr=name) if name in SET_METHODS:
            return _order_is_lost(source, source.parents[parent])
        case ast.BinOp() | ast.Call() if _makes_set(parent):
            return _order_is_lost(source, parent)
        case ast.Dict() | ast.Tuple():
            return _is_constant(source, source.climb(parent, ast.Dict, ast.Tuple)[1])
    return _is_constant(source, parent)


def _is_constant(source: Source, node: ast.AST) -> bool:
    return _constant_name(node) is not None and isinstance(source.parents[node], ast.Module | ast.ClassDef)


def _names_set_rightly(source: Source, node: ast.Name) -> bool:
    """Whether the type is called, tested for, or the annotation of a constant."""
    match source.parents[node]:
        case ast.Call(func=func) if func is node:
            return True
    if _is_type_test(source, node):
        return True
    top, parent = source.climb(node, ast.Subscript, ast.Tuple)
    return isinstance(parent, ast.AnnAssign) and top is parent.annotation and _is_constant(source, parent)


def _is_iterated(source: Source, node: ast.Name) -> bool:
    match source.parents[node]:
        case ast.For(iter=iterated) | ast.comprehension(iter=iterated):
            return node is iterated
        case ast.Starred():
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in ORDERED_READERS
    return False


# --- names and statements that reach outside -------------------------------------------------------------------------

AMBIENT: Mapping[str, str] = {
    "hash": "it differs between processes; use schemas.canonical.content_id",
    "id": "it is an address; use the event id (a variable needs another name)",
    "getcontext": "the ambient decimal context may be anybody's; call the methods of a decimal.Context of your own",
    "setcontext": "it changes the arithmetic of everybody else; use a decimal.Context of your own",
    **dict.fromkeys(("open", "input", "print", "breakpoint"), _OUTSIDE),
    **dict.fromkeys(("eval", "exec", "compile", "__import__", "globals"), "write the code out"),
}


def ambient_names(source: Source) -> Iterator[Finding]:
    """Find builtins that see or change more than their arguments, called or passed on."""
    for node in source.nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Load()) if name in AMBIENT:
                yield Finding(node.lineno, name, AMBIENT[name])
            case ast.Attribute(attr="getcontext" | "setcontext" as name):
                yield Finding(node.lineno, name, AMBIENT[name])


_PLAIN = "write a plain function; waiting is a runtime's or a worker's"


def ambient_statements(source: Source) -> Iterator[Finding]:
    """Find state that outlives a call, and anything asynchronous."""
    for node in source.nodes:
        match node:
            case ast.Global():
                yield Finding(node.lineno, "global", "keep it in the state of a key, which is given and returned")
            case ast.AsyncFunctionDef() | ast.AsyncFor() | ast.AsyncWith() | ast.Await():
                yield Finding(node.lineno, "async", _PLAIN)
            case ast.comprehension(is_async=1, target=target):
                yield Finding(target.lineno, "async", _PLAIN)


RULES: Mapping[str, Callable[[Source], Iterator[Finding]]] = {
    rule.__name__: rule for rule in (impure_imports, clocks, floats, sets, ambient_names, ambient_statements)
}


def findings(text: str) -> list[Finding]:
    """Apply every rule to the text of one module; in the order of its lines."""
    source = Source(text)
    return sorted(found for rule in RULES.values() for found in rule(source))
