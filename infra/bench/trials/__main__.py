"""`python -m infra.bench.trials`: ideas that may pay, measured."""

import argparse
import sys
from pathlib import Path

from infra.bench.odds.recorded import load
from infra.bench.trials import costs, drift, flips, reliability, second_answers

TRIALS = ("reliability", "costs", "drift", "second", "flips")
_EXAMPLE = """example:
    python -m infra.bench.trials ../shared/data/mmlu-pro ../shared/data/gsm8k --orders 10 --only drift
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the trials, and print their figures."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.bench.trials",
        description="Plays recorded models through the rule odds, as it is and with an idea more, in several orders.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", type=Path, help="data sets: questions.jsonl.gz and outputs.jsonl.gz")
    parser.add_argument("--orders", type=int, default=10, help="orders of the questions; 10 by default")
    parser.add_argument("--questions", type=int, help="only so many questions")
    parser.add_argument("--only", action="append", choices=TRIALS, help="this trial; all by default")
    given = parser.parse_args(arguments)
    only = given.only or TRIALS
    for folder in given.folders:
        known = load(folder, most=given.questions)
        print(f"{folder.name}: {len(known)} questions, {given.orders} orders", flush=True)
        if "reliability" in only:
            reliability.measure(folder.name, known, given.orders)
        if "flips" in only:
            flips.measure(folder.name, known, given.orders)
        if "costs" in only:
            costs.measure(folder.name, known, given.orders)
        if "drift" in only:
            drift.measure(folder, known, given.orders)
        sys.stdout.flush()
    if "second" in only:
        second_answers.measure(given.orders)
    return 0


if __name__ == "__main__":
    sys.exit(main())
