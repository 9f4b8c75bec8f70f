"""`python -m infra.pictures [FOLDER]`: take the pictures of the documentation."""

import sys
import tempfile
from pathlib import Path

from infra.pictures.demo_log import CHECKPOINTS, make_demo_log
from infra.pictures.shots import SHOTS, take
from streams.errors import OrchError

HERE = Path(__file__).parent


def main(given: list[str]) -> int:
    """Make a demo log, open its pages, and write a picture of each; give the exit code."""
    target = Path(given[0]) if given else HERE
    try:
        with tempfile.TemporaryDirectory(prefix="orch-pictures-") as folder:
            make_demo_log(Path(folder))
            take(Path(folder), target, "--checkpoints", CHECKPOINTS)
    except OrchError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{len(SHOTS)} pictures in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
