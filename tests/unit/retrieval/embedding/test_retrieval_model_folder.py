import json

import pytest

from corpora.errors import InputError
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.embedding.model_folder import check_late, fingerprint, prompt_of, window_of


@pytest.fixture
def folder(tmp_path):
    """Writes the files of a model folder, given as `name: content`."""

    def write(**files):
        for name, content in files.items():
            file = tmp_path / f"{name.replace('__', '/')}.json"
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps(content), encoding="utf-8")
        return tmp_path

    return write


def test_the_window_is_what_sentence_transformers_says_before_what_the_model_could(folder):
    made = folder(sentence_bert_config={"max_seq_length": 256}, config={"max_position_embeddings": 512})
    assert window_of(made) == 256


def test_without_it_the_window_is_the_smaller_of_tokenizer_and_model(folder):
    # As RoBERTa ships: two positions more than it reads.
    made = folder(tokenizer_config={"model_max_length": 512}, config={"max_position_embeddings": 514})
    assert window_of(made) == 512
    assert window_of(folder(tokenizer_config={"model_max_length": int(1e30)})) == 514


def test_the_window_is_the_smallest_limit_that_any_file_states(folder):
    made = folder(sentence_bert_config={"max_seq_length": 1024}, config={"max_position_embeddings": 512})
    assert window_of(made) == 512
    assert window_of(folder(sentence_bert_config={"processor_kwargs": {"model_max_length": 300}})) == 300
    assert window_of(folder(sentence_bert_config={"max_seq_length": 400, "tokenizer_args": {"do_lower": True}})) == 400
    assert window_of(folder(tokenizer_config={"model_max_length": 384})) == 384
    assert window_of(folder(tokenizer_config={"model_max_length": int(1e30)})) == 400


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "mpnet", "camembert", "longformer"])
def test_models_that_number_positions_from_the_padding_on_read_fewer_tokens(folder, kind):
    config = {"model_type": kind, "max_position_embeddings": 514}
    assert window_of(folder(config=config | {"pad_token_id": 1})) == 512
    assert window_of(folder(config=config | {"pad_token_id": 0})) == 513
    assert window_of(folder(config=config)) == 512
    assert window_of(folder(config=config | {"model_type": "bert", "pad_token_id": 0})) == 514


@pytest.mark.parametrize("limit", ["512", True, 512.5, [512]])
def test_a_limit_that_is_no_whole_number_is_refused(folder, limit):
    with pytest.raises(InputError, match=r"sentence_bert_config\.json has max_seq_length"):
        window_of(folder(sentence_bert_config={"max_seq_length": limit}))


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"a": 1, "a": 2}', "[" * 10_000])
def test_a_file_that_is_no_object_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.json") as error:
        window_of(tmp_path)
    assert len(str(error.value).splitlines()) == 1


def test_a_folder_that_says_no_window_is_refused(folder):
    with pytest.raises(InputError, match="max_seq_length"):
        window_of(folder(config={"max_position_embeddings": -1}))


@pytest.mark.parametrize(
    ("said", "query", "passage"),
    [
        ({}, "", ""),
        ({"prompts": {"query": "q: ", "passage": "p: "}}, "q: ", "p: "),
        ({"prompts": {"query": "q: ", "document": "d: ", "passage": "p: "}}, "q: ", "d: "),
        ({"prompts": {"query": "q: ", "document": ""}, "default_prompt_name": "query"}, "q: ", ""),
        ({"prompts": {"any": "a: "}, "default_prompt_name": "any"}, "a: ", "a: "),
    ],
)
def test_prompts_are_the_models_own_unless_the_config_says_otherwise(folder, said, query, passage):
    made = folder(config_sentence_transformers=said)
    assert prompt_of(made, EmbedderConfig(), "query") == query
    assert prompt_of(made, EmbedderConfig(), "passage") == passage
    given = EmbedderConfig(query_prompt="", passage_prompt="x: ")
    assert prompt_of(made, given, "query") == ""
    assert prompt_of(made, given, "passage") == "x: "


MODULES = [{"type": "a.models.Transformer", "path": ""}, {"type": "a.models.Pooling", "path": "1_Pooling"}]


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode": "mean"},
        {"pooling_mode": ["mean"]},
        {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True},
    ],
)
def test_late_chunking_takes_models_that_pool_by_mean(folder, pooling):
    check_late(folder(modules=MODULES, **{"1_Pooling__config": pooling}))


def test_late_chunking_takes_a_bare_transformer_which_is_given_mean_pooling(folder):
    check_late(folder(config={}))


@pytest.mark.parametrize(
    ("pooling", "said"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "pooling by cls_token"),
        ({"pooling_mode": "lasttoken"}, "pooling by lasttoken"),
        ({"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True}, "pooling by max_tokens and mean"),
    ],
)
def test_late_chunking_refuses_models_that_pool_otherwise(folder, pooling, said):
    with pytest.raises(InputError, match=said):
        check_late(folder(modules=MODULES, **{"1_Pooling__config": pooling}))


def test_late_chunking_refuses_models_without_token_vectors(folder):
    with pytest.raises(InputError, match="StaticEmbedding"):
        check_late(folder(modules=[{"type": "a.models.StaticEmbedding", "path": ""}]))


def test_the_fingerprint_covers_every_module_and_the_backend(folder):
    modules = [*MODULES, {"type": "a.models.Dense", "path": "2_Dense"}]
    made = folder(modules=modules, **{"1_Pooling__config": {}, "2_Dense__config": {}})
    seen = [fingerprint(made, EmbedderConfig(), "a")]
    seen += [fingerprint(made, EmbedderConfig(), "b"), fingerprint(made, EmbedderConfig(backend="torch"), "a")]
    (made / "2_Dense" / "model.safetensors").write_bytes(b"weights of the layer")
    seen.append(fingerprint(made, EmbedderConfig(), "a"))
    assert len(set(seen)) == 4
    assert fingerprint(made, EmbedderConfig(query_prompt="q", late=True, name="n"), "a") == seen[-1]
