"""Samples of data sets, by seed and question id."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from streams.errors import UsageError

Line = Mapping[str, Any]


class Sampling(NamedTuple):
    """
    How questions are sampled.

    Attributes:
        groups: Groups that are drawn from: subjects, or buckets of length.
        each: Questions from each group.
    """

    kind: str
    groups: int
    each: int


PAPER = {
    # The protocols of arXiv 2602.01797.
    "subjects": Sampling("subjects", 10, 30),
    "lengths": Sampling("lengths", 3, 100),
}


def sample(lines: Sequence[Line], sampling: Sampling, seed: int) -> list[Line]:
    """
    Draw a sample, in the order of the file.

    `subjects`: so many subjects, and from each so many questions; subjects with fewer questions are passed over.
    `lengths`: questions in buckets of equal size by the length of their text, and from each bucket so many.
    `random`: `each` questions of all.

    The order that decides is that of the SHA-256 of seed and id, so the same file and seed give the same sample on any
    machine; it is not the sample that another program's random generator draws with this seed, which is why the ids are
    saved.

    Raises:
        UsageError: There are not enough subjects or questions.
    """
    if sampling.kind == "lengths":
        buckets = _by_length(lines, sampling.groups)
    elif sampling.kind == "subjects":
        buckets = _by_subject(lines, sampling, seed)
    else:
        buckets = {"all": list(lines)}
    chosen: set[str] = set()
    for name, members in buckets.items():
        if len(members) < sampling.each:
            raise UsageError(
                f"--sample: {name} has {len(members)} questions, and {sampling.each} are to be drawn",
                remedy="Draw fewer",
            )
        drawn = sorted(members, key=_marked(seed))[: sampling.each]
        chosen.update(line["question_id"] for line in drawn)
    return [line for line in lines if line["question_id"] in chosen]


def _marked(seed: int) -> Callable[[Line], bytes]:
    def mark(line: Line) -> bytes:
        return hashlib.sha256(f"{seed}/{line['question_id']}".encode()).digest()

    return mark


def _by_subject(lines: Sequence[Line], sampling: Sampling, seed: int) -> dict[str, list[Line]]:
    by_subject: dict[str, list[Line]] = {}
    for line in lines:
        if line.get("subject"):
            by_subject.setdefault(str(line["subject"]), []).append(line)
    large = [subject for subject, members in by_subject.items() if len(members) >= sampling.each]
    if len(large) < sampling.groups:
        raise UsageError(
            f"--sample: {len(large)} subjects have {sampling.each} questions or more, and {sampling.groups} are wanted",
            remedy=_possible([len(members) for members in by_subject.values()], sampling),
        )
    drawn = sorted(sorted(large), key=lambda subject: hashlib.sha256(f"{seed}/{subject}".encode()).digest())
    return {subject: by_subject[subject] for subject in drawn[: sampling.groups]}


def _possible(sizes: Sequence[int], wanted: Sampling) -> str:
    """Name samples that the subjects allow: of fewer subjects, and of fewer questions each."""
    ranked = sorted(sizes, reverse=True)
    enough = sum(size >= wanted.each for size in sizes)
    fewer = [f"subjects:{enough}x{wanted.each}"] if enough else []
    groups = min(wanted.groups, len(ranked))
    if groups > enough:
        fewer.append(f"subjects:{groups}x{ranked[groups - 1]}")
    return (
        f"--sample {' or '.join(fewer)} is possible"
        if fewer
        else "No question names a subject; --sample N draws from all"
    )


def _by_length(lines: Sequence[Line], buckets: int) -> dict[str, list[Line]]:
    ranked = sorted(lines, key=lambda line: (len(line["text"]), line["question_id"]))
    bounds = [len(ranked) * bucket // buckets for bucket in range(buckets + 1)]
    return {
        f"length bucket {bucket + 1} of {buckets}": ranked[bounds[bucket] : bounds[bucket + 1]]
        for bucket in range(buckets)
    }


def parse_sampling(text: str) -> Sampling:
    """
    Read `--sample`: `subjects:10x30`, `lengths:3x100`, a number, or `paper-subjects` and `paper-lengths`.

    Raises:
        UsageError: It is none of these.
    """
    if text.isdigit() and int(text):
        return Sampling("random", 1, int(text))
    if text.startswith("paper-") and (named := PAPER.get(text.removeprefix("paper-"))):
        return named
    kind, _, sizes = text.partition(":")
    groups, _, each = sizes.partition("x")
    if kind not in PAPER or not groups.isdigit() or not each.isdigit() or not int(groups) or not int(each):
        raise UsageError(
            f"--sample: {text!r} is no sampling",
            remedy="Write a number, subjects:10x30, lengths:3x100, paper-subjects or paper-lengths",
        )
    return Sampling(kind, int(groups), int(each))
