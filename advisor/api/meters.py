"""What was served, in numbers that Prometheus reads."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Folder in which several workers add their numbers up; the library reads this variable."""


class Meters:
    """Counts of one app, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tune_or_not_requests", "Requests, by route, method and status.",
            ["route", "method", "status"], registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "tune_or_not_request_seconds", "From the first byte of a request to the last answered.",
            ["route"], buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.received = Counter("tune_or_not_received_bytes", "Bytes of datasets taken in.",
                                registry=self.registry)  # fmt: skip
        self.answers = Counter("tune_or_not_answers", "Answers worked out, not those at hand.",
                               registry=self.registry)  # fmt: skip
        self.variants = Counter("tune_or_not_sweep_variants", "Variants worked out in sweeps.",
                                registry=self.registry)  # fmt: skip

    def text(self) -> bytes:
        """Write all numbers in Prometheus' format, of every worker where there are several."""
        if not os.environ.get(SHARED):
            return generate_latest(self.registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
