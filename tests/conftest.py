"""Shared fixtures, a clean environment, and the rules on skips."""

import os
import signal
import sys
from collections.abc import Generator, Iterator
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--live`: an option and no default `-m`, which any other `-m` would switch off."""
    parser.addoption("--live", action="store_true", help="also run tests that call a real model and cost money")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that use the shared broker or the real command; leave out live tests unless they are asked for."""
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()) or _COMMANDS in item.path.parents:
            item.add_marker("process")
    if config.getoption("--live"):
        return
    live = [item for item in items if item.get_closest_marker("live")]
    if live:
        config.hook.pytest_deselected(items=live)
        items[:] = [item for item in items if not item.get_closest_marker("live")]


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
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Broker"]:
    """One Kafka broker for the whole run, started for the first test that asks; its topics are each test's own."""
    from .broker import running_broker

    with running_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running
