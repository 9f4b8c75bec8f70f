"""Caller processes with memory and CPU time of their own."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from streams.errors import InvariantError

_PROGRAM = (
    "import gc, json, sys; gc.set_threshold(*{thresholds}); from streams import logs;"
    " from {module} import {function}; logs.configure(verbose=False);"
    " print(json.dumps({function}(**json.loads(sys.argv[1]))))"
)


def elsewhere(function: Callable[..., dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    """
    Call a function of a module in a new process, which ends with the call, also if that is interrupted.

    Args:
        function: At the top level of its module.
        arguments: Values of JSON.

    Raises:
        InvariantError: It failed; the message ends with its output.
    """
    # The collector runs as rarely as in the command that measures, and in the product.
    program = _PROGRAM.format(module=function.__module__, function=function.__name__, thresholds=gc.get_threshold())
    command = [sys.executable, "-P", "-c", program, json.dumps(arguments)]
    # No call to loopback goes through a proxy.
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if ended.returncode:
        raise InvariantError(f"{function.__name__} of the benchmark failed: {ended.stderr.strip()[-2_000:]}")
    found: dict[str, Any] = json.loads(ended.stdout)
    return found
