"""Traces of a command, sent while it works."""

import importlib.util
import os
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from streams.app.metrics import Instruments
from streams.errors import OperatorError, UsageError
from streams.extras import install_command
from streams.instruments import names as metrics
from streams.instruments import span_names as names
from streams.instruments.meters import LOSSES
from streams.instruments.samplers import FixedPart, MostPerSecond
from streams.version import installed_version

if TYPE_CHECKING:
    from streams.instruments.otlp import Value
    from streams.instruments.span_export import Collector
    from streams.instruments.tracer import Tracer

FROM_ENVIRONMENT = "env"
"""Stands for the collector that OpenTelemetry's own variables name."""

PATH = "/v1/traces"
"""Where a collector takes traces, below its base URL (OTLP/HTTP)."""

PREFIX = "OTEL_EXPORTER_OTLP_"

PARTS = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}
"""Samplers of OpenTelemetry. With `parentbased_` before it, one chooses among the traces that begin here alone."""


@contextmanager
def traces(
    given: str | None,
    command: str,
    tell: Callable[[str, str], None],
    shown: Instruments | None = None,
    environment: Mapping[str, str] = os.environ,
) -> "Iterator[Tracer | None]":
    """
    Send traces until the block ends.

    Args:
        given: URL of a collector, or `env`; None: nowhere. OpenTelemetry's variables alone switch nothing on: they
            may be set for other programs, and what leaves a machine is the choice of whoever starts this one.
        command: What the process does, for the attribute of its spans.
        tell: Is told the URL, and in words where spans go.
        shown: Metrics of the process, among which spans sent and lost then are.
        environment: OpenTelemetry's variables.

    Raises:
        UsageError: The URL or a variable cannot be used.
        OperatorError: The extra `otel` is not installed.
    """
    if given is None:
        yield None
        return
    url, sampler = endpoint(given, environment), sampler_of(environment)
    if not _has_messages():
        raise OperatorError(
            "--traces needs opentelemetry-proto, which is not installed", remedy=install_command("otel")
        )
    from streams.instruments.span_export import SpanExporter
    from streams.instruments.tracer import Tracer

    version = installed_version() or ""
    resource: dict[str, Value] = {
        names.SERVICE_NAME: f"orch-{command}",
        names.SERVICE_VERSION: version,
        names.PROCESS: os.getpid(),
        **_resource(environment),
    }
    exporter = SpanExporter(_collector(url, environment), resource, version)
    if shown is not None:
        shown.meters.read(metrics.SPANS_SENT, lambda: [((), exporter.sent)])
        shown.meters.read(
            metrics.SPANS_LOST,
            lambda: [((reason,), getattr(exporter, reason)) for reason in LOSSES],
        )
    try:
        tell(url, f"Traces go to {url}: ids, names, counts and times, and no text of a question or an answer.")
        yield Tracer(exporter, sampler)
    finally:
        exporter.close()


def _has_messages() -> bool:
    """Whether the protocol's messages are installed; other parts of OpenTelemetry may be there without them."""
    try:
        return importlib.util.find_spec("opentelemetry.proto") is not None
    except ModuleNotFoundError:
        return False


def endpoint(given: str, environment: Mapping[str, str]) -> str:
    """
    Give the address that takes spans; a URL without a path is a collector's base.

    Raises:
        UsageError: There is none, or it is no address for OTLP over HTTP.
    """
    url, place = given, "--traces"
    if given == FROM_ENVIRONMENT:
        place = f"{PREFIX}TRACES_ENDPOINT"
        url = environment.get(place, "")
        if not url:
            place = f"{PREFIX}ENDPOINT"
            base = environment.get(place, "")
            url = base and base.rstrip("/") + PATH
        if not url:
            raise UsageError(
                "--traces env: the environment names no collector",
                remedy=f"Set {PREFIX}ENDPOINT, or write --traces http://HOST:4318",
            )
    unusable = UsageError(f"{place}: {url!r} is no URL of a collector", remedy="Write http://HOST:4318 or https://...")
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and parts.scheme in ("http", "https")
    except ValueError as error:
        raise unusable from error
    if not usable:
        raise unusable
    if parts.username is not None:
        raise UsageError(
            f"{place}: a URL with a password would be logged", remedy=f"Put it into {PREFIX}HEADERS=authorization=..."
        )
    protocol = environment.get(f"{PREFIX}TRACES_PROTOCOL") or environment.get(f"{PREFIX}PROTOCOL") or "http/protobuf"
    if given == FROM_ENVIRONMENT and protocol != "http/protobuf":
        raise UsageError(
            f"{PREFIX}PROTOCOL={protocol}: orch sends http/protobuf alone",
            remedy="Name the collector's HTTP port, mostly 4318: --traces http://HOST:4318",
        )
    return url if parts.path.strip("/") else url.rstrip("/") + PATH


def sampler_of(environment: Mapping[str, str]) -> FixedPart | MostPerSecond:
    """
    Read which traces to make from `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`; without them, all up to a limit.

    Raises:
        UsageError: They name no sampler of OpenTelemetry, or no part.
    """
    sampler = environment.get("OTEL_TRACES_SAMPLER")
    if not sampler:
        return MostPerSecond()
    kind = sampler.removeprefix("parentbased_")
    keeps_begun = kind != sampler
    if kind not in PARTS:
        known = ", ".join(PARTS)
        raise UsageError(f"OTEL_TRACES_SAMPLER={sampler} is not known here", remedy=f"Choose one of {known}, or unset")
    part, given = PARTS[kind], environment.get("OTEL_TRACES_SAMPLER_ARG") or "1"
    if part is not None:
        return FixedPart(part, keeps_begun)
    try:
        part = float(given)
    except ValueError:
        part = -1.0
    if not 0 <= part <= 1:
        raise UsageError(f"OTEL_TRACES_SAMPLER_ARG={given} is no part of one", remedy="Write a number from 0 to 1")
    return FixedPart(part, keeps_begun)


def _collector(url: str, environment: Mapping[str, str]) -> "Collector":
    """Build the way to a collector: headers such as keys, a certificate authority, and the environment's proxies."""
    from streams.instruments.span_export import Collector

    headers = {"Content-Type": "application/x-protobuf", "User-Agent": f"orch/{installed_version() or '0'}"}
    for name in ("HEADERS", "TRACES_HEADERS"):
        headers |= _pairs(environment.get(PREFIX + name, ""))
    authority = environment.get(f"{PREFIX}TRACES_CERTIFICATE") or environment.get(f"{PREFIX}CERTIFICATE")
    try:
        secured = ssl.create_default_context(cafile=authority or None)
    except OSError as error:
        raise UsageError(
            f"{PREFIX}CERTIFICATE={authority} cannot be used: {error}", remedy="Name a file of certificates in PEM"
        ) from error
    return Collector(url, headers, urllib.request.build_opener(urllib.request.HTTPSHandler(context=secured)))


def _resource(environment: Mapping[str, str]) -> dict[str, str]:
    """Read the attributes that the environment gives to a process; the service's own name wins."""
    named = _pairs(environment.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    service = environment.get("OTEL_SERVICE_NAME")
    return {**named, names.SERVICE_NAME: service} if service else named


def _pairs(text: str) -> dict[str, str]:
    """Read a list such as `a=1,b=2`, whose values are percent-encoded; parts without a name are left out."""
    parts = (part.partition("=") for part in text.split(","))
    return {name.strip(): unquote(value.strip()) for name, equals, value in parts if equals and name.strip()}
