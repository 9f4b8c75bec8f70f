"""Forms of data sets, and recognition of a file's form."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

from streams.errors import UsageError
from streams.evaluation.readers import inspect_log, llm_router_bench, mmlu
from streams.evaluation.readers.arc import ARC
from streams.evaluation.readers.found import Found, RowForm, RowPlace, Unusable
from streams.evaluation.readers.gpqa import GPQA
from streams.evaluation.readers.gsm8k import GSM8K
from streams.evaluation.readers.lm_harness import LM_HARNESS
from streams.evaluation.readers.mmlu_pro import MMLU_PRO
from streams.evaluation.readers.orch_lines import OUTPUTS, QUESTIONS
from streams.evaluation.readers.router_arena import ROUTER_ARENA
from streams.evaluation.readers.rows import json_object, rows

ROW_FORMS: tuple[RowForm, ...] = (
    # The first that fits counts, so forms with more fields of their own come first.
    LM_HARNESS,
    ROUTER_ARENA,
    OUTPUTS,
    MMLU_PRO,
    GPQA,
    ARC,
    mmlu.HUGGING_FACE,
    GSM8K,
    QUESTIONS,
)
NAMES = (*(form.name for form in ROW_FORMS), "MMLU (CSV)", inspect_log.NAME, llm_router_bench.NAME)
_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".eval", ".jsonl.gz", ".json.gz", ".csv.gz")


def read_datasets(paths: Iterable[str | Path]) -> Found:
    """
    Read data sets and recorded outputs, each file in the form that its content has.

    Args:
        paths: Files, or folders, in which every file with a known suffix is read, in the order of their names.

    Raises:
        UsageError: A file is missing, has no form that is read, or holds nothing that could be used.
        OperatorError: The system failed to read it.
    """
    found = Found()
    for given in paths:
        path = Path(given)
        if not path.exists():
            raise UsageError(f"{path}: there is no such file", remedy="Check the path", file=str(path))
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.name.endswith(_SUFFIXES) and file.is_file())
            if not files:
                raise UsageError(
                    f"{path} holds no file that is read", remedy=f"Such a file ends in {', '.join(_SUFFIXES)}"
                )
        for file in files:
            _read_file(file, found, in_folder=path.is_dir())
    return found


def _read_file(path: Path, found: Found, *, in_folder: bool) -> None:
    name = _read_whole(path, found)
    if name is not None:
        found.forms[name] = found.forms.get(name, 0) + 1
        return
    form: RowForm | None = None
    for before, (number, row) in enumerate(rows(path, found.problems)):
        if form is None or not form.fits(row):
            form = next((known for known in ROW_FORMS if known.fits(row)), None)
        if form is None:
            if in_folder:
                # Folders hold settings and totals too.
                return
            raise UsageError(
                f"{path}, line {number}: fields {', '.join(sorted(map(str, row))[:8])} are no form that is read",
                remedy=f"Read are {', '.join(NAMES)}; `orch run --map` reads question files with any names",
                file=str(path),
            )
        place = RowPlace(path, number, before)
        try:
            form.read(row, place, found)
        except (Unusable, TypeError, AttributeError) as error:
            found.refuse(place, str(error))
        else:
            found.forms[form.name] = found.forms.get(form.name, 0) + 1


def _read_whole(path: Path, found: Found) -> str | None:
    """Read a file whose form is one of the whole file; give the form's name, None if it has rows instead."""
    if path.suffix == ".eval" or (path.suffix == ".zip" and zipfile.is_zipfile(path)):
        inspect_log.read_inspect_archive(path, found)
        return inspect_log.NAME
    if mmlu.is_mmlu_csv(path):
        mmlu.read_mmlu_csv(path, found)
        return "MMLU (CSV)"
    if path.suffix == ".json":
        whole = json_object(path)
        if whole is not None and inspect_log.is_inspect_json(whole):
            inspect_log.read_inspect_json(path, whole, found)
            return inspect_log.NAME
        if whole is not None and llm_router_bench.is_llm_router_bench(whole):
            llm_router_bench.read_llm_router_bench(path, whole, found)
            return llm_router_bench.NAME
    return None
