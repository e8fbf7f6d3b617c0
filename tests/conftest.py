"""Fixtures that many tests share."""

import gc
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

from flows.cli.main import main
from labeling.models.registry import find_model
from retrieval.tokens import EmbedderTokenizer

ROOT = Path(__file__).resolve().parents[1]

# Examples may take long on a busy machine; what is tested is what they find, not how fast.
settings.register_profile("tercet", deadline=None)
settings.load_profile("tercet")

# The provider of the tests lists a batch at once.
os.environ.setdefault("TERCET_LIST_LAG", "0.2")

# No test may reach the network or a configured Prefect server.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.pop("PREFECT_API_URL", None)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long bytes by their argument: what is packed differs from second to second, and every worker must agree."""
    return argname if isinstance(val, bytes) and len(val) > 16 else None


def pytest_collection_finish() -> None:
    """What is imported by now stays: Python need not look through it each time that it looks for what is free."""
    gc.collect()
    gc.freeze()


def needs_model(name: str) -> None:
    """Skip a test whose model is not on this machine; `make test` fetches it."""
    if not find_model(name).path.is_file():
        pytest.skip(f"model {name} is not fetched: run `tercet models fetch {name}`")


def own_data(corpus: str) -> Path:
    """Folder of a published corpus below `$TERCET_DATA`, which `make` sets."""
    return Path(os.environ.get("TERCET_DATA") or "$TERCET_DATA") / corpus


def needs_data(folder: Path) -> pytest.MarkDecorator:
    """Skip a test whose real corpus is not on this machine."""
    return pytest.mark.skipif(not folder.is_dir(), reason=f"no corpus at {folder}: set TERCET_DATA")


@pytest.fixture(scope="session")
def embedder_folder() -> Path:
    """Folder of all-MiniLM-L6-v2: `$TERCET_TEST_EMBEDDER`, else where the registry keeps it."""
    given = os.environ.get("TERCET_TEST_EMBEDDER")
    folder = Path(given) if given else find_model("all-minilm-l6-v2").path.parent
    if not (folder / "tokenizer.json").is_file():
        pytest.skip("all-minilm-l6-v2 is not on this machine: fetch it, or set TERCET_TEST_EMBEDDER to its folder")
    return folder


@pytest.fixture(scope="session")
def minilm(embedder_folder) -> EmbedderTokenizer:
    """Its tokenizer."""
    return EmbedderTokenizer(embedder_folder)


@pytest.fixture
def tercet(monkeypatch, tmp_path):
    """Run the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="tercet")

    return run


@pytest.fixture
def no_plots(monkeypatch):
    """Runs draw no plots, which takes most of a second; for tests that do not look at them."""
    monkeypatch.setattr("flows.run.pipeline.draw_plots", lambda _: [])


@pytest.fixture
def small_experiment(tmp_path):
    """An experiment on three questions of short generated texts with the smallest reader; returns its file."""
    needs_model("smollm2-135m")
    needs_model("all-minilm-l6-v2")
    return write_experiment(tmp_path / "small.toml", corpus=SHORT_TEXTS)


# A fifth of the bundled sample's length, and so of its time.
SHORT_TEXTS = 'source = "generated"\ngenerator = { n_documents = 12, words = 60 }'


def write_experiment(file: Path, questions: int = 3, corpus: str = 'source = "sample"') -> Path:
    """One thread a reader, as two tests run at a time."""
    file.write_text(
        f"""
        name = "small"
        [corpus]
        {corpus}
        sample = {questions}
        [calibration]
        per_label = 1
        [retrieval]
        sizes = [32, 64]
        k = [1, 2]
        budgets = [64]
        [scoring]
        n_resamples = 200
        [[readers]]
        model = "smollm2-135m"
        num_ctx = 2048
        threads = 1
        """,
        encoding="utf-8",
    )
    return file


REMOTE_MODEL = "openai/gpt-oss-20b"
BATCHES = 'provider = "groq"\nrequests_per_batch = 5\npoll_seconds = 0.05'


def write_remote(file: Path, remote: str = BATCHES, reader: str = f'model = "{REMOTE_MODEL}"', head: str = "") -> Path:
    """An experiment on six questions of the bundled sample with one remote reader; returns its file."""
    file.write_text(
        f"""
        name = "far"
        {head}
        [corpus]
        source = "sample"
        sample = 6
        [calibration]
        per_label = 0
        [[readers]]
        {reader}
        [readers.remote]
        {remote}
        """,
        encoding="utf-8",
    )
    return file
