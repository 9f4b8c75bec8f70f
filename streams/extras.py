"""Advice on installing the extras of this program."""

import json
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from streams.version import DISTRIBUTION


def install_command(*extras: str) -> str:
    """
    Give the command that installs this program again, from where it came, with *extras*.

    No registry has the distribution, so its name alone would install nothing, or something of a stranger's. pip and uv
    note where they took it from; if that is unknown or gone, the command is for the root of a checkout.
    """
    wanted = ",".join(extras)
    source, editable = _source()
    if "://" in source:
        return f"pip install {shlex.quote(f'{DISTRIBUTION}[{wanted}] @ {source}')}"
    named = f"'{source}[{wanted}]'" if source == "." else shlex.quote(f"{source}[{wanted}]")
    if _is_of_uvx():
        return f"uvx --from {named} orch ..."
    return f"pip install {'-e ' if editable else ''}{named}{' in the checkout of orch' if source == '.' else ''}"


def _source() -> tuple[str, bool]:
    """Give the folder or the repository that this program was installed from, and whether its files are used there."""
    try:
        noted = json.loads(distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        noted = {}
    url = noted.get("url", "")
    if vcs := noted.get("vcs_info"):
        return f"{vcs['vcs']}+{url}@{vcs['commit_id']}", False
    parts = urlsplit(url)
    folder = Path(unquote(parts.path))
    if parts.scheme == "file" and (folder / "pyproject.toml").is_file():
        return str(folder), bool(noted.get("dir_info", {}).get("editable"))
    return ".", False


def _is_of_uvx() -> bool:
    """Whether this is an environment in uv's cache, which is made for a command and which pip cannot change."""
    return Path(sys.prefix).parent.name.startswith("archive-v") and _made_by_uv()


def _made_by_uv() -> bool:
    try:
        noted = Path(sys.prefix, "pyvenv.cfg").read_text("utf-8")
    except OSError:
        return False
    return any(line.partition("=")[0].strip() == "uv" for line in noted.splitlines())
