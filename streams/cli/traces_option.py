"""The option `--traces` of commands that work for long."""

from typing import Any

import click


def traces_option(function: Any) -> Any:
    """Add `--traces`, whose URL the command takes as *traces*."""
    return click.option(
        "--traces",
        metavar="URL",
        help="Send OpenTelemetry traces to this collector, such as http://127.0.0.1:4318; env: to the one that"
        " OTEL_EXPORTER_OTLP_ENDPOINT names. Without it nothing is traced, whatever the environment holds.",
    )(function)
