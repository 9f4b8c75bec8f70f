"""
Configuration of structured log lines on stderr.

A line is an event name that never changes, with values as keys: JSON, or coloured text on a terminal.
"""

import logging
import os
import sys
from typing import Literal, get_args

import structlog

MOST_CHARACTERS = 2_000
"""Characters of one value in a log line."""

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = get_args(Level)

SHOWN = frozenset(
    {
        "metrics_served",
        *(f"serve_{what}" for what in ("started", "stopping", "stopped")),
        *(f"traces_{what}" for what in ("elsewhere", "sent", "sent_again")),
        *(f"worker_{what}" for what in ("progress", "started", "stopping", "stopped")),
    }
)
"""Info lines that are written unless a level is asked for: an operator sees by them that a process works."""

_LIBRARIES = ("LiteLLM", "aiohttp", "aiokafka", "faust", "httpx", "mode", "uvicorn")


def configure(
    *,
    verbose: bool = False,
    level: Level | None = None,
    mask: structlog.typing.Processor = lambda logger, name, event: event,
) -> None:
    """
    Send log lines to stderr, since stdout is data.

    Args:
        verbose: Whether to include debug and info lines, such as one for each commit and each call.
        level: Lowest level that is written, unless *verbose*; None for warnings, errors and the lines of `SHOWN`.
        mask: Hides secrets in a line before it is written.
    """
    for name in _LIBRARIES:
        # This program reports what matters of a library's messages as its own log event or error.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # It warns of each write to a broken connection, whose end is told by those who use it.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    root = logging.getLogger()
    for known in [handler for handler in root.handlers if isinstance(handler, _Forwarding)]:
        root.removeHandler(known)
    root.addHandler(_Forwarding(logging.WARNING))
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors="NO_COLOR" not in os.environ)
        if terminal
        else structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            *(() if verbose or level else (_only_shown,)),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _shortened,
            mask,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("debug" if verbose else level or "info"),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


class _Forwarding(logging.Handler):
    """Writes what libraries log as lines of this program, so that every line has one form."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        log = structlog.get_logger("orch.library")
        getattr(log, level)(
            "library_message", library=record.name, message=record.getMessage(), exc_info=record.exc_info or None
        )


def _only_shown(_logger: object, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drop the info lines that nobody asked for."""
    if name == "info" and event.get("event") not in SHOWN:
        raise structlog.DropEvent
    return event


def _shortened(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Cut long texts: a message can quote a record, and a line is to be read."""
    for key, value in event.items():
        if isinstance(value, str) and len(value) > MOST_CHARACTERS and key != "exception":
            event[key] = f"{value[:MOST_CHARACTERS]}... and {len(value) - MOST_CHARACTERS:,} characters more"
    return event
