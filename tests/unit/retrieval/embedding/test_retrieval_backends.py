"""Every backend and precision on the real model, against torch in float32."""

import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from tokenizers import Tokenizer, models

import retrieval.embedding.embedder
from corpora.errors import InputError
from retrieval.embedding.embedder import Embedder, Place
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.embedding.running import converted as conversions
from retrieval.embedding.running import opening, plain_encoder

TEXTS = [
    "Aspirin lowers the risk of stroke in patients with atrial fibrillation.",
    "Is laparoscopic surgery safe?",
    "naïve café, 強い雨, 3.14 %",
    "Short.",
    "a " * 200,
    *(f"Trial {n} had {n * 13} patients, and {'many ' * (2 * n)}of them recovered." for n in range(20)),
]
OTHERS = [
    ("torch", "bfloat16", None),
    ("onnx", "float32", "onnxruntime"),
    ("openvino", "float32", "openvino"),
    ("openvino", "bfloat16", "openvino"),
    ("openvino", "int8", "openvino"),
]
LOWEST = {"float32": 0.999999, "bfloat16": 0.999, "int8": 0.99}  # cosine


def embedder_on(folder, cache, backend="torch", precision="float32", **other):
    package = dict((backend, package) for backend, _, package in OTHERS)[backend]
    if package and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    config = EmbedderConfig(backend=backend, precision=precision, **other)
    return Embedder(config, folder, "c" * 64, cache)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """Converted models that the tests of this file share; conversion takes seconds."""
    return tmp_path_factory.mktemp("converted")


