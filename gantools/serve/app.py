"""A model's end points."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, Field, StrictBool, StrictStr

from gantools import GanAnomalyDetector, GanSuperResolver, GanTranslator, __version__, load
from gantools.errors import ConfigError, DataError, GantoolsError
from gantools.serve import answers
from gantools.serve.answers import Made
from gantools.serve.figures import Figures
from gantools.serve.limits import App, Limits
from gantools.serve.worker import Abandoned, Crowded, Overdue, Worker

MOST_SAMPLES = 256
MOST_ROWS = 10_000

Picture = Annotated[UploadFile, File(description="A PNG, JPEG, TIFF, WebP, BMP, GIF or PPM file.")]
Dial = Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)]
Seed = Annotated[int, Query(ge=0, lt=2**31)]
Count = Annotated[int, Query(ge=1, le=MOST_SAMPLES)]
Label = Annotated[str | None, Query(max_length=1000)]
Truncation = Annotated[float, Query(ge=0, le=10, allow_inf_nan=False)]


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str


class Score(BaseModel):
    """How abnormal it is."""

    anomaly_score: float = Field(description="0 is a typical normal; a twentieth of normals lies above 1.")
    p_value: float = Field(description="The chance that a fresh normal would score as high.")
    is_anomaly: bool
    parts: dict[str, float] = Field(description="Each part's score, on the same scale.")


class RowProblem(BaseModel):
    """Why a row has no score."""

    error: str


class Rows(BaseModel):
    """Rows of a feature table."""

    rows: list[dict[str, float | StrictStr | StrictBool | None]] = Field(min_length=1, max_length=MOST_ROWS)


class Scores(BaseModel):
    """One for each row, in order."""

    rows: list[Score | RowProblem]


class Samples(BaseModel):
    """New rows of a feature table."""

    rows: list[dict[str, Any]]


@dataclass
class Served:
    """What is served.

    Attributes
    ----------
    name : str
        The model folder's.
    kind : type
        The estimator's class.
    of_tables : bool
        Whether it knows feature tables, not pictures.
    training : dict
        What the model says of its training.
    """

    name: str
    kind: type
    of_tables: bool
    training: dict[str, Any]


def served(folder: Path) -> Served:
    """What there is to say of a model, once it is known that it can be loaded.

    Raises
    ------
    ModelError
        When it cannot.
    """
    estimator = load(folder, "cpu")
    name = folder.absolute().name
    return Served(name, type(estimator), answers.knows_tables(estimator), estimator.training_)


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": words}
    for status, words in {
        400: "What was sent is no form with a file, or no JSON.",
        403: "A page of another site sent it.",
        408: "It took too long to arrive.",
        413: "Larger than the limit.",
        422: "It cannot be used, for the reason given.",
        429: "Too many requests wait.",
        500: "The model failed.",
        503: "The model had no time for it.",
        504: "It took too long.",
    }.items()
}


def _file(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI is told of an answer that is a file."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in media_types}
    return {200: {"content": content, "description": "The file that was made."}, **_PROBLEMS}


_PICTURES = _file("image/png", "image/jpeg", "image/tiff", "image/webp", "image/bmp", "image/x-portable-anymap")


def application(what: Served, worker: Worker, most_bytes: int, most_waiting: int, hosts: Sequence[str]) -> App:
    """The ASGI application: the model's end points, a page to try them, `/docs`, `/health`, `/metrics`.

    Parameters
    ----------
    what : Served
    worker : Worker
        Stopped when the application is.
    most_bytes : int
        Of a request.
    most_waiting : int
        Requests that may wait besides the one that is being answered.
    hosts : sequence of str
        Names that the server may be called by; "*" for any. Others are refused, so that no page of another site can
        reach it under a name that it gave to this machine's address.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        worker.stop()

    app = FastAPIOffline(
        title=f"gantools: {what.name}",
        version=__version__,
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers={
            Exception: _failed,
            GantoolsError: _failed,
            RequestValidationError: _misread,
        },
    )
    paths = _endpoints(what.kind)(app, worker, what.of_tables)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    limits = Limits(app, most_bytes, most_waiting + 1, worker.timeout)
    figures = Figures(worker, limits, {*paths, "/", "/model", "/health", "/metrics"})
    _add_about(app, what, figures, paths)
    return figures.counting(limits)


async def _failed(_: Request, error: Exception) -> JSONResponse:
    """An error as an answer; the log has more of one that is not ours."""
    status, retry = 500, {}
    words = str(error) if isinstance(error, GantoolsError) else f"unexpected {type(error).__name__}"
    if isinstance(error, Crowded):
        status, retry = 503, {"Retry-After": "1"}
    elif isinstance(error, Overdue):
        status = 504
    elif isinstance(error, Abandoned):
        status = 499  # as nginx has it; nobody hears it, but it is counted
    elif isinstance(error, (DataError, ConfigError)):
        status = 422
    return JSONResponse({"detail": words}, status, retry)


