"""`/metrics`, `/live` and `/ready` over HTTP, answered by the supervisor for all its children."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from ..broker.errors import ConfigurationError

logger = logging.getLogger("bgjobs.supervisor")

DEFAULT_PORT = 9464
OFF = -1

Answer = tuple[bool, dict[str, Any]]


class Collects(Protocol):
    """What prometheus-client asks for numbers."""

    def collect(self) -> Iterable[Metric]: ...


class MetricsServer:
    """Serves on threads of its own, so that it answers whatever the supervisor is busy with."""

    def __init__(
        self, host: str, port: int, *, sums: Collects, live: Callable[[], Answer], ready: Callable[[], Answer]
    ) -> None:
        """Binds at once. Raises OSError if the address can't be had.

        Args:
            host, port: where to listen; port 0: any free one.
            sums: the numbers, asked for at each scrape.
            live: whether the supervisor itself is well, with a JSON description. Must not depend on Redis: whoever
                restarts on a failed `/live` would make an outage worse.
            ready: whether all children do their work.
        """
        registry = CollectorRegistry()
        registry.register(sums)

        class Handler(BaseHTTPRequestHandler):
            server_version = "bgjobs"
            protocol_version = "HTTP/1.1"
            timeout = 10

            def do_GET(self) -> None:
                match self.path.partition("?")[0]:
                    case "/metrics":
                        encoder, content_type = choose_encoder(self.headers.get("Accept", ""))
                        self._answer(200, content_type, encoder(registry))
                    case "/live":
                        self._answer_health(live())
                    case "/ready":
                        self._answer_health(ready())
                    case _:
                        self._answer(404, "text/plain; charset=utf-8", b"/metrics, /live and /ready are served here\n")

            def do_HEAD(self) -> None:
                self.do_GET()

            def _answer_health(self, answer: Answer) -> None:
                ok, body = answer
                self._answer(200 if ok else 503, "application/json", json.dumps(body).encode() + b"\n")

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                logger.debug("metrics server: " + format, *args)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self._server = Server((host, port), Handler)
        self.host = host
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="bgjobs-metrics", daemon=True)

    @property
    def url(self) -> str:
        """Where `/metrics` is."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/metrics"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


def open_metrics_server(
    host: str, port: int | None, *, sums: Collects, live: Callable[[], Answer], ready: Callable[[], Answer]
) -> MetricsServer | None:
    """The server at the wanted port; None if it is off, or if nobody asked for a port and the default one is taken.

    Raises ConfigurationError if a port that was asked for can't be had.
    """
    if port == OFF:
        return None
    try:
        return MetricsServer(host, DEFAULT_PORT if port is None else port, sums=sums, live=live, ready=ready)
    except OSError as error:
        if port is None:
            logger.info(
                "metrics are off: port %d is taken (%s); choose one with --metrics-port", DEFAULT_PORT, error.strerror
            )
            return None
        raise ConfigurationError(
            f"The metrics server cannot listen on {host}:{port}: {error.strerror or error}.",
            remedy="Choose another --metrics-port (0: any free one, off: none) or --metrics-host.",
        ) from error
