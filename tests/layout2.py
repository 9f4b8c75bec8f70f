"""Logs of release 0.1, in layout 2."""

import lzma
from pathlib import Path

from .conftest import ROOT

LAYOUT2 = ROOT / "tests" / "golden" / "layout2"
SETTINGS = ("cascade", "default", "reference", "reference-lexicographic")
"""Settings of the logs: each preset, and a cascade without warm-up, whose panels are half asked in the middle."""
LOGS = ("asked", *(f"{settings}/{state}" for settings in SETTINGS for state in ("finished", "half")))


def unpacked(log: str, folder: Path) -> Path:
    """Write one of `LOGS` into a folder as `orch.db`, with its -wal if the program that wrote it was killed."""
    path = folder / "orch.db"
    for packed in LAYOUT2.glob(f"{log}.db*.xz"):
        suffix = packed.name.removesuffix(".xz").partition(".db")[2]
        path.with_name(path.name + suffix).write_bytes(lzma.decompress(packed.read_bytes()))
    return path


def configuration(settings: str, rules: str) -> str:
    """Write the configuration that `SETTINGS` name, with a version of the rules."""
    if settings == "cascade":
        return (
            (LAYOUT2 / "cascade" / "orch.toml").read_text("utf-8").replace("[policy]", f'[policy]\nrules = "{rules}"')
        )
    return f'[policy]\npreset = "{settings}"\nrules = "{rules}"\n'
