"""
Corpus of receipts for other people's verifiers, sound and damaged.

`python -m infra.verifier.corpus` writes corpus.zip: `orch-seal.pub`, `sound/*.json`, `damaged/*.json`, and
`expected.json`, which has for each file the verdict and the name of the damage.
"""

import json
import zipfile
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import orjson

from infra.verifier.damage import damages
from infra.verifier.trial import key_of, receipts
from streams import logs

TARGET = Path(__file__).with_name("corpus.zip")
SEED, SOUND, DAMAGED = 6962, 50, 200
LONGEST = 20_000
"""Bytes of a receipt; of longer ones the corpus would show nothing more."""


def corpus() -> dict[str, bytes]:
    """Give every file of the corpus, by name."""
    key = key_of(SEED)
    short = (one for one in receipts(SEED, key) if len(orjson.dumps(one)) <= LONGEST)
    sound = list(islice(short, SOUND))
    files: dict[str, bytes] = {"orch-seal.pub": f"{key.public}\n".encode()}
    expected: dict[str, Any] = {}
    for number, receipt in enumerate(sound):
        name = f"sound/{number:03}.json"
        files[name] = orjson.dumps(receipt)
        expected[name] = {"verdict": "accept"}
    for number, one in enumerate(islice(damages(sound, key, Random(SEED)), DAMAGED)):
        name = f"damaged/{number:03}-{one.damage}.json"
        files[name] = orjson.dumps(one.receipt)
        # Without the readers of answers nothing speaks against a text that says something else.
        verdict = "refuse if answers are read again" if one.needs_reading else "refuse"
        expected[name] = {"verdict": verdict, "damage": one.damage, "signed_again": one.signed_again}
    files["expected.json"] = orjson.dumps(expected, option=orjson.OPT_INDENT_2)
    return files


def read_corpus(path: Path = TARGET) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Give the files of the corpus and what is expected of each."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return files, json.loads(files["expected.json"])


def main() -> None:
    """Write the corpus."""
    logs.configure(level="error")
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in corpus().items():
            # A fixed time, so that the same corpus is the same file.
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED, 9)
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