@pytest.fixture
def cache(tmp_path, converted):
    """A cache without vectors."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "converted").symlink_to(converted)
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def reference(embedder_folder, tmp_path_factory):
    """Vectors of the texts in plain torch."""
    return embedder_on(embedder_folder, tmp_path_factory.mktemp("reference")).embed(TEXTS, "passage")


@pytest.mark.model
@pytest.mark.parametrize(
    ("backend", "precision", "_package"),
    [pytest.param(*one, marks=pytest.mark.slow if one[:2] == ("openvino", "bfloat16") else ()) for one in OTHERS],
)
def test_every_backend_and_precision_gives_about_the_vectors_of_torch(
    embedder_folder, cache, reference, backend, precision, _package
):
    vectors = embedder_on(embedder_folder, cache, backend, precision).embed(TEXTS, "passage")
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = (vectors * reference).sum(axis=1)
    assert cosines.min() >= LOWEST[precision]
    if precision == "int8" or backend == "torch":  # OpenVINO keeps to float32 where the processor has no bfloat16
        assert np.abs(vectors - reference).max() > 1e-4


@pytest.mark.model
@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_vectors_do_not_depend_on_which_texts_share_a_batch(embedder_folder, cache, monkeypatch, backend):
    texts = TEXTS[:12]
    embedder = embedder_on(embedder_folder, cache, backend)
    together = embedder.embed(texts, "passage")
    for vectors in cache.glob("*/*.parquet"):
        if vectors.parent.name != "converted":
            vectors.unlink()
    monkeypatch.setattr(retrieval.embedding.embedder, "_BATCH_TOKENS", 1)  # every text by itself
    alone = embedder.embed(texts, "passage")
    assert embedder.n_embedded == 2 * len(texts)
    assert np.abs(together - alone).max() <= 1e-6


@pytest.mark.model
@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_late_chunks_are_about_the_same_on_every_backend(embedder_folder, cache, backend):
    documents = {"long": " ".join(TEXTS[5:25]), "short": TEXTS[0]}
    places = [Place("long", start, start + 150) for start in range(0, 900, 150)] + [Place("short", 0, 30)]
    plain = embedder_on(embedder_folder, cache, late=True).embed_chunks(documents, places)
    there = embedder_on(embedder_folder, cache, backend, late=True).embed_chunks(documents, places)
    assert (there * plain).sum(axis=1).min() >= 0.99999


@pytest.mark.model
@pytest.mark.parametrize(
    ("backend", "converters"),
    [("onnx", ["torch.onnx.export"]), ("openvino", ["openvino.convert_model", "subprocess.run"])],
)
def test_a_converted_model_is_kept_whole_and_converted_once(
    embedder_folder, cache, converted, monkeypatch, backend, converters
):
    first = embedder_on(embedder_folder, cache, backend).embed(TEXTS[:3], "passage")
    kept = sorted(converted.iterdir())
    assert not [one for one in kept if one.name.endswith(".partial")]
    for vectors in cache.glob("*/*.parquet"):
        if vectors.parent.name != "converted":
            vectors.unlink()
    for converter in converters:  # a model may be converted in a process of its own
        monkeypatch.setattr(converter, lambda *_, **__: pytest.fail("converted again"))
    later = embedder_on(embedder_folder, cache, backend).embed(TEXTS[:3], "passage")
    np.testing.assert_array_equal(later, first)
    assert sorted(converted.iterdir()) == kept


@pytest.mark.parametrize("damage", ["flipped", "cut short", "of the version before"])
def test_a_damaged_conversion_is_made_again(tmp_path, caplog, damage):
    made = []

    def convert(folder):
        made.append(folder)
        (folder / "model.xml").write_bytes(b"graph")
        (folder / "model.bin").write_bytes(bytes(range(256)))

    kept = conversions.keep(tmp_path / "model-openvino", convert)
    assert conversions.keep(kept, convert) == kept
    assert len(made) == 1
    if damage == "flipped":
        (kept / "model.bin").write_bytes(bytes([1, *range(1, 256)]))
    elif damage == "cut short":
        (kept / "model.bin").write_bytes(bytes(range(255)))
    else:
        (kept / conversions.DIGESTS).unlink()
    assert conversions.keep(kept, convert) == kept
    assert len(made) == 2
    assert (kept / "model.bin").read_bytes() == bytes(range(256))
    assert [one.name for one in tmp_path.iterdir()] == ["model-openvino"]
    assert [line for line in caplog.messages if "converted again" in line and str(kept) in line]


WITHOUT_TORCH = """
import sys
from pathlib import Path
from retrieval.embedding.embedder import Embedder
from retrieval.embedding.embedder_config import EmbedderConfig
embedder = Embedder(EmbedderConfig(), Path(sys.argv[1]), "c" * 64, Path(sys.argv[2]))
embedder.embed(["A text that is in no cache."], "passage")
sys.exit("torch" in sys.modules or "sentence_transformers" in sys.modules)
"""


@pytest.mark.model
def test_a_converted_model_runs_without_torch(embedder_folder, cache):
    embedder_on(embedder_folder, cache, "openvino").embed(["To convert it."], "passage")
    command = [sys.executable, "-c", WITHOUT_TORCH, embedder_folder, cache]
    assert subprocess.run(command, check=False).returncode == 0


def test_a_model_that_differs_from_its_graph_keeps_sentence_transformers(tmp_path, monkeypatch):
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    monkeypatch.setattr(
        plain_encoder, "load_graph", lambda *_: lambda given: np.ones((*given["input_ids"].shape, 2), np.float32)
    )
    plain = plain_encoder.Plain("mean", 0)
    half = np.float32(np.sqrt(0.5))
    plain_encoder.write_plain(tmp_path, tokenizer, plain, 99, lambda texts: np.full((len(texts), 2), half))
    assert (tmp_path / plain_encoder.PLAIN).is_file()
    (tmp_path / plain_encoder.PLAIN).unlink()
    plain_encoder.write_plain(tmp_path, tokenizer, plain, 99, lambda texts: np.full((len(texts), 2), half + 1e-4))
    assert not (tmp_path / plain_encoder.PLAIN).exists()


@pytest.mark.model
def test_a_conversion_that_fails_leaves_nothing_behind(embedder_folder, tmp_path, monkeypatch):
    embedder = embedder_on(embedder_folder, tmp_path, "openvino")

    def fill_the_disk(_graph, target, **_):
        target.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("openvino.save_model", fill_the_disk)
    monkeypatch.setattr(opening, "convert_elsewhere", lambda *_: None)
    with pytest.raises(InputError, match="No space left"):
        embedder.embed(TEXTS[:1], "passage")
    assert list((tmp_path / "converted").iterdir()) == []


@pytest.mark.model
def test_the_authors_own_onnx_file_is_preferred(embedder_folder, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in embedder_folder.rglob("*"):
        if file.is_file() and file.parent.name in (embedder_folder.name, "1_Pooling"):
            target = folder / file.relative_to(embedder_folder)
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(file)
    exported = embedder_on(folder, tmp_path / "cache", "onnx")
    expected = exported.embed(TEXTS[:3], "passage")
    (model,) = (tmp_path / "cache" / "converted").rglob("model.onnx")
    (folder / "onnx").mkdir()
    model.rename(folder / "onnx" / "model.onnx")
    shutil.rmtree(model.parent)
    shipped = embedder_on(folder, tmp_path / "cache", "onnx")
    assert shipped.digest != exported.digest
    np.testing.assert_array_equal(shipped.embed(TEXTS[:3], "passage"), expected)
    assert list((tmp_path / "cache" / "converted").iterdir()) == []


def test_a_folder_that_is_no_model_is_an_input_error(tiny_folder, tmp_path):
    with pytest.raises(InputError, match="cannot load the embedder"):
        Embedder(EmbedderConfig(backend="torch"), tiny_folder, "a" * 64, tmp_path).embed(["one"], "passage")


ALONE = """
import sys
from pathlib import Path