async def _misread(_: Request, error: Exception) -> JSONResponse:
    """What is wrong with a request's parameters, in one line."""
    assert isinstance(error, RequestValidationError)
    said = [f"{'.'.join(map(str, e['loc'][1:])) or 'request'}: {e['msg']}" for e in error.errors()[:5]]
    return JSONResponse({"detail": "; ".join(said)}, 422)


def _answered(made: Made) -> Response:
    """A file as an answer; its notes, as JSON, in a header."""
    headers = {"X-Content-Type-Options": "nosniff"}
    if made.notes:
        headers["Gantools-Notes"] = json.dumps(made.notes)
    return Response(made.content, media_type=made.media_type, headers=headers)


def _detector(app: FastAPI, worker: Worker, of_tables: bool) -> list[str]:
    if of_tables:

        @app.post("/score", response_model=Scores, responses=_PROBLEMS)
        async def score_rows(table: Rows) -> Any:
            """How abnormal rows of a table are."""
            return {"rows": await worker.ask(answers.score_rows, table.rows)}

        return ["/score"]

    @app.post("/score", response_model=Score, responses=_PROBLEMS)
    async def score(picture: Picture) -> Any:
        """How abnormal a picture is."""
        return await worker.ask(answers.score, await picture.read())

    @app.post("/heatmap", response_class=Response, responses=_file("image/png"))
    async def heatmap(picture: Picture) -> Response:
        """Where a picture is abnormal: it in gray, and colours from yellow to red over it."""
        return _answered(await worker.ask(answers.heatmap, await picture.read()))

    return ["/score", "/heatmap"]


def _resolver(app: FastAPI, worker: Worker, of_tables: bool) -> list[str]:
    @app.post("/upscale", response_class=Response, responses=_PICTURES)
    async def upscale(picture: Picture, perception: Dial = None) -> Response:
        """A picture enlarged; `perception` goes from 0, nearest to the truth, to 1, most like real pictures."""
        return _answered(await worker.ask(answers.upscale, await picture.read(), perception))

    return ["/upscale"]


def _translator(app: FastAPI, worker: Worker, of_tables: bool) -> list[str]:
    @app.post("/translate", response_class=Response, responses=_PICTURES)
    async def translate(
        picture: Picture,
        texture: Dial = None,
        seed: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
        vividness: Annotated[float | None, Query(ge=0, le=2, allow_inf_nan=False)] = None,
    ) -> Response:
        """A picture translated; `texture` goes from 0, nearest to the truth, to 1, most like real targets.

        A `seed` chooses among several plausible results, of a model that was fitted with variety. `vividness`
        multiplies the colour that a model of colours adds to gray.
        """
        return _answered(await worker.ask(answers.translate, await picture.read(), texture, seed, vividness))

    return ["/translate"]


def _sampler(app: FastAPI, worker: Worker, of_tables: bool) -> list[str]:
    if of_tables:

        @app.post("/samples", response_model=Samples, responses=_PROBLEMS)
        async def rows(n: Count = 16, label: Label = None, seed: Seed = 0, truncation: Truncation = 1) -> Any:
            """New rows of a table, of one class or of all."""
            return {"rows": await worker.ask(answers.sample_rows, n, label, seed, truncation)}

        return ["/samples"]

    @app.post("/samples", response_class=Response, responses=_file("application/zip"))
    async def samples(n: Count = 16, label: Label = None, seed: Seed = 0, truncation: Truncation = 1) -> Response:
        """New pictures of one class or of all, as PNGs in a ZIP file; the same seed gives the same."""
        return _answered(await worker.ask(answers.samples, n, label, seed, truncation))

    @app.post("/grid", response_class=Response, responses=_file("image/png"))
    async def grid(n: Count = 16, label: Label = None, seed: Seed = 0, truncation: Truncation = 1) -> Response:
        """The pictures of `/samples` side by side, in one PNG."""
        return _answered(await worker.ask(answers.grid, n, label, seed, truncation))

    return ["/samples", "/grid"]


def _endpoints(kind: type) -> Callable[[FastAPI, Worker, bool], list[str]]:
    """What adds the end points of a kind of estimator, and says their paths."""
    if issubclass(kind, GanAnomalyDetector):
        return _detector
    if issubclass(kind, GanSuperResolver):
        return _resolver
    return _translator if issubclass(kind, GanTranslator) else _sampler


def _add_about(app: FastAPI, served: Served, figures: Figures, paths: list[str]) -> None:
    """The end points that are the same for every model."""
    page = resources.files("gantools.serve").joinpath("page.html").read_text(encoding="utf-8")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def front() -> HTMLResponse:
        rules = "default-src 'none'; img-src blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
        return HTMLResponse(page, headers={"Content-Security-Policy": f"{rules}; connect-src 'self'"})

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """What is served, what may be asked of it, and how it was trained."""
        about = {"name": served.name, "class": served.kind.__name__, "of_tables": served.of_tables, "endpoints": paths}
        return {**about, "gantools": __version__, "training": served.training}

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """That the server runs, and how many requests it is about."""
        return {"status": "ok", "in_progress": figures.limits.taken, "restarts": figures.worker.restarts}

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Counts and times, for Prometheus."""
        return Response(figures.text(), media_type="text/plain; version=0.0.4")
