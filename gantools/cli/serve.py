"""``gantools serve``."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from gantools.cli import shared
from gantools.errors import ConfigError

_CONNECTIONS = 1000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    model: Annotated[Path, typer.Argument(help="The model's folder.", metavar="MODELDIR")],
    host: Annotated[str, typer.Option("--host", help="Address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
    queue: Annotated[int, typer.Option("--queue", min=0, help="Requests that may wait; more are told 429.")] = 16,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds for a request to wait, and for the model to take.")
    ] = 60,
    max_mb: Annotated[float, typer.Option("--max-mb", min=0.001, help="Of a request.")] = 20,
    max_megapixels: Annotated[float, typer.Option("--max-megapixels", min=0.001, help="Of a picture.")] = 16,
    device: shared.Device = "auto",
    json: shared.AsJson = False,
    quiet: shared.Quiet = False,
) -> None:
    """A model behind HTTP: pictures in; scores, heatmaps, larger or translated pictures, or samples out."""
    try:
        import uvicorn

        from gantools.serve.app import application, served
        from gantools.serve.worker import Worker
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed; serving needs: pip install 'gantools[serve]'") from None

    what = served(model)
    opened = _listening(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{opened.getsockname()[1]}"
    worker = Worker(model, device, max_megapixels, timeout)
    try:
        worker.ready()
        words = f"{model} at {address} (a page to try it; {address}/docs for programs). Ctrl-C ends it."
        told = {"url": address, "model": str(model), "class": what.kind.__name__}
        shared.report(told, json, quiet, lambda: words)
        if host not in _LOOPBACK:
            typer.echo("gantools: whoever reaches this address may use it: there is no password", err=True)
        hosts = (*_LOOPBACK, "[::1]") if host in _LOOPBACK else ["*"]
        app = application(what, worker, round(max_mb * 1e6), queue, hosts)
        level = "warning" if quiet or json else "info"
        config = uvicorn.Config(
            app,
            log_level=level,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=5,
        )
        uvicorn.Server(config).run(sockets=[opened])
    finally:  # for what fails before the server runs; a signal skips this, and the application stops the worker itself
        worker.stop()


def _listening(host: str, port: int) -> socket.socket:
    """A socket at that address.

    Raises
    ------
    ConfigError
        When it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        opened = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"cannot listen at {host} port {port}: {error.strerror or error}; name another --host or --port"
        ) from None
    # asyncio does so only for sockets made with the protocol's number; otherwise each answer waits 40 ms for an ACK.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened
