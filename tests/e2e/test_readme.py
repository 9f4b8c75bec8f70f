"""
The commands of README.md, run in order and compared.

They run in one directory, and their output must be what README.md shows.

Blocks fenced as `sh` hold commands, blocks fenced as `console` commands after `$` with their output under them. An
untagged block right after them shows the output of the last command. Of a line only what calls `orch` is run. A block
after `<!-- not run: REASON -->` is left alone. What is shown is compared loosely: keys of JSON, and the first word of
any other line, for numbers and ids change.
"""

import re
from typing import NamedTuple

import pytest

from ..conftest import ROOT
from .command import Place

_FENCE = re.compile(
    r"^(?:<!-- *(?P<mark>.*?) *-->\n+)?```(?P<tag>\w*)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
_NOT_RUN = re.compile(r"not run: *(.*)")
_ORCH = re.compile(r"(?:\S*/)?orch\b")


class Step(NamedTuple):
    """A command, and the lines of its output that are shown."""

    line: str
    shown: tuple[str, ...] = ()


def steps(text: str) -> list[Step]:
    """
    Find the commands of a page.

    Raises:
        ValueError: A block is not run, and nobody says why.
    """
    found: list[Step] = []
    just_run = False
    for fence in _FENCE.finditer(text):
        skipped = _NOT_RUN.fullmatch(fence["mark"] or "")
        if skipped and not skipped[1]:
            raise ValueError(f"a block is not run, without a reason: {fence['body']!r}")
        lines = fence["body"].replace("\\\n", " ").splitlines()
        if just_run and not fence["tag"] and found:
            found[-1] = found[-1]._replace(shown=(*found[-1].shown, *lines))
        block = [] if skipped else _block(fence["tag"], lines)
        found += block
        just_run = bool(block)
    return found


def _block(tag: str, lines: list[str]) -> list[Step]:
    if tag == "sh":
        return [Step(call) for line in lines for call in _calls(line)]
    found: list[Step] = []
    ours = False
    for line in lines if tag == "console" else ():
        if line.startswith("$ "):
            calls = _calls(line[2:])
            found += map(Step, calls)
            ours = bool(calls)
        elif ours:
            found[-1] = found[-1]._replace(shown=(*found[-1].shown, line))
    return found


def _calls(line: str) -> list[str]:
    """Give the parts of a command line that call `orch`, whatever the path to it."""
    parts = [part.strip() for part in line.split(" && ")]
    return [_ORCH.sub("orch", part, count=1) for part in parts if _ORCH.match(part)]


def missing(shown: tuple[str, ...], output: str) -> list[str]:
    """List the lines shown of which the output has nothing that looks alike."""
    keys = set(re.findall(r'"(\w+)":', output))
    words = {_first_word(line) for line in output.splitlines()}
    return [
        line
        for line in shown
        if not (set(re.findall(r'"(\w+)":', line)) <= keys if '":' in line else _first_word(line) in words | {""})
    ]


def _first_word(line: str) -> str:
    match = re.match(r"\W*([^\W\d_][\w-]*)", line)
    return match[1] if match else ""


def check(text: str, place: Place) -> int:
    """Run the commands of a page and compare; give their number."""
    found = steps(text)
    for step in found:
        done = place.shell(step.line)
        assert done.code == 0, f"{step.line}\n{done.err}"
        assert missing(step.shown, done.out + done.err) == [], step.line
    return len(found)


def test_readme_does_what_it_says(place: Place) -> None:
    """Every command of README.md ends well and prints what is shown there."""
    assert check((ROOT / "README.md").read_text("utf-8"), place) > 0


SAMPLE = """
```sh
pip install nothing && .venv/bin/orch demo \\
    --questions 5     # a comment
```

It says:

```
  questions  7
...
  decided    7
```

<!-- not run: there is no such file -->
```sh
orch run missing.jsonl
```

```console
$ export NOTHING=1
$ orch --format json --log sqlite:///orch-demo.db consume decisions --max 1
{"answer": "X", "calls": 3, ...}
$ orch --log sqlite:///orch-demo.db replay
  events  1
```

```json
{"question_id": "q1"}
```
"""


def test_page_is_read_as_it_is_meant() -> None:
    """Commands come in order with what is shown of each; marked blocks and other programs are left out."""
    assert steps(SAMPLE) == [
        Step("orch demo      --questions 5     # a comment", ("  questions  7", "...", "  decided    7")),
        Step(
            "orch --format json --log sqlite:///orch-demo.db consume decisions --max 1",
            ('{"answer": "X", "calls": 3, ...}',),
        ),
        Step("orch --log sqlite:///orch-demo.db replay", ("  events  1",)),
    ]


def test_page_that_is_right_passes(place: Place) -> None:
    """Numbers may differ from those shown."""
    assert check(SAMPLE, place) == 3


@pytest.mark.parametrize(
    ("shown", "output"),
    [
        ('{"answer": 1}', '{"reply": 1}'),
        ("  questions  7", "  decided  7"),
        ("  questions  7", ""),
    ],
)
def test_page_that_is_wrong_is_caught(shown: str, output: str) -> None:
    """A key or a line that is not printed is missed."""
    assert missing((shown, "..."), output) == [shown]


def test_block_is_left_out_for_a_reason_only() -> None:
    """A mark without a reason is an error."""
    with pytest.raises(ValueError, match="without a reason"):
        steps("<!-- not run: -->\n```sh\norch demo\n```\n")
