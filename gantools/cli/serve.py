"""``gantools serve``."""

from __future__ import annotations

import json as json_
import socket
from pathlib import Path
from typing import Annotated, Any

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

        from gantools.serve.app import Served, application
        from gantools.serve.worker import Worker
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed; serving needs: pip install 'gantools[serve]'") from None

    served = _checked(model, Served)
    opened = _listening(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{opened.getsockname()[1]}"
    worker = Worker(model, device, max_megapixels, timeout)
    try:
        worker.ready()
        _tell(address, model, served, json, quiet, host in _LOOPBACK)
        hosts = (*_LOOPBACK, "[::1]") if host in _LOOPBACK else ["*"]
        app = application(served, worker, round(max_mb * 1e6), queue, hosts)
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
    finally:
        worker.stop()


def _tell(address: str, model: Path, served: Any, json: bool, quiet: bool, loopback: bool) -> None:
    """Where the model is to be found."""
    if json:
        typer.echo(json_.dumps({"url": address, "model": str(model), "class": served.kind.__name__}))
    elif not quiet:
        typer.echo(f"{model} at {address} (a page to try it; {address}/docs for programs). Ctrl-C ends it.", err=True)
    if not loopback:
        typer.echo("gantools: whoever reaches this address may use it: there is no password", err=True)


def _checked(model: Path, served: Any) -> Any:
    """What there is to say of a model, once it is known that it can be loaded."""
    from gantools import load
    from gantools.pipelines.synthesize.forms import TableForm

    estimator = load(model, "cpu")
    form = getattr(estimator, "form_", None) or getattr(getattr(estimator, "maker_", None), "form", None)
    of_tables = getattr(estimator, "kind_", "") == "table" or isinstance(form, TableForm)
    return served(model.absolute().name, type(estimator), of_tables, estimator.training_)


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
            f"cannot listen at {host} port {port}: {error.strerror or error}; --port names another"
        ) from None
    # asyncio does so only for sockets made with the protocol's number; otherwise each answer waits 40 ms for an ACK.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened
