import pytest
from pydantic import ValidationError

import retrieval.embedding.embedder_config
from corpora.errors import InputError
from retrieval.embedding.embedder_config import EmbedderConfig, check_installed


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({}, "all-minilm-l6-v2"),
        ({"model": "org/e5-small@v1"}, "e5-small@v1"),
        ({"model": "models/mine"}, "mine"),
        ({"backend": "torch", "precision": "bfloat16", "late": True}, "all-minilm-l6-v2-torch-bfloat16-late"),
        ({"name": "ours", "late": True}, "ours"),
        ({"precision": "bfloat16", "headings": True}, "all-minilm-l6-v2-bfloat16-headings"),
    ],
)
def test_the_label_is_the_model_and_what_differs(given, label):
    assert EmbedderConfig(**given).label == label


def test_configs_with_other_prompts_have_other_labels():
    prompts = [{}, {"query_prompt": ""}, {"query_prompt": "q: "}, {"passage_prompt": "q: "}]
    labels = {EmbedderConfig(**given).label for given in prompts}
    assert len(labels) == 4
    assert all(label.startswith("all-minilm-l6-v2") for label in labels)


def test_headings_are_no_key_of_a_config_without_them():
    assert "headings" not in EmbedderConfig().model_dump(mode="json")
    assert EmbedderConfig(headings=True).model_dump(mode="json")["headings"] is True
    with pytest.raises(InputError, match="has `late` and `headings`: expected only one of the two"):
        EmbedderConfig(late=True, headings=True)


def test_onnx_in_bfloat16_is_refused():
    with pytest.raises(InputError, match="'onnx' with precision 'bfloat16'"):
        EmbedderConfig(backend="onnx", precision="bfloat16")


@pytest.mark.parametrize("given", [{"backend": "jax"}, {"batch": 3}, {"model": ""}])
def test_what_is_unknown_is_refused(given):
    with pytest.raises(ValidationError):
        EmbedderConfig(**given)


def test_every_field_says_what_it_is_for():
    assert all(field.description for field in EmbedderConfig.model_fields.values())


def test_a_config_names_a_cached_embedder():
    assert len({EmbedderConfig(), EmbedderConfig(), EmbedderConfig(late=True)}) == 2


@pytest.mark.parametrize(("backend", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_a_backend_without_its_package_is_refused_with_the_command(monkeypatch, backend, package):
    monkeypatch.setattr(retrieval.embedding.embedder_config, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=rf"without the package {package}.*pip install tercet\[{backend}\]"):
        check_installed(EmbedderConfig(backend=backend))


def test_torch_is_always_there():
    check_installed(EmbedderConfig(backend="torch"))
