"""Forms of input files, and formats refused by name."""

import bz2
import gzip
import io
import json
import lzma
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import UsageError
from streams.jsonlines import LineProblem, read_objects

OBJECTS = [{"question_id": f"q{number}", "text": 'Say "hi",\n[then] {go}; é\u2028', "n": number} for number in range(5)]
LINES = "".join(json.dumps(one) + "\n" for one in OBJECTS).encode()


class Pieces(io.BytesIO):
    """A stream with a name that gives its bytes in pieces of one size."""

    def __init__(self, content: bytes, *, name: str = "given.json", size: int = 1 << 18) -> None:
        super().__init__(content)
        self.name = name
        self._size = size

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read1(self._size)


def read(content: bytes | str, **given: Any) -> tuple[list[tuple[int, dict[str, Any]]], list[LineProblem]]:
    """Read a file of this content."""
    problems: list[LineProblem] = []
    raw = content.encode() if isinstance(content, str) else content
    return list(read_objects(Pieces(raw, **given), problems)), problems


def objects(content: bytes | str, **given: Any) -> list[dict[str, Any]]:
    """Read a file without problems."""
    found, problems = read(content, **given)
    assert problems == []
    return [fields for _, fields in found]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=2),
        "\ufeff" + json.dumps(OBJECTS, indent="\t"),
        json.dumps(OBJECTS[:2], indent=1) + "\n\ufeff" + json.dumps(OBJECTS[2:]),
        "\n".join(json.dumps(one, indent=2) for one in OBJECTS),
        json.dumps(OBJECTS, indent=2).replace("\n", "\r\n"),
        LINES.decode().replace("\n", "\r\n"),
        LINES.decode().replace("\n", "\n\n"),
        "".join("\ufeff" + json.dumps(one) + "\n" for one in OBJECTS),
    ],
    ids=["array", "pretty", "mark", "joined arrays", "pretty objects", "crlf", "crlf lines", "blank lines", "marks"],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 18])
def test_objects_are_the_same_in_every_form(content: str, size: int) -> None:
    """Arrays, pretty-printed or not, objects over several lines, and lines give the same objects."""
    assert objects(content, size=size) == OBJECTS
    assert objects(gzip.compress(content.encode())) == OBJECTS


def test_objects_of_an_array_have_the_lines_where_they_start() -> None:
    """A message about an object of an array names its line."""
    found, problems = read('[\n  {\n    "a": 1\n  },\n\n  [2], {"b": 1.5},\n  {"c": 3}\n]\n')
    assert found == [(2, {"a": 1}), (7, {"c": 3})]
    assert [(p.line, p.reason[:14]) for p in problems] == [(6, "a JSON list, w"), (6, "b: 1.5 is not ")]


@pytest.mark.parametrize(
    ("rest", "line", "words"),
    [
        ('  {"b": 2', 3, "not JSON: Expecting ',' delimiter"),
        ("  nonsense]", 3, "not JSON: Expecting value"),
        ("", 3, "the array is cut off before its end"),
        ('  {"b":\n 2,\n c: 3}\n]', 5, "Expecting property name"),
        ('  {"a": "' + "x" * 300_000 + '"}x', 3, "not JSON"),
    ],
)
def test_broken_array_gives_what_comes_before(rest: str, line: int, words: str) -> None:
    """Where an array is no JSON any more, that is told once with its line, and the objects before it are given."""
    found, problems = read(f'[\n  {{"a": 1}},\n{rest}')
    assert found[0] == (2, {"a": 1})
    assert problems[-1].line == line
    assert words in problems[-1].reason
    assert len(problems) == 1


def test_array_that_is_not_utf_8_says_where() -> None:
    """Bytes that are no UTF-8 end an array with one problem."""
    found, (problem,) = read(b'[{"a": 1},\n{"b": "\xe9"}]')
    assert problem.line == 2
    assert problem.reason.startswith("not UTF-8")
    assert found == []


def test_large_array_is_read_value_by_value() -> None:
    """An array on one line may be longer than any line; of a value above the limit the length is told."""
    problems: list[LineProblem] = []
    content = json.dumps([{"a": "x" * 50}, {"a": "x" * 500}] * 40).encode()
    found = list(read_objects(Pieces(content), problems, limit=100))
    assert len(found) == 40
    assert {problem.reason for problem in problems} == {"509 bytes; the limit of a line is 100: shorten the text"}
    found = list(read_objects(Pieces(content, size=64), problems := [], limit=100))
    assert len(found) == 1
    assert problems[0].reason.startswith("not JSON within the limit of 100 bytes")


def test_first_line_that_is_broken_stays_a_line() -> None:
    """A broken first line is told as that line, and the others are read."""
    found, (problem,) = read(b'{"a": \n{"b": 2}\n')
    assert (found, problem.line) == ([(2, {"b": 2})], 1)


TABLE = 'question_id,text,gold\r\nq1,"Which, ""x""?\r\nSay\tit",B\r\n\r\nq2,\u00fcber,\r\n'


