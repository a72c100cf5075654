"""What a served model answers is what the model says; what cannot be answered is said and costs nobody else."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data

from gantools import load
from gantools.errors import ConfigError
from gantools.serve.answers import ready, upscale
from gantools.serve.limits import Limits
from tests.conftest import PIECES
from tests.serve.conftest import serving

Arrays = tuple[np.ndarray, np.ndarray]


def encoded(picture: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind)
    return stream.getvalue()


def decoded(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def sent(client: httpx.Client, path: str, picture: bytes, name: str = "picture.png") -> httpx.Response:
    return client.post(path, files={"picture": (name, picture)})


def test_scores_and_heatmaps_are_the_models(
    detector: httpx.Client, models: dict[str, Path], digits: Arrays, tmp_path: Path
) -> None:
    picture = (digits[0][500] * 255).astype(np.uint8)
    told = sent(detector, "/score", encoded(picture)).json()
    mine = load(models["detector"]).score_table([picture]).iloc[0]
    assert told["anomaly_score"] == pytest.approx(mine["anomaly_score"], abs=1e-5)
    assert told["p_value"] == mine["p_value"]
    assert told["is_anomaly"] == mine["is_anomaly"]
    assert {f"part_{name}" for name in told["parts"]} == {c for c in mine.index if c.startswith("part_")}
    assert decoded(sent(detector, "/heatmap", encoded(picture))).shape == (128, 128, 3)
    about = detector.get("/model").json()
    assert about["class"] == "GanAnomalyDetector"
    assert about["endpoints"] == ["/score", "/heatmap"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello", "is text"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is text"),
        (encoded(data.astronaut()[:64, :64])[:900], "cannot be decoded"),
        (encoded(np.zeros((400, 400), np.uint8)), "more than the limit of 0.1 megapixels"),
        (os.urandom(1000), "is not a picture that can be read"),
    ],
)
@pytest.mark.parametrize(
    ("served", "path"),
    [("detector", "/score"), ("detector", "/heatmap"), ("resolver", "/upscale"), ("translator", "/translate")],
)
def test_files_that_are_no_pictures(
    request: pytest.FixtureRequest, served: str, path: str, content: bytes, said: str
) -> None:
    answer = sent(request.getfixturevalue(served), path, content, "../../etc/passwd.png")
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert answer.json()["detail"].startswith("the picture")
    assert "/tmp" not in answer.text


def test_requests_that_are_refused(detector: httpx.Client) -> None:
    large = os.urandom(300_000)
    declared = sent(detector, "/score", large)
    undeclared = detector.post("/score", content=iter([large[:150_000], large[150_000:]]))
    assert [declared.status_code, undeclared.status_code] == [413, 413]
    assert "0.2 MB" in declared.json()["detail"]
    assert detector.post("/score").json()["detail"] == "picture: Field required"
    assert detector.post("/score", data={"picture": "/etc/passwd"}).status_code == 422
    assert detector.get("/health", headers={"Host": "evil.example"}).status_code == 400
    for header in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        assert detector.post("/score", headers=header).status_code == 403
    own = str(detector.base_url)
    assert detector.post("/score", headers={"Origin": own}).status_code == 422


def test_more_at_once_than_may_wait_are_told_so(models: dict[str, Path], digits: Arrays) -> None:
    picture = encoded((digits[0][0] * 255).astype(np.uint8))
    with serving(models["detector"], "--queue", "2") as client:
        assert sent(client, "/heatmap", picture).status_code == 200  # loaded
        with ThreadPoolExecutor(24) as many:
            codes = list(many.map(lambda _: sent(client, "/heatmap", picture).status_code, range(120)))
        assert set(codes) == {200, 429}
        assert client.get("/health").json() == {"status": "ok", "in_progress": 0, "restarts": 0}
        counted = client.get("/metrics").text
        assert f'gantools_requests_total{{path="/heatmap",status="429"}} {codes.count(429)}.0' in counted
        assert f'gantools_requests_total{{path="/heatmap",status="200"}} {codes.count(200) + 1}.0' in counted


def test_pictures_are_enlarged_in_their_format(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    low = np.dstack([PIECES[0][:40, :30], np.full((40, 30), 255, np.uint8)])
    low[:5, :5, 3] = 0
    with serving(models["resolver"], "--timeout", "4", "--device", "cpu") as client:
        resolver = load(models["resolver"])
        for perception in (0.0, 1.0):
            told = sent(client, f"/upscale?perception={perception}", encoded(low))
            np.testing.assert_array_equal(decoded(told), resolver.set_params(perception=perception).transform([low])[0])
        assert sent(client, "/upscale", encoded(low[..., :3], "JPEG")).headers["content-type"] == "image/jpeg"
        palette = io.BytesIO()
        Image.fromarray(low[..., :3]).quantize(8).save(palette, "GIF")
        told = sent(client, "/upscale", palette.getvalue())
        assert told.headers["content-type"] == "image/png"
        assert "palette" in told.headers["gantools-notes"]
        assert sent(client, "/upscale?perception=1.5", encoded(low)).status_code == 422

        began = time.monotonic()
        endless = sent(client, "/upscale", encoded(np.zeros((4000, 4000), np.uint8)))
        assert endless.status_code == 504, endless.text
        assert "4 s" in endless.json()["detail"]
        answers = [503]
        while answers[-1] == 503 and time.monotonic() - began < 90:  # the model is loaded again
            answers.append(sent(client, "/upscale", encoded(low)).status_code)
        assert answers[-1] == 200
        assert client.get("/health").json()["restarts"] == 1
        (files,) = tmp_path.glob("gantools-serve-*")
        assert list(files.iterdir()) == []  # what the ended process was about is not left lying about
    assert not files.exists()


def test_more_than_memory_holds_is_not_begun(models: dict[str, Path], table: httpx.Client) -> None:
    bomb = {"rows": [{f"{i}.{j}": 1 for j in range(10)} for i in range(1000)]}
    answer = table.post("/score", json=bomb)
    assert answer.status_code == 422
    assert "is unknown; the model was fitted on a, b, c, d, kind" in answer.json()["detail"]
    resolver = ready(load(models["resolver"]), 100)
    with pytest.raises(ConfigError, match="324 megapixels, more than the 256"):
        upscale(resolver, encoded(np.zeros((9000, 9000), np.uint8)), None)


def test_what_arrives_too_slowly(models: dict[str, Path]) -> None:
    with serving(models["table"], "--timeout", "1") as client:
        host, port = client.base_url.host, client.base_url.port
        with socket.create_connection((host, port)) as slow:
            slow.sendall(b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")
            slow.settimeout(30)
            assert b"408" in slow.recv(100)


def test_an_answer_counts_until_it_is_taken() -> None:
    content = bytes(range(256)) * 4000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": content})

    async def request() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    limits = Limits(app, 1000, 1, 0.2)
    pieces: list[dict[str, Any]] = []

    async def taken(message: dict[str, Any]) -> None:
        pieces.append(message)

    async def not_taken(message: dict[str, Any]) -> None:
        assert limits.taken == 1
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    scope = {"type": "http", "method": "POST", "headers": []}
    asyncio.run(limits(scope, request, taken))
    bodies = [piece["body"] for piece in pieces[1:]]
    assert b"".join(bodies) == content
    assert max(map(len, bodies)) <= 2**18
    assert [piece["more_body"] for piece in pieces[1:]] == [True] * (len(bodies) - 1) + [False]
    asyncio.run(limits(scope, request, not_taken))
    assert limits.taken == 0


def test_who_has_gone_is_not_answered(resolver: httpx.Client) -> None:
    picture = encoded(np.zeros((300, 300, 3), np.uint8))
    gone = resolver.build_request("POST", "/upscale", files={"picture": ("p.png", picture)})
    head = "".join(f"{name}: {value}\r\n" for name, value in gone.headers.items())
    with ThreadPoolExecutor() as pool:
        first = [pool.submit(sent, resolver, "/upscale", picture) for _ in range(4)]
        while not any(f"gantools_requests_in_progress {n}" in resolver.get("/metrics").text for n in (3, 4)):
            time.sleep(0.01)
        with socket.create_connection((resolver.base_url.host, resolver.base_url.port)) as impatient:
            impatient.sendall(f"POST /upscale HTTP/1.1\r\n{head}\r\n".encode() + gone.read())
        assert [answer.result().status_code for answer in first] == [200] * 4
    for _ in range(300):
        told = resolver.get("/metrics").text
        if "gantools_requests_in_progress 0" in told:
            break
        time.sleep(0.1)
    assert 'gantools_requests_total{path="/upscale",status="499"} 1.0' in told


def test_a_folder_for_passing_files_that_was_cleared_away(
    models: dict[str, Path], digits: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serving(models["detector"]) as client:
        picture = encoded((digits[0][0] * 255).astype(np.uint8))
        first = sent(client, "/score", picture).json()
        for kill in (False, True):
            for folder in tmp_path.glob("gantools-serve-*"):
                shutil.rmtree(folder)
            if kill:
                os.kill(_workers(client)[-1], 9)
            assert sent(client, "/score", picture).json() == first


def test_pictures_are_translated(models: dict[str, Path]) -> None:
    source = np.ascontiguousarray(PIECES[1][:50, :41, 0])
    with serving(models["translator"]) as client:
        told = decoded(sent(client, "/translate?texture=0", encoded(source)))
        expected = load(models["translator"]).set_params(texture=0.0).transform([source])[0]
        np.testing.assert_array_equal(told, expected)
        for query, said in (("seed=1", "variety"), ("vividness=1.5", "colour_only")):
            answer = sent(client, f"/translate?{query}", encoded(source))
            assert answer.status_code == 422
            assert said in answer.json()["detail"]


def test_samples(synthesizer: httpx.Client) -> None:
    first, again, other = (synthesizer.post(f"/samples?n=3&label=4&seed={seed}") for seed in (1, 1, 2))
    assert first.content == again.content != other.content
    with zipfile.ZipFile(io.BytesIO(first.content)) as packed:
        assert packed.namelist() == [
            "4/sample-000000.png",
            "4/sample-000001.png",
            "4/sample-000002.png",
            "manifest.csv",
        ]
        assert Image.open(packed.open("4/sample-000000.png")).size == (16, 16)
    assert decoded(synthesizer.post("/grid?n=9")).shape == (48, 48)
    for query, said in (("n=0", "n: "), ("label=a", "there are 0, 1"), ("truncation=-1", "truncation: ")):
        answer = synthesizer.post(f"/samples?{query}")
        assert answer.status_code == 422
        assert said in answer.json()["detail"]


def test_samples_that_pass_gates(models: dict[str, Path]) -> None:
    with serving(models["augmenter"]) as client:
        assert decoded(client.post("/grid?n=1&label=3")).shape == (16, 16)
        assert "gates" in client.post("/samples?n=1&truncation=0.5").json()["detail"]


def test_rows_of_tables(table: httpx.Client, models: dict[str, Path]) -> None:
    row = {"a": 13.0, "b": 2, "c": None, "d": 18.5, "kind": "x"}
    told = table.post("/score", json={"rows": [row, {**row, "a": 1e300}]}).json()["rows"]
    mine = load(models["table"]).anomaly_score(pd.DataFrame([row]).assign(c=np.nan))
    assert told[0]["anomaly_score"] == pytest.approx(mine[0], abs=1e-6)
    assert len(told) == 2
    missing = table.post("/score", json={"rows": [{"a": 1}]})
    assert missing.status_code == 422
    assert missing.json()["detail"].startswith("column 'b' is missing")
    with serving(models["rows"]) as client:
        made = client.post("/samples?n=5&seed=3").json()["rows"]
        assert len(made) == 5
        assert set(made[0]) == set(row)
        assert made[0]["kind"] in ("x", "y")
        assert client.post("/samples?label=x").json()["detail"].startswith("labels were asked for")


def test_the_model_ends_with_a_server_that_is_killed(models: dict[str, Path]) -> None:
    with serving(models["table"]) as client:
        client.post("/score", json={"rows": [{"a": 1}]})
        workers = _workers(client)
        assert workers
        os.kill(int(client.headers["X-Test-Process"]), 9)
        for _ in range(300):
            if not any(_runs(pid) for pid in workers):
                break
            time.sleep(0.1)
        assert not any(_runs(pid) for pid in workers)


def test_a_model_whose_process_is_killed_is_begun_anew(models: dict[str, Path]) -> None:
    with serving(models["table"]) as client:
        row = {"a": 13.0, "b": 2, "c": None, "d": 18.5, "kind": "x"}
        first = client.post("/score", json={"rows": [row]}).json()
        for number, pause in enumerate((1.0, 0.0), 1):  # noticed, and not yet noticed
            os.kill(_workers(client)[-1], 9)
            time.sleep(pause)
            assert client.post("/score", json={"rows": [row]}).json() == first
            assert client.get("/health").json()["restarts"] == number


def _workers(client: httpx.Client) -> list[int]:
    """Processes that the server began."""
    server = client.headers["X-Test-Process"]
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", server], capture_output=True, text=True, check=True)
    pids = [int(pid) for pid in listed.stdout.split()]
    return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_addresses_of_six(models: dict[str, Path]) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving(models["table"], "--host", "::1") as client:
        assert client.get("/health").status_code == 200


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_mistakes_are_told(models: dict[str, Path], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from gantools.cli import app

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(app, ["serve", str(models["table"]), "--port", port])
    assert isinstance(done.exception, ConfigError)
    assert "name another --host or --port" in str(done.exception)
    code = "import sys; sys.modules['pebble'] = None; from gantools.cli import main; main(['serve', 'MODEL'])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "pip install 'gantools[serve]'" in ran.stderr
