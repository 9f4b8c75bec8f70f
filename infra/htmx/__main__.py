"""`python -m infra.htmx [VERSION]`: check htmx, or renew it."""

import sys

from infra.htmx.vendored import check, fetch, take
from streams.errors import OrchError


def main(given: list[str]) -> int:
    """Check the files, or take those of a release; give the exit code."""
    try:
        locked = take(*fetch(given[0])) if given else check()
    except OrchError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"htmx {locked.version}: {len(locked.sha256)} files, as its package has them")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