@pytest.mark.parametrize("size", [1, 1 << 18])
@pytest.mark.parametrize("mark", ["", "\ufeff", "sep=,\r\n"])
def test_table_gives_its_rows(mark: str, size: int) -> None:
    """Quoted cells hold commas, quotes and line ends; an empty cell is None; the line is the one where a row starts."""
    found, problems = read(mark + TABLE, size=size)
    shift = mark.startswith("sep")
    assert problems == []
    assert found == [
        (2 + shift, {"question_id": "q1", "text": 'Which, "x"?\r\nSay\tit', "gold": "B"}),
        (5 + shift, {"question_id": "q2", "text": "\u00fcber", "gold": None}),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(delimiter: str) -> None:
    """A table is told by its header, whatever stands between the cells."""
    rows = [["id", "question", "answer"], ["1", "a", "B"]]
    assert objects("\n".join(delimiter.join(row) for row in rows)) == [{"id": "1", "question": "a", "answer": "B"}]


def test_columns_of_integers_are_integers() -> None:
    """Where a field holds integers, so does its column."""
    problems: list[LineProblem] = []
    content = Pieces(b"question_id,model,latency_ms\nq1,m,30\nq2,m,x\n")
    found = list(read_objects(content, problems, integers=("latency_ms",)))
    assert [fields["latency_ms"] for _, fields in found] == [30, "x"]


def test_joined_tables_are_one() -> None:
    """A header again, and a byte order mark before it, come from `cat`."""
    assert [row["text"] for row in objects("question_id,text\n1,a\n\ufeffquestion_id,text\n2,b\n")] == ["a", "b"]


def test_bad_rows_are_told_by_line() -> None:
    """Rows of another length and quotes that are not closed are problems; the rows around them are read."""
    found, problems = read('question_id,text\n1,a,b\n2,"b"c\n3,d\n4,"e\n')
    assert [number for number, _ in found] == [4]
    assert [problem.line for problem in problems] == [2, 3, 5]
    assert "2" in problems[0].reason
    assert "never closed" in problems[2].reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("question_id,text\n1,\u00e9\n".encode("latin-1"), "is not UTF-8 (line 2)"),
        (b"question_id,text,text\n1,a,b\n", "two columns are called 'text'"),
        (b"What is 2+2?,3,4,5,6,B\nWhat is 3+3?,3,4,5,6,D\n", "its first line is no header, but a row"),
    ],
)
def test_table_as_a_whole_is_refused(content: bytes, words: str) -> None:
    """What makes every row doubtful is told once."""
    with pytest.raises(UsageError) as caught:
        read(content, name="given.csv")
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x28\xb5\x2f\xfd\x04\x00", "compressed with Zstandard"),
        (b"PK\x03\x04\x14", "a ZIP archive or an Excel workbook"),
        (bz2.compress(LINES), "compressed with bzip2"),
        (lzma.compress(LINES), "compressed with xz"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"ARROW1\0\0", "an Arrow file"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"\n<!DOCTYPE html>\n<html>", "an HTML page"),
        (b"\xef\xbb\xbf<html lang='en'>", "an HTML page"),
        (b'<?xml version="1.0"?>', "XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a Git LFS pointer"),
        (b"q.jsonl" + bytes(250) + b"ustar", "a tar archive"),
        (gzip.compress(b"q.jsonl" + bytes(250) + b"ustar", mtime=0), "a tar archive"),
        (LINES.decode().encode("utf-16"), "UTF-16"),
        (LINES.decode().encode("utf-16-le"), "UTF-16"),
        (TABLE.encode("utf-16-be"), "UTF-16"),
        (b'{"version": 1, "data": [{"question_id": "q"}]}', "one JSON object that holds a list of 1 in 'data'"),
        (b'{\n "examples": [\n  {"a": 1},\n  {"a": 2}\n ]\n}', "a list of 2 in 'examples'"),
    ],
)
def test_what_is_not_read_is_named_once(content: bytes, words: str) -> None:
    """A file of another format is refused as a whole, with what it is and a way out."""
    with pytest.raises(UsageError) as caught:
        read(content)
    assert words in caught.value.message
    assert "given.json" in caught.value.message
    assert caught.value.remedy


def test_no_more_of_a_pipe_is_awaited_than_a_line() -> None:
    """The form is told from the first whole line; nothing after it is read before the object is given."""
    served = iter([b'{"question_', b'id": 1}\n'])

    class Slow(io.BufferedIOBase):
        def read1(self, size: int | None = -1, /) -> bytes:
            return next(served)

    assert next(read_objects(Slow(), [])) == (1, {"question_id": 1})


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=6), max_size=3), max_size=6), st.integers(1, 40))
def test_array_of_any_objects(given: list[dict[str, str]], size: int) -> None:
    """Whatever texts the objects of an array hold, and however it is cut, they are the same."""
    for indent in (None, 1):
        assert objects(json.dumps(given, indent=indent, ensure_ascii=False).encode("utf-8"), size=size) == given
