"""`orch serve`: a log over HTTP, until stopped."""

import importlib.util
import os
import sys
from functools import partial

import structlog
from structlog.typing import FilteringBoundLogger

from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.listening_options import listening_options
from streams.cli.metrics_option import metrics_option
from streams.cli.traces_option import traces_option
from streams.errors import OperatorError, OrchError
from streams.extras import install_command
from streams.instruments.address import Address

EXIT_BUG = 1

ELSEWHERE = (
    "No spans from here: over Kafka workers make them (`orch worker all --traces URL`), in the trace that a question"
    " came with; over an archive nothing happens that could have one."
)

_log: FilteringBoundLogger = structlog.get_logger("orch.serve")


@command(
    examples=(
        "orch serve",
        "orch --log kafka://localhost:9092 serve --port 8080 --metrics 127.0.0.1:9464",
        "orch serve --host 0.0.0.0 --token-file /run/secrets/orch-token --name orch.example.org",
    )
)
@listening_options("clients must send", "clients")
@metrics_option
@traces_option
@pass_app
def serve(
    app: App,
    host: str,
    port: int,
    token_file: str | None,
    names: tuple[str, ...],
    metrics: Address | None,
    traces: str | None,
) -> int:
    """
    Serve the log over HTTP until told to stop.

    Programs ask with POST /v1/questions and read /v1/decisions, /v1/explain and live /v1/events; /openapi.json
    describes all of it. Over a file this process is its writer and calls the agents; over Kafka it publishes, and
    workers answer; an archive is read-only. Ctrl-C and SIGTERM stop it cleanly: who waits is told where the decision
    will be. Without --host only this machine reaches it. TLS is a proxy's work.
    """
    return serve_log(app, Address(host, port), token_file, names, metrics, traces)


def serve_log(
    app: App,
    address: Address,
    token_file: str | None,
    names: tuple[str, ...],
    metrics: Address | None,
    traces: str | None,
    *,
    with_pages: bool = False,
    checkpoints: str | None = None,
) -> int:
    """
    Serve a log until told to stop; give the exit code.

    Args:
        with_pages: Whether there are pages; then a log that cannot be written to is served read-only.
        checkpoints: Place beside the log with its checkpoints, for receipts.
    """
    _require_extra()
    from streams.agents.calls.progress import CallProgress
    from streams.app.metrics import Counted, instruments
    from streams.app.traces import traces as sending
    from streams.serve.gate import read_token
    from streams.serve.pages.catalog import page_routes
    from streams.serve.server import ServeSpec, no_pages, serve_until_told

    token = read_token(address, token_file)
    app.if_interrupted("")
    terminal = sys.stderr.isatty()

    def say(event: str, text: str, **values: object) -> None:
        if terminal:
            output.say(text)
        else:
            _log.info(event, **values)

    try:
        if traces is not None and app.log.scheme != "sqlite":
            say("traces_elsewhere", ELSEWHERE, told=ELSEWHERE)
            traces = None
        with (
            instruments(
                metrics, "serve", (), lambda url, text: say("metrics_served", text, url=url, told=text)
            ) as shown,
            sending(
                traces,
                "ui" if with_pages else "serve",
                lambda url, text: say("traces_sent", text, url=url, told=text),
                shown,
            ) as tracer,
        ):
            serve_until_told(
                ServeSpec(
                    app,
                    address,
                    names,
                    token,
                    Counted(CallProgress(), shown, tracer),
                    output.say,
                    partial(page_routes, checkpoints=checkpoints, token=token) if with_pages else no_pages,
                    lenient=with_pages,
                ),
                started=lambda url: say(
                    "serve_started",
                    f"Serving {app.log_url} on {url}, process {os.getpid()}. Stop with Ctrl-C.",
                    url=url,
                    log=app.log_url,
                    pid=os.getpid(),
                ),
                stopping=lambda: say("serve_stopping", "Stopping: who waits is answered, and streams end."),
            )
    except OrchError as error:
        if terminal or error.exit_code == EXIT_BUG:
            raise
        _log.error("serve_failed", why=error.message, remedy=error.remedy, exc_info=app.verbose)
        return error.exit_code
    say("serve_stopped", "Stopped.")
    return 0


def _require_extra() -> None:
    """
    Check that the extra `serve` is installed.

    Raises:
        OperatorError: It is not.
    """
    for package in ("starlette", "uvicorn", "jinja2"):
        if importlib.util.find_spec(package) is None:
            raise OperatorError(
                f"`orch serve` needs {package}, which is not installed", remedy=install_command("serve")
            )
