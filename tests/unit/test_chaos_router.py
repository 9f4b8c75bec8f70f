"""The independent checker on a compacted router table."""

from itertools import count

import pytest

from infra.chaos.checker import check
from streams.topology import OBSERVATIONS, ROUTER

from .test_chaos_checker import ASKED, changed, laid_out, newest_entry, right_log


def test_a_line_that_began_anew_is_found_though_compaction_left_nothing_else_of_it() -> None:
    """The newest entry tells how many came before it: one for each observation."""
    log = right_log()
    newest = newest_entry(log)
    log = changed(log, newest, sequence=1, previous=None, causes=log[newest].fields["causes"][:1])
    line = [n for n, one in enumerate(log) if one.topic == ROUTER and one.key == b"*/ann" and n != newest]
    # Without panels nothing else would tell.
    laid = [one for n, one in enumerate(laid_out(log)) if n not in line]
    report = check(laid, ASKED)
    length = sum(one.topic == OBSERVATIONS and one.fields["agent"] == "ann" for one in log)
    assert length > 1
    assert report.examples["wrong length"] == [f"*/ann ends with 1, after {length} observations"]


def test_what_compaction_removed_is_not_missed() -> None:
    """Router entries may be gone if the offsets say so, but no more of them."""
    log = laid_out(right_log())
    number = count()
    gone = [one for one in log if one.topic == ROUTER and next(number) in (3, 4, 8)]
    left = [one for one in log if one not in gone]
    report = check(left, ASKED)
    assert report.right, report.examples
    assert report.figures["compacted"] == 3
    newest = left[-1]
    assert newest.topic == ROUTER
    assert set(check(left[:-1], ASKED).wrong) == {"not applied", "wrong length"}


@pytest.mark.parametrize("whole", [True, False])
def test_a_batch_sent_again_behind_what_compaction_left_of_it_is_no_error(whole: bool) -> None:
    """Older entries come behind the newest, whose copies before them are gone; it must then come again behind them."""
    log = laid_out(right_log())
    line = [one for one in log if one.topic == ROUTER and one.key == b"*/ann"]
    batch = line[-3:] if whole else line[-3:-1]
    end = 1 + max(one.offset for one in log if one.topic == ROUTER)
    again = [one._replace(offset=end + number) for number, one in enumerate(batch)]
    report = check([one for one in [*log, *again] if one not in line[-3:-1]], ASKED)
    assert set(report.wrong) == (set() if whole else {"out of order"})
