"""JSON Schemas of dictionaries with fixed keys."""

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

_PLAIN: dict[Any, dict[str, Any]] = {
    Any: {},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    str: {"type": "string"},
    type(None): {"type": "null"},
}


def shapes_of(shape: type, ref_template: str) -> dict[str, Any]:
    """
    Give the schema of a `TypedDict` and of all in it, by name; pydantic reads them from Python 3.12 on alone.

    Args:
        shape: Its keys are always there.
        ref_template: Form of a reference, with `{model}` for the name.
    """
    found: dict[str, Any] = {}
    _add(shape, ref_template, found)
    return found


def _add(shape: type, ref_template: str, found: dict[str, Any]) -> None:
    if shape.__name__ in found:
        return
    schema = found[shape.__name__] = {
        "type": "object",
        "title": shape.__name__,
        "description": (shape.__doc__ or "").strip().splitlines()[0],
        "properties": {},
        "additionalProperties": False,
    }
    schema["properties"] = {name: _schema(hint, ref_template, found) for name, hint in get_type_hints(shape).items()}
    schema["required"] = list(schema["properties"])


def _schema(hint: Any, ref_template: str, found: dict[str, Any]) -> dict[str, Any]:
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if is_typeddict(hint):
        _add(hint, ref_template, found)
        return {"$ref": ref_template.format(model=hint.__name__)}
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"type": "string", "enum": list(inner)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(each, ref_template, found) for each in inner]}
    if origin is list:
        return {"type": "array", "items": _schema(inner[0], ref_template, found)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(inner[1], ref_template, found)}
    raise TypeError(f"no schema for {hint!r}")
