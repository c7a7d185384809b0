"""OpenTelemetry spans, where an exporter is configured by the usual ``OTEL_…`` variables; otherwise nothing at all.

A span is one exchange: platform, purpose, exchange id, delivery numbers, status or failure. Never an address
with a query, a body or a person.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

log = logging.getLogger(__name__)

_WANTED = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
_MOST_DELIVERIES = 50
_tracers: list[Tracer] = []


def set_up(environment: Mapping[str, str] = os.environ) -> None:
    """Begin to trace where the environment asks for it; without the extra ``otel`` it is said in the log, once."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "otlp")
    if _tracers or exporter == "none" or not any(environment.get(name) for name in _WANTED):
        return
    try:
        trace_to(_exporter(exporter))
    except ImportError:
        log.warning("no spans: install the extra otel", extra={"exporter": exporter})


def _exporter(name: str) -> SpanExporter:
    if name == "console":
        import sys

        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def trace_to(exporter: SpanExporter) -> None:
    """Send spans to an exporter, in batches beside the work, until the process ends."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "integration-gateway"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    atexit.register(provider.shutdown)
    _tracers[:] = [provider.get_tracer("gateway")]


def on() -> bool:
    """Whether anybody listens."""
    return bool(_tracers)


def exchange(
    platform: str, purpose: str, number: int, deliveries: Sequence[int]
) -> AbstractContextManager[dict[str, Any]]:
    """A span around one exchange; what the caller puts into the dictionary becomes its attributes at the end."""
    return _span(platform, purpose, number, deliveries) if _tracers else nullcontext({})


@contextmanager
def _span(platform: str, purpose: str, number: int, deliveries: Sequence[int]) -> Iterator[dict[str, Any]]:
    told: dict[str, Any] = {}
    given: dict[str, Any] = {
        "gateway.platform": platform,
        "gateway.purpose": purpose,
        "gateway.exchange": number,
        "gateway.deliveries": list(deliveries[:_MOST_DELIVERIES]),
        "gateway.deliveries.count": len(deliveries),
    }
    with _tracers[0].start_as_current_span(f"{platform} {purpose}", attributes=given, record_exception=False) as span:
        yield told
        span.set_attributes({f"gateway.{name}": value for name, value in told.items() if value is not None})
