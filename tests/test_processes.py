"""The rule of conftest.py on tests that start processes."""

from pathlib import Path

import pytest

TESTS = """
    import asyncio, multiprocessing, os, subprocess, sys
    import pytest

    def run():
        subprocess.run([sys.executable, "-V"], check=True)

    def fork():
        if os.fork() == 0:
            os._exit(0)
        os.wait()

    def spawn():
        process = multiprocessing.get_context("spawn").Process(target=int)
        process.start()
        process.join()

    def loop():
        async def start():
            await (await asyncio.create_subprocess_exec(sys.executable, "-V")).wait()

        asyncio.run(start())

    @pytest.fixture
    def started():
        run()

    @pytest.mark.parametrize("start", [run, fork, spawn, loop])
    def test_unmarked(start):
        start()

    def test_fixture(started): ...

    @pytest.mark.process
    @pytest.mark.parametrize("start", [run, fork, loop])
    def test_marked(start):
        start()
"""


@pytest.mark.process
def test_only_marked_tests_start_processes(pytester: pytest.Pytester) -> None:
    """A test without the mark `process` fails where it, or its fixture, starts a process in any way."""
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text("utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n    live\n    process")
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess("-p", "no:randomly")
    result.assert_outcomes(failed=4, errors=1, passed=3)
    result.stdout.fnmatch_lines(["*mark the test with @pytest.mark.process*"])
