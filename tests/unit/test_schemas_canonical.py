"""
Canonical JSON and content ids against independent implementations.

They are the standard library, the examples of RFC 8785, and hashlib by hand.
"""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import MAX_INTEGER, canonical_json, content_id, strict_json

from ..strategies import signed, texts

ascii_keys = st.text(st.characters(max_codepoint=127), max_size=8)
scalars = st.none() | st.booleans() | signed | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ascii_keys, inner, max_size=4)
)
objects = st.dictionaries(ascii_keys, values, max_size=5)


def plainly(value: Any) -> bytes:
    """Write canonical JSON with nothing but the standard library."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@given(values)
def test_canonical_json_agrees_with_the_standard_library(value: Any) -> None:
    """Two implementations that share no code write the same bytes."""
    assert canonical_json(value) == plainly(value)


@given(objects)
def test_strict_json_reads_what_canonical_json_wrote(value: dict[str, Any]) -> None:
    """Reading undoes writing."""
    assert strict_json(canonical_json(value)) == value


@given(objects, st.randoms(use_true_random=False))
def test_key_order_of_the_source_does_not_matter(value: dict[str, Any], random: Any) -> None:
    """The same fields in another order have the same canonical form."""
    items = list(value.items())
    random.shuffle(items)
    assert canonical_json(dict(items)) == canonical_json(value)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('€$\x0f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ("\b\t\n\f\r", '"\\b\\t\\n\\f\\r"'),
        ("\x00\x1f\x0b", '"\\u0000\\u001f\\u000b"'),
        ("\x7f\x80", '"\x7f\x80"'),
        ("\u2028\u2029", '"\u2028\u2029"'),
        ("\U0001f600é", '"\U0001f600é"'),
        ("</script>", '"</script>"'),
    ],
    ids=["rfc-example", "short-escapes", "long-escapes", "delete", "line-separators", "beyond-ascii", "slash"],
)
def test_strings_are_escaped_as_the_rfc_says(text: str, written: str) -> None:
    """Only quotes, backslashes and controls below space are escaped, each in its one spelling."""
    assert canonical_json(text) == written.encode()


def test_keys_are_sorted_at_every_depth() -> None:
    """Order of keys is that of their code points, in nested objects too."""
    value = {"b": {"z": 1, "B": 2, "": 3}, "a": [{"2": 1, "10": 2}]}
    assert canonical_json(value) == b'{"a":[{"10":2,"2":1}],"b":{"":3,"B":2,"z":1}}'


def test_lists_keep_their_order() -> None:
    """Order in a list is content."""
    assert canonical_json((2, 1)) == b"[2,1]"


@pytest.mark.parametrize("value", [MAX_INTEGER, -MAX_INTEGER])
def test_largest_integers_are_written(value: int) -> None:
    """What every JSON reader keeps exact has a canonical form."""
    assert canonical_json(value) == str(value).encode()


@pytest.mark.parametrize(
    "value",
    [MAX_INTEGER + 1, -MAX_INTEGER - 1, "\ud800", {1: "a"}, {"a": {1, 2}}, b"bytes", object()],
    ids=["too-large", "too-small", "lone-surrogate", "key-is-no-string", "set", "bytes", "object"],
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    """A value that other readers would understand differently is an error, not a guess."""
    with pytest.raises(ValueError, match="no canonical JSON"):
        canonical_json(value)


@pytest.mark.parametrize(
    "raw",
    [b'{"a":"\\ud800"}', b'{"a":[9007199254740992]}', b'{"\\udc00":1}'],
    ids=["surrogate", "2^53", "surrogate key"],
)
def test_strict_json_refuses_what_has_no_canonical_form(raw: bytes) -> None:
    """What could be read but not written is refused when it is read."""
    with pytest.raises(ValueError, match="no canonical JSON"):
        strict_json(raw)


def test_content_id_is_sha_256_in_lower_case_hex() -> None:
    """Anyone can check an id with a command line tool."""
    assert content_id(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.binary())
def test_content_id_agrees_with_hashlib(content: bytes) -> None:
    """The id is the hash of exactly the bytes given."""
    assert content_id(content) == hashlib.sha256(content).hexdigest()
