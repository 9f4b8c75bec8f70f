"""The command `orch explain`, in this process."""

from ...e2e.command import Place


def test_page_goes_to_its_file(recorded: Place) -> None:
    """`-o` writes the page instead of the text, and over one that is there; the remark is on stderr."""
    page = recorded.path / "q1.html"
    page.write_text("old")
    done = recorded.orch("explain", "q1", "-o", "q1.html")
    assert (done.code, done.out) == (0, "")
    assert "Wrote q1.html." in done.err
    written = page.read_text("utf-8")
    assert written.startswith("<!doctype html>")
    assert "What would have changed it" in written


def test_page_beside_json(recorded: Place) -> None:
    """With --format json the page is written and the object printed."""
    done = recorded.orch("--format", "json", "explain", "q1", "-o", "q1.html")
    assert done.code == 0
    (told,) = done.lines
    assert told["would_change"]["ballots"]["nothing_below"] >= 1
    assert (recorded.path / "q1.html").stat().st_size > 10_000


def test_page_of_an_archive(recorded: Place) -> None:
    """An archive gives the page that its log gives."""
    assert recorded.orch("export", "archive").code == 0
    assert recorded.orch("explain", "q1", "-o", "log.html").code == 0
    assert recorded.orch("--log", "parquet:archive", "explain", "q1", "-o", "archive.html").code == 0
    assert (recorded.path / "log.html").read_bytes() == (recorded.path / "archive.html").read_bytes()


def test_page_that_cannot_be_written(recorded: Place) -> None:
    """A file that cannot be written ends the command with exit code 3 and a remedy."""
    done = recorded.orch("explain", "q1", "-o", "nowhere/q1.html")
    assert done.code == 3
    assert "nowhere/q1.html" in done.err
    assert "Name another file" in done.err


def test_text_says_what_would_have_changed_it(recorded: Place) -> None:
    """The text has a few lines of it, and whole texts with --full alone."""
    short, whole = recorded.orch("explain", "q1"), recorded.orch("explain", "q1", "--full")
    lines = short.out.splitlines()
    (start,) = (number for number, line in enumerate(lines) if "what would have changed it" in line)
    assert "gives" in lines[start + 1] or "give" in lines[start + 1]
    assert len(whole.out) >= len(short.out)
    assert whole.code == 0
