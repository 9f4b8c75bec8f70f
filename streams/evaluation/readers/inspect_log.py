"""Inspect logs: `.eval` archives and their JSON form."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from streams.errors import UsageError
from streams.evaluation.readers.found import Found, RowPlace, Unusable, has, repeated, text_of, whole

NAME = "Inspect"
MAX_SAMPLE_BYTES = 256 * 1024**2
"""Largest sample of an archive that is unpacked; its transcript may be long, its question and answer are not."""
_ATTACHMENT = "attachment://"


def is_inspect_json(whole_file: Mapping[str, Any]) -> bool:
    """Whether a JSON object is an Inspect log with its samples."""
    return has(whole_file, "eval", "samples") and isinstance(whole_file["eval"], dict)


def read_inspect_json(path: Path, log: Mapping[str, Any], found: Found) -> None:
    """Read a log in its JSON form."""
    _read_samples(path, log["eval"], enumerate(log["samples"] or (), 1), found)


def read_inspect_archive(path: Path, found: Found) -> None:
    """
    Read an `.eval` file: a ZIP archive with `header.json` and `samples/ID_epoch_N.json`.

    A log of a run that did not end has `_journal/start.json` in the place of the header.

    Raises:
        UsageError: It is no such archive, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            head = next((name for name in ("header.json", "_journal/start.json") if name in names), None)
            if head is None:
                raise UsageError(f"{path} is a ZIP archive, but no Inspect log", remedy="Unzip it", file=str(path))
            spec = json.loads(archive.read(head)).get("eval") or {}
            _read_samples(path, spec, _samples(archive, path, found), found)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise UsageError(
            f"{path} cannot be read as an Inspect log: {error}",
            remedy="`inspect log convert --to json FILE --output-dir DIR` writes a form that is read",
            file=str(path),
        ) from error


def _samples(archive: zipfile.ZipFile, path: Path, found: Found) -> Iterator[tuple[int, Any]]:
    members = [entry for entry in archive.infolist() if entry.filename.startswith("samples/")]
    for number, entry in enumerate(sorted(members, key=lambda entry: entry.filename), 1):
        if entry.file_size > MAX_SAMPLE_BYTES:
            found.refuse(RowPlace(path, number), f"{entry.filename}: {entry.file_size:,} bytes unpacked")
            continue
        yield number, json.loads(archive.read(entry))


def _read_samples(path: Path, spec: Mapping[str, Any], samples: Iterator[tuple[int, Any]], found: Found) -> None:
    task = str(spec.get("task") or path.stem).rpartition("/")[2]
    for number, sample in samples:
        try:
            _read(sample, task, str(spec.get("model") or "model"), found)
        except (Unusable, AttributeError, TypeError) as error:
            found.refuse(RowPlace(path, number), str(error) or "no sample of an Inspect log")


def _read(sample: Mapping[str, Any], task: str, model: str, found: Found) -> None:
    question_id = f"{task}-{sample['id']}" if "id" in sample else ""
    if not question_id:
        raise Unusable("id: missing")
    target = sample.get("target")
    gold = target[0] if isinstance(target, list) and len(target) == 1 else target
    if not isinstance(gold, str):
        raise Unusable("target: several, or not a text; a question has one right answer")
    choices = sample.get("choices")
    answers = {"options": choices} if choices else {"answer_type": "number"}
    found.question({"question_id": question_id, "text": _asked(sample), **answers, "gold": gold, "subject": task})
    output = sample.get("output") or {}
    text = _content(output.get("completion"), sample)
    if not text:
        messages = [choice.get("message") or {} for choice in output.get("choices") or ()]
        text = next((_content(message.get("content"), sample) for message in messages), "")
    if not text:
        return
    usage = output.get("usage") or {}
    seconds = output.get("time")
    found.output(
        question_id,
        repeated(str(output.get("model") or model), whole(sample.get("epoch")) or 1),
        text,
        input_tokens=whole(usage.get("input_tokens")),
        output_tokens=whole(usage.get("output_tokens")),
        latency_ms=None if seconds is None else whole(float(seconds) * 1000),
    )


def _asked(sample: Mapping[str, Any]) -> str:
    """Give the question: the input, or the last message of a user in it."""
    given = sample.get("input")
    if isinstance(given, list):
        users = [message for message in given if message.get("role") == "user"]
        given = users[-1].get("content") if users else None
    text = _content(given, sample)
    return text_of({"input": text}, "input")


def _content(content: Any, sample: Mapping[str, Any]) -> str:
    """Give the text of a content: a text, parts of which some are text, or a reference to an attachment."""
    if isinstance(content, list):
        return "\n".join(_content(part.get("text"), sample) for part in content if part.get("type") == "text")
    if isinstance(content, str) and content.startswith(_ATTACHMENT):
        return str((sample.get("attachments") or {}).get(content.removeprefix(_ATTACHMENT), ""))
    return content if isinstance(content, str) else ""
