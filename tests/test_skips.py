"""
The rules of conftest.py on skips and live calls.

No test is skipped without a job that runs it.
"""

from pathlib import Path

import pytest

TESTS = """
    import pytest

    def test_skipped():
        pytest.skip("no broker")

    @pytest.mark.skip(reason="no broker")
    def test_marked(): ...

    def test_optional():
        pytest.skip("optional: no second broker")

    @pytest.mark.xfail(reason="known", strict=True)
    def test_expected():
        raise AssertionError

    @pytest.mark.live
    def test_live():
        raise AssertionError
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose tests skip for good and for bad reasons."""
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text("utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n    live")
    pytester.makepyfile(TESTS)
    return pytester


def test_skip_is_reported_outside_ci(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a laptop, what cannot run is skipped."""
    monkeypatch.delenv("CI", raising=False)
    project.runpytest_inprocess().assert_outcomes(skipped=3, xfailed=1, deselected=1)


def test_skip_is_a_failure_in_ci(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI, a skip fails unless its reason says that it is optional."""
    monkeypatch.setenv("CI", "true")
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1, errors=1, skipped=1, xfailed=1, deselected=1)
    result.stdout.fnmatch_lines(["*skipped in CI: no broker*"])


def test_skipped_module_is_an_error_in_ci(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI, a module that leaves itself out fails too."""
    monkeypatch.setenv("CI", "true")
    project.makepyfile(test_left_out='import pytest\npytest.importorskip("no_such_library")')
    result = project.runpytest_inprocess("test_left_out.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*skipped in CI: could not import 'no_such_library'*"])


def test_live_test_runs_when_asked_for(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only --live reaches a model."""
    monkeypatch.delenv("CI", raising=False)
    project.runpytest_inprocess("--live").assert_outcomes(failed=1, skipped=3, xfailed=1)
