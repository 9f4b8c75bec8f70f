"""The option `--metrics` of commands that work for long."""

from typing import Any

import click

from streams.instruments.address import Address, parse_address


def _parsed(context: click.Context, option: click.Parameter, value: str | None) -> Address | None:
    return None if value is None else parse_address(value)


def metrics_option(function: Any) -> Any:
    """Add `--metrics`, whose address the command takes as *metrics*."""
    return click.option(
        "--metrics",
        metavar="HOST:PORT",
        callback=_parsed,
        help="Serve /metrics (Prometheus), /healthz and /readyz there, such as 127.0.0.1:9464; without it nothing is"
        " counted.",
    )(function)
