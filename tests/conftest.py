"""Shared fixtures, order, environment and skips of all tests."""

import gc
import os
import platform
import shutil
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from itertools import groupby
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import structlog
from hypothesis import settings

if TYPE_CHECKING:
    from infra.broker import Broker

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""

OPTIONAL = "optional:"
"""Prefix of a skip's reason that CI accepts."""

# No deadline: it measures the machine, not the code. In CI Hypothesis itself fixes the seed, so a red run stays red.
settings.register_profile("orch", parent=settings(), deadline=None, print_blob=True)
settings.load_profile("orch")

# A shell starts background jobs with SIGINT ignored, and every command of the tests would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
MEMORY = Path("/dev/shm")
"""Linux's file system in memory. A broker that keeps its data there makes the topics of a log three times as fast."""

ROOM = 4 * 2**30
"""Bytes that must be free in memory: a run of all tests needs one tenth of it."""


def fast_folder(memory: Path = MEMORY, room: int = ROOM) -> Path | None:
    """Give the file system in memory, if tests can keep their files there and run programs from it."""
    if not (memory.is_dir() and os.access(memory, os.W_OK | os.X_OK)):
        return None
    programs_run = not os.statvfs(memory).f_flag & os.ST_NOEXEC
    return memory if programs_run and shutil.disk_usage(memory).free >= room else None


# pytest's own variable; whoever sets it, or gives --basetemp, chooses the folder.
if folder := fast_folder():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--live`: an option and no default `-m`, which any other `-m` would switch off."""
    parser.addoption("--live", action="store_true", help="also run tests that call a real model and cost money")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that use the shared broker or the real command, leave out live ones, and order those of a worker."""
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()) or _COMMANDS in item.path.parents:
            item.add_marker("process")
    live = [] if config.getoption("--live") else [item for item in items if item.get_closest_marker("live")]
    if live:
        config.hook.pytest_deselected(items=live)
        items[:] = [item for item in items if not item.get_closest_marker("live")]
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        items[:] = waiting_ones_first(items, workers)


def waiting_ones_first(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """
    Order the tests so that no worker of pytest-xdist ends with long ones, while the others have nothing to do.

    Each worker gets a share of equal length, in this order; who has done its share takes from the end of another's.
    So modules with tests that wait (marked `slow`, or on the broker) go to all shares in turn, into their first part,
    among modules that only compute. The tests of a module stay together: they may share a fixture.
    """
    waiting: list[list[pytest.Item]] = []
    computing: list[list[pytest.Item]] = []
    for _, group in groupby(items, lambda item: item.path):
        module = list(group)
        (waiting if any(map(_waits, module)) else computing).append(module)
    return [item for worker in range(workers) for item in _share(waiting[worker::workers], computing[worker::workers])]


def _waits(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None or "broker" in getattr(item, "fixturenames", ())


def _share(waiting: Sequence[list[pytest.Item]], computing: Sequence[list[pytest.Item]]) -> Iterator[pytest.Item]:
    """Mix the modules of one share: three quarters of those that compute stand between those that wait."""
    between = len(computing) * 3 // 4
    for index, module in enumerate(waiting):
        yield from module
        for other in computing[between * index // len(waiting) : between * (index + 1) // len(waiting)]:
            yield from other
    for other in computing[between if waiting else 0 :]:
        yield from other


def pytest_collection_finish() -> None:
    """Leave the tests and modules themselves out of garbage collections: they took a tenth of the time of a run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let only tests marked `process` start a process, in their fixtures too."""
    if item.get_closest_marker("process"):
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        # An audit hook cannot be removed, and does not see processes of multiprocessing.
        patch.setattr(BaseProcess, "start", _refuse_process)
        patch.setitem(_refusing, "now", True)
        return (yield)


_COMMANDS = ROOT / "tests" / "e2e"
"""Folder whose tests all run the real command."""

_STARTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"})
"""Audit events of a process that is about to start."""

_refusing = {"now": False}


def _refuse_process(*_: object) -> NoReturn:
    pytest.fail("starts a process: mark the test with @pytest.mark.process, which leaves it out of the inner loop")


def _audit(event: str, _: tuple[Any, ...]) -> None:
    if event in _STARTS and _refusing["now"]:
        _refuse_process()


sys.addaudithook(_audit)

# Python starts a process to find the processor's name, once; litellm asks for it within whatever test comes first.
platform.processor()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one in CI."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped module into a failed one in CI."""
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail") or os.environ.get("CI") != "true":
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(OPTIONAL):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {reason} (let CI have what it needs, or begin the reason with {OPTIONAL!r})"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove ORCH_ settings of the environment, so that they change no test."""
    for name in [name for name in os.environ if name.startswith("ORCH_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_logging_from_before() -> Iterator[None]:
    """Reset structlog after each test, which may have run a command in this process."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """The folder of recorded model outputs (`mmlu-pro/`, `gsm8k/`), which lies beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("optional: needs the recorded outputs in ../shared/data")
    return folder


@pytest.fixture(scope="session")
def field_cases() -> Path:
    """The folder of cases from the field, each with its expected answers, which lies beside the checkout."""
    folder = ROOT.parent / "shared" / "field-cases"
    if not folder.is_dir():
        pytest.skip("optional: needs the cases in ../shared/field-cases")
    return folder


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this run, the same in all processes of pytest-xdist."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Broker"]:
    """One Kafka broker for the tests of this process, started for the first that asks; topics are each test's own."""
    from .broker import running_broker

    with running_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running
