"""What the documents show in Python runs as it stands, but for shorter training."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from gantools import GanAnomalyDetector, configs

ROOT = Path(__file__).parent.parent


def snippets(of: str, documents: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    for document in documents:
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)
        found += [(document, block) for block in blocks if of in block]
    return found


AUGMENTER = snippets("GanAugmenter(", ("README.md", "docs/augmentation.md"))
SYNTHESIZER = snippets("GanSynthesizer(", ("docs/training.md", "docs/synthesis.md"))
REPORTS = snippets("plot_history", ("docs/reports.md",))
MODELS = snippets("model.json", ("docs/models.md",))
TRANSLATOR = snippets("GanTranslator(", ("README.md", "docs/translation.md"))


DETECTOR = snippets('load("MODEL").score', ("README.md",))
RESOLVER = snippets("GanSuperResolver(", ("README.md",))
CONSUMER = snippets("onnxruntime", ("docs/deployment.md",))  # run in tests/pipelines/test_export.py
FIGURES = snippets("InceptionFeatures(", ("docs/trust.md",))  # run in tests/metrics/test_features.py
RUN = (AUGMENTER, SYNTHESIZER, REPORTS, MODELS, TRANSLATOR, DETECTOR, RESOLVER, CONSUMER, FIGURES)


def test_no_snippet_is_left_out() -> None:
    run = {code for some in RUN for _, code in some}
    for document in ("README.md", *(f"docs/{d.name}" for d in (ROOT / "docs").glob("*.md"))):
        for _, code in snippets("", (document,)):
            assert code in run, f"{document} shows what no test runs:\n{code}"


@pytest.mark.filterwarnings("ignore")
def test_snippets_of_the_detector_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures, labels = load_digits(return_X_y=True)
    X, normal = np.round(pictures[:150].reshape(-1, 8, 8) * 15.9).astype(np.uint8), labels[:150] == 3
    for _, code in DETECTOR:
        names = {"X_normal": X[:60], "X": X[:20], "y": np.where(normal[:20], 1, -1)}
        exec(code.replace("random_state=0", "random_state=0, max_images=128"), names)
        assert names["detector"].predict(X).shape == (150,)  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore")
def test_snippets_of_the_resolver_run() -> None:
    pictures = np.round(load_digits().images[:12] * 15.9).astype(np.uint8).repeat(4, 1).repeat(4, 2)
    for _, code in RESOLVER:
        names = {"sharp_pictures": pictures, "small_pictures": pictures[:2], "other_sharp_pictures": pictures[:2]}
        exec(code.replace("random_state=0", "random_state=0, max_images=32"), names)
        assert names["large"].shape == (2, 128, 128)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("document", "code"), TRANSLATOR, ids=lambda v: v if v.endswith(".md") else "")
def test_snippets_of_the_translator_run(document: str, code: str) -> None:
    pictures = np.round(load_digits().images[:20] * 15.9).astype(np.uint8)
    names = {"sources": pictures, "targets": 255 - pictures, "new_sources": pictures[:3]}
    exec(code.replace("random_state=0", "random_state=0, max_images=32"), names)
    assert names["translator"].transform(pictures[:3]).shape == (3, 8, 8)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("document", "code"), AUGMENTER, ids=lambda v: v if v.endswith(".md") else "")
@pytest.mark.filterwarnings("ignore")
def test_snippets_of_the_augmenter_run(document: str, code: str) -> None:
    pictures, labels = load_digits(return_X_y=True)
    mine = np.flatnonzero(labels < 3)[:90]
    X, y = np.round(pictures[mine].reshape(-1, 8, 8) * 15.9).astype(np.uint8), labels[mine]
    names = {"X": X, "y": y, "classifier": LogisticRegression(max_iter=100)}
    code = code.replace("per_class=100", "per_class=5").replace("evaluate(X, y)", "evaluate(X, y, n_splits=2)")
    exec(code.replace("random_state=0", "random_state=0, max_images=256"), names)
    assert names["X_more"].shape == (105, 8, 8)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("document", "code"), SYNTHESIZER, ids=lambda v: v if v.endswith(".md") else "")
@pytest.mark.filterwarnings("ignore")
def test_snippets_of_the_trainer_run(document: str, code: str) -> None:
    pictures, labels = load_digits(return_X_y=True)
    names = {"X": np.round(pictures[:200].reshape(-1, 8, 8) * 15.9).astype(np.uint8), "y": labels[:200]}
    exec(code.replace("random_state=0", "random_state=0, max_images=256"), names)
    assert names["synthesizer"].sample(3)[0].shape == (3, 8, 8)  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore")
def test_snippets_of_reports_run() -> None:
    import matplotlib as mpl
    from matplotlib import pyplot

    mpl.use("agg")
    pictures, labels = load_digits(return_X_y=True)
    X = np.round(pictures[:200].reshape(-1, 8, 8) * 15.9).astype(np.uint8)
    names = {"X_normal": X[labels[:200] == 3], "X": X, "y": labels[:200] != 3}
    for _, code in REPORTS:
        exec(code.replace("random_state=0", "random_state=0, max_images=256"), names)
    assert len(pyplot.get_fignums()) == 4
    pyplot.close("all")


def test_a_model_folder_is_what_the_document_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(40, 3))
    GanAnomalyDetector(random_state=0, max_images=256).fit(X).save("MODEL")
    for _, code in MODELS:
        exec(code, {})
    assert capsys.readouterr().out.startswith("GanAnomalyDetector ")
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in text for key in json.loads(Path("MODEL/model.json").read_text()))


def test_links_inside_the_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_reference_is_built_without_a_warning(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "reference", tmp_path / "source", ignore=shutil.ignore_patterns("made"))
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "source", "built"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "built" / "made" / "gantools.GanAnomalyDetector.html").read_text(encoding="utf-8")
    assert "anomaly_map" in page
    assert "Raises" in page


def test_every_recipe_is_in_the_documents_and_the_other_way_round() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", (ROOT / "docs" / "training.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = set(re.findall(r"`([a-z-]+)`", " ".join(rows)))
    tasks = {"spread", "texture", "unpaired"}
    recipes = {name.split("/")[1] for name in configs.available() if name.startswith("training/")}
    assert named == recipes - tasks


def test_there_are_snippets() -> None:
    assert all(RUN)
    assert {document for document, _ in AUGMENTER} == {"README.md", "docs/augmentation.md"}
    assert {document for document, _ in TRANSLATOR} == {"README.md", "docs/translation.md"}
