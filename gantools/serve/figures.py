"""What a server counts, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Collection, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from gantools.serve.limits import App, Limits, Receive, Scope, Send
from gantools.serve.worker import Worker

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class Figures:
    """Requests by path and status and the seconds that they took; how many wait; how often the model was begun anew.

    Parameters
    ----------
    worker : Worker
    limits : Limits
    paths : collection of str
        That are counted by name; others are "other".
    """

    def __init__(self, worker: Worker, limits: Limits, paths: Collection[str]) -> None:
        self.worker, self.limits, self.paths = worker, limits, paths
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "gantools_requests", "Requests that were answered.", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "gantools_seconds", "Until they were.", ["path"], registry=self.registry, buckets=_SECONDS
        )
        self.registry.register(self)

    def collect(self) -> list[Any]:
        """Of prometheus_client: what is counted elsewhere."""
        restarts = CounterMetricFamily("gantools_restarts", "Times the model's process was begun anew.")
        restarts.add_metric([], self.worker.restarts)
        waiting = GaugeMetricFamily("gantools_requests_in_progress", "Requests that are being answered or wait.")
        waiting.add_metric([], self.limits.taken)
        return [restarts, waiting]

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)

    def counting(self, app: App) -> App:
        """An ASGI application whose answers are counted."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            path = scope["path"] if scope["path"] in self.paths else "other"
            status = "500"

            async def told(message: MutableMapping[str, Any]) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = str(message["status"])
                await send(message)

            began = time.perf_counter()
            try:
                await app(scope, receive, told)
            finally:
                self.requests.labels(path, status).inc()
                self.seconds.labels(path).observe(time.perf_counter() - began)

        return counted