asked = []
sys.addaudithook(lambda event, values: asked.append(values) if event in ("socket.connect", "socket.getaddrinfo") else 0)
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.embedding.embedder import Embedder

for backend in sys.argv[3:]:
    embedder = Embedder(EmbedderConfig(backend=backend), Path(sys.argv[1]), "c" * 64, Path(sys.argv[2]))
    embedder.embed(["one"], "query")
if asked:
    sys.exit(f"asked the network: {asked}")
"""


@pytest.mark.model
@pytest.mark.slow
def test_no_backend_asks_the_network(embedder_folder, tmp_path, cache, monkeypatch):
    for name in ("HF_HUB_OFFLINE", "CI"):  # either would hide a library that calls home
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    backends = [backend for backend, _, package in OTHERS if package is None or find_spec(package)]
    command = [sys.executable, "-c", ALONE, str(embedder_folder), str(cache), *dict.fromkeys(backends)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "home" / "intel").exists()  # where OpenVINO's reporting keeps its id


# Frees two models in the order in which they were made, and then gets a signal that Python handles.
SIGNALLED = """
import gc, os, signal, sys
from pathlib import Path
from retrieval.embedding.embedder import Embedder
from retrieval.embedding.embedder_config import EmbedderConfig
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
open_on = EmbedderConfig(backend="openvino")
models = [Embedder(open_on, Path(sys.argv[1]), "c" * 64, Path(sys.argv[2])) for _ in range(2)]
for number, model in enumerate(models):
    model.embed([f"Text {number}."], "passage")
del model
while models:
    models.pop(0)
    gc.collect()  # a model is a cycle of references
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.model
def test_a_signal_after_two_models_is_handled_and_no_crash(embedder_folder, cache):
    embedder_on(embedder_folder, cache, "openvino")  # skips where it is not installed
    ended = subprocess.run(
        [sys.executable, "-c", SIGNALLED, embedder_folder, cache], capture_output=True, check=False, timeout=300
    )
    assert ended.returncode == 7, ended.stderr.decode()
