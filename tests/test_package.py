"""The wheel works where the source is not."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import gantools

ROOT = Path(__file__).parent.parent


def test_wheel_installs_elsewhere_and_runs_from_an_empty_folder(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(source)], check=True, stdout=subprocess.PIPE)
    (wheel,) = tmp_path.glob("gantools-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"gantools/pipelines/anomaly/detector.py", "gantools/configs/anomaly/default.yaml"} <= set(names)
    assert {"gantools/py.typed", "gantools/report/scores.html.j2"} <= set(names)
    assert not any(name.startswith(("pipelines/", "configs/", "tests/")) for name in names)
    target, empty = tmp_path / "target", tmp_path / "empty"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    empty.mkdir()
    code = "import gantools, sys; print(gantools.__file__); from gantools.cli import main; main(['config', 'list'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(target) in done.stdout
    assert "anomaly/default" in done.stdout


def test_public_names_are_there() -> None:
    for name in gantools.__all__:
        assert getattr(gantools, name) is not None
    assert set(gantools.__all__) <= set(dir(gantools))
