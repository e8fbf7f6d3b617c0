"""What the files of a sentence-transformers folder say about the model, read without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from corpora.errors import InputError, shown
from corpora.reading.strict_json import json_name, read_json
from corpora.storage import sha256_file, sha256_text
from retrieval.embedding.embedder_config import EmbedderConfig, Role

ONNX_FILE = Path("onnx/model.onnx")
NO_LIMIT = 10**9  # tokens: what a model states that has no limit, and more than any text has
# Models that number their positions from the padding token's id on, and so read fewer tokens than they have positions.
_COUNT_FROM_PADDING = frozenset(
    [
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "lilt",
        "longformer",
        "luke",
        "markuplm",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    ]
)
# The keys under which sentence-transformers looks for a role's prompt, in this order.
_PROMPT_KEYS: dict[Role, tuple[str, ...]] = {"query": ("query",), "passage": ("document", "passage", "corpus")}


def window_of(folder: Path) -> int:
    """Maximum tokens that the model reads, special tokens included: the smallest limit that any of its files states.

    Beyond its positions a model fails, beyond the tokenizer's limit it was not trained, and sentence-transformers cuts
    at its own. The `truncation` in tokenizer.json does not count: sentence-transformers replaces it.

    Raises:
        InputError: no file in the folder says so, or a limit is not a whole number.
    """
    if is_static(folder):
        return NO_LIMIT
    limits = [limit for file in sorted(folder.glob("sentence_*_config.json")) for limit in _own_limits(file)]
    tokenizer = folder / "tokenizer_config.json"
    limits += [_limit(tokenizer, _read(tokenizer), "model_max_length"), _positions(folder / "config.json")]
    known = [limit for limit in limits if limit is not None]
    if not known:
        raise InputError(
            f"no file in {folder} says how many tokens the model reads",
            "max_seq_length in sentence_bert_config.json",
            "add it there, with the number that the model's authors give",
        )
    return min(known)


def _own_limits(file: Path) -> list[int | None]:
    """What sentence-transformers' own file states: the limit itself, or what the tokenizer is told."""
    said = _read(file)
    told = [said[key] for key in ("processor_kwargs", "tokenizer_args") if isinstance(said.get(key), dict)]
    return [_limit(file, said, "max_seq_length"), *(_limit(file, one, "model_max_length") for one in told)]


def _limit(file: Path, said: dict[str, Any], name: str) -> int | None:
    """A limit that a file states; None where it states none, as a missing or huge number or one below 1 does."""
    limit = said.get(name)
    if limit is None:
        return None
    is_whole = isinstance(limit, int | float) and not isinstance(limit, bool) and limit == limit // 1
    if not is_whole:
        raise InputError(f"{file} has {name} = {shown(limit)}", "a whole number of tokens", "correct it there")
    # A tokenizer without a limit of its own says 10**30; a model with relative positions says nothing, or -1.
    return int(limit) if 0 < limit < NO_LIMIT else None


def _positions(file: Path) -> int | None:
    config = _read(file)
    limit = _limit(file, config, "max_position_embeddings")
    if limit is None or config.get("model_type") not in _COUNT_FROM_PADDING:
        return limit
    padding = config.get("pad_token_id")
    return limit - 1 - (padding if isinstance(padding, int) else 1)


def prompt_of(folder: Path, config: EmbedderConfig, role: Role) -> str:
    """What is put before a text: the config's prompt, else the model's own for that role, else its default."""
    given = config.query_prompt if role == "query" else config.passage_prompt
    if given is not None:
        return given
    said = _read(folder / "config_sentence_transformers.json")
    prompts = said.get("prompts") or {}
    for key in (*_PROMPT_KEYS[role], said.get("default_prompt_name")):
        if key in prompts:
            return str(prompts[key] or "")
    return ""


def is_static(folder: Path) -> bool:
    """Whether the model is a table of token vectors whose mean is the text's, and nothing else."""
    types = [str(module.get("type", "")).rsplit(".", 1)[-1] for module in _modules(folder)]
    return types in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"])


def fingerprint(folder: Path, config: EmbedderConfig, weights: str) -> str:
    """Digest of everything that changes the vectors, except the prompts.

    The weights alone are not enough: another tokenizer, pooling, Dense layer or precision gives different vectors.

    Args:
        folder: the model's folder.
        config: gives backend and precision.
        weights: digest of the weights.
    """
    names = ["tokenizer.json", "tokenizer_config.json", "config.json", "modules.json"]
    files = [folder / name for name in names] + sorted(folder.glob("sentence_*_config.json"))
    for module in _modules(folder):
        if module.get("path"):
            files += sorted(file for file in (folder / module["path"]).rglob("*") if file.is_file())
    if config.backend == "onnx":
        files.append(folder / ONNX_FILE)
    told = {file.relative_to(folder).as_posix(): sha256_file(file) for file in files if file.is_file()}
    return sha256_text(json.dumps([weights, told, config.backend, config.arithmetic]))


def check_late(folder: Path) -> None:
    """Reject late chunking with a model whose text vector is not the mean of its token vectors.

    Raises:
        InputError: the model pools in another way, or does not pool right after the transformer.
    """
    modules = _modules(folder)
    if not modules:
        return  # Sentence-transformers adds mean pooling to a bare transformer.
    types = [str(module.get("type", "")).rsplit(".", 1)[-1] for module in modules]
    found = f"modules {', '.join(types)}"
    if types[:2] == ["Transformer", "Pooling"]:
        pooling = _read(folder / modules[1]["path"] / "config.json")
        modes = _pooling_modes(pooling)
        if modes == ["mean"]:
            return
        found = f"pooling by {' and '.join(modes)}"
    raise InputError(
        f"late chunking with {folder.name}, which has {found}",
        "a transformer followed by mean pooling",
        "choose another embedder, or turn late chunking off",
    )


def _pooling_modes(pooling: dict[str, Any]) -> list[str]:
    """Both spellings: `pooling_mode: "mean"`, and a flag for each mode (`pooling_mode_mean_tokens: true`)."""
    if "pooling_mode" in pooling:
        mode = pooling["pooling_mode"]
        return [mode] if isinstance(mode, str) else list(mode)
    prefix = "pooling_mode_"
    flags = [key.removeprefix(prefix) for key, on in pooling.items() if key.startswith(prefix) and on]
    return ["mean" if flag == "mean_tokens" else flag for flag in flags] or ["mean"]


def _modules(folder: Path) -> list[dict[str, Any]]:
    file = folder / "modules.json"
    content = (read_json(file) or []) if file.is_file() else []
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise InputError(f"{file} does not list modules", "a list of objects, as sentence-transformers writes it")
    return content


def _read(file: Path) -> dict[str, Any]:
    # Infinity is no JSON, but some models' configs have it.
    content = read_json(file, nan_is_null=True) if file.is_file() else {}
    if not isinstance(content, dict):
        raise InputError(f"{file} holds {json_name(content)}", "a JSON object, as in the model's own files")
    return content
