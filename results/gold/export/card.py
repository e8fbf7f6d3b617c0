"""The card of an export: how the questions were labeled and by whom, how many are kept, and how many are right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl
from pydantic import ValidationError

from corpora.errors import InputError
from corpora.published.registry import published
from corpora.schema import LabelSet
from corpora.storage import sha256_text
from labeling.prompting.labeler import LabelerConfig, PromptWriter
from results.gold.export.items import Items
from results.gold.export.reviewed import has_reviews, reviews_paragraph

MOST_FILES = 20  # of a corpus that are named
LICENCE_HINT = "# license: choose one for your labels; the section Licence says what the texts are under"


class Made(NamedTuple):
    """The run that an export is made of.

    Attributes:
        folder: name of the run's folder.
        manifest: of the run.
        tables: of the run.
        corpus: what the manifest says of the corpus.
        at: what follows the names of the corpus's tables, as in `@handbook`; empty for the first one.
    """

    folder: str
    manifest: Mapping[str, Any]
    tables: Mapping[str, pl.DataFrame]
    corpus: Mapping[str, Any]
    at: str = ""


def render_card(made: Made, items: Sequence[Items], files: Mapping[str, str], header: Mapping[str, Any]) -> str:
    """The card as Markdown.

    Args:
        made: the run.
        items: what is taken away of each reader.
        files: what each file holds, by its name or pattern.
        header: metadata for the Hugging Face hub, written before the text; empty for none.
    """
    parts = [_header(made, header)] if header else []
    parts += [
        f"# {made.manifest['name']}: questions on {made.corpus['name']}, labeled by a language model",
        _about(made),
    ]
    parts += ["## Files", "\n".join(f"* `{name}`: {what}" for name, what in files.items())]
    for one in items:
        parts += [f"## {one.reader}", *_reader(made, one)]
    columns = [_COLUMNS, *([_REVIEW_COLUMNS] if any(map(has_reviews, items)) else [])]
    parts += ["## Columns", "\n".join(columns), "## Licence", _licence(made.corpus)]
    return "\n\n".join(parts) + "\n"


def _header(made: Made, header: Mapping[str, Any]) -> str:
    # Imported here: it takes a while, and only one format needs it.
    from huggingface_hub import DatasetCardData

    name = f"{made.manifest['name']}: gold labels on {made.corpus['name']}"
    about = DatasetCardData(
        pretty_name=name, task_categories=["text-classification"], annotations_creators=["machine-generated"],
        tags=["tercet"], **header,
    )  # fmt: skip
    return f"---\n{LICENCE_HINT}\n{about.to_yaml()}\n---"


def _about(made: Made) -> str:
    corpus, consensus = made.corpus, made.manifest["config"]["consensus"]
    lines = [
        f"Made by Tercet {made.manifest.get('packages', {}).get('tercet', '')} from the run `{made.folder}`. Each "
        f"question was put three times to a language model (the *reader*) with its whole document. The rule "
        f"`{consensus['rule']}` decides which questions are kept. These labels are the reader's, not those of people.",
        f"The corpus is `{corpus['name']}`: {corpus['documents']:,} documents, {corpus['questions']:,} questions, of "
        f"the split {corpus['split']}. The labels are {', '.join(corpus['labels'])}.",
        *([f"Its files: {_inputs(corpus)}."] if corpus["inputs"] else []),
    ]
    if made.manifest.get("recorded"):
        lines.append(made.manifest["warnings"][0])
    return "\n\n".join(lines)


def _inputs(corpus: Mapping[str, Any]) -> str:
    named = [f"`{file}` (sha256 `{digest}`)" for file, digest in corpus["inputs"].items()]
    more = len(named) - MOST_FILES
    return ", ".join(named[:MOST_FILES]) + (f", and {more:,} more in the manifest of the run" if more > 0 else "")


def _reader(made: Made, items: Items) -> Iterator[str]:
    yield _by_whom(made, items.reader)
    yield from _prompts(made, items)
    yield _coverage(made, items)
    yield _standing(made, items.reader)
    if has_reviews(items):
        yield from reviews_paragraph(items)
    yield _reasons(items)


def _by_whom(made: Made, reader: str) -> str:
    """The model, its digest, and how its votes are drawn."""
    config = _config(made, reader)
    known = made.manifest["readers"][reader]
    if "sha256" in known:
        who = f"The model file `{config['model']}` (sha256 `{known['sha256']}`), on llama.cpp"
    else:
        remote = config["remote"]
        # The address of a server is nobody else's business.
        where = "an OpenAI-compatible server" if remote["provider"] == "server" else remote["provider"]
        who = f"The model `{remote.get('served_as') or config['model']}`, at {where}"
    how = ", ".join(f"{name} {config[name]:g}" for name in ("temperature", "top_k", "top_p", "min_p", "seed"))
    return f"{who}. Votes differ by `{config['diversity']}`; {how}; mode `{config['mode']}`."


def _config(made: Made, reader: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(
        one for one in made.manifest["config"]["readers"] if (one.get("name") or one["model"]) == reader
    )
    return found


def _prompts(made: Made, items: Items) -> Iterator[str]:
    """Each prompt by name and digest; its text too where it is still what the reader was shown."""
    texts = _prompt_texts(_config(made, items.reader), items.labels)
    for name, digest in made.manifest["readers"][items.reader].get("prompts", {}).items():
        yield f"Prompt `{name}` (sha256 `{digest}`)" + (":" if digest in texts else ".")
        if digest in texts:
            yield "\n".join(f"    {line}" for line in texts[digest].splitlines())


def _prompt_texts(config: Mapping[str, Any], labels: Sequence[str]) -> dict[str, str]:
    """The texts of a reader's prompts by digest; none where they cannot be read any more."""
    settings = {name: value for name, value in config.items() if name in LabelerConfig.model_fields}
    try:
        templates = PromptWriter(LabelerConfig.model_validate(settings), LabelSet(tuple(labels))).templates
    except (InputError, ValidationError):
        return {}
    return {sha256_text("\x1e".join(one[1:])): "\n===\n".join(one[1:]) for one in templates}


def _coverage(made: Made, items: Items) -> str:
    """How many questions are kept, and how many of them have the label that their reference has."""
    n, kept = len(items.rows), items.only(kept=True).rows
    share = f" ({len(kept) / n:.1%})" if n else ""
    said = [f"Coverage: {len(kept):,} of {n:,} questions are kept{share}."]
    rule = made.manifest["config"]["consensus"]["rule"]
    consensus = made.tables[f"consensus{made.at}"]
    found = consensus.filter(pl.col("reader") == items.reader, pl.col("rule") == rule).to_dicts()
    n_known = len(kept) - kept["reference"].null_count()
    if rule == "unanimous_and_correct":
        said.append("Accuracy: none is given, because the rule keeps only labels that match the reference.")
    elif found and found[0]["accuracy"] is not None and n_known:
        row, confidence = found[0], made.manifest["config"]["scoring"]["confidence"]
        said.append(
            f"Accuracy: {row['accuracy']:.1%} of the {n_known:,} kept questions with a reference label have that label "
            f"({confidence:.0%} interval {row['accuracy_low']:.1%} to {row['accuracy_high']:.1%}, by document)."
        )
    else:
        said.append("Accuracy: not known, because no kept question has a reference label.")
    return " ".join(said)


def _standing(made: Made, reader: str) -> str:
    """Whether the reader is better than a constant answer; loudly if it is not shown to be."""
    row = made.tables[f"labelers{made.at}"].filter(pl.col("reader") == reader).to_dicts()[0]
    if row["accuracy"] is None or row["standing"] is None:
        return "No reference labels are known, so nothing shows that this reader is better than a constant answer."
    against = (
        f"{row['accuracy']:.1%} right from whole documents, against {row['majority_share']:.1%} for "
        f"{'a choice at random' if row['majority_label'] is None else 'always answering ' + row['majority_label']}"
    )
    than = "a choice at random" if row["majority_label"] is None else "the majority label"
    if row["qualified"]:
        return f"The reader is shown to be better than {than}: {against}."
    return f"**Do not trust these labels.** The reader is not shown to be better than {than}: {against}."


def _reasons(items: Items) -> str:
    """Why questions are kept or excluded, counted."""
    counts = items.rows.group_by("kept", "reason").len().sort(["kept", "len", "reason"], descending=[True, True, False])
    rows = [f"| {'kept' if kept else 'excluded'} | {reason} | {n:,} |" for kept, reason, n in counts.iter_rows()]
    labels = items.only(kept=True).rows.group_by("label").len().sort("label")
    told = ", ".join(f"{label} {n:,}" for label, n in labels.iter_rows())
    table = ["| | reason | questions |", "|---|---|---|", *rows]
    return "\n".join(table) + (f"\n\nLabels of the kept questions: {told}." if told else "")


def _licence(corpus: Mapping[str, Any]) -> str:
    """What is known of the licence of the texts; that of the labels is the user's to choose."""
    digests = set(corpus["inputs"].values())
    known = next(
        (one for one in published().values() for pins in one.pins.values() for pin in pins if pin.sha256 in digests),
        None,
    )
    if known is not None:
        texts = f"The texts come from `{known.name}` ({known.what}). Its publishers name the licence: {known.licence}."
    elif any(file.startswith("sample/") for file in corpus["inputs"]):
        texts = "The texts are the sample that comes with Tercet, under its licence (MIT)."
    else:
        texts = "The licence of the texts is not known to Tercet: see where they come from before you pass them on."
    return f"{texts} The licence of the labels is for you to choose; the terms of the model may have a say in it."


_COLUMNS = """\
* `question_id`, `question`: the question, by the id that it has in the corpus.
* `document_ids`, `documents`: its gold documents; `documents` has their texts, unless they are only referred to.
* `evidence`: spans of the documents, `document_id` with the characters from `start` up to `end`, where they are known.
* `label`, `kept`, `reason`: the label, for a question that is kept; and why a question is kept or excluded.
* `votes`: the three votes; empty for a vote that failed.
* `probabilities`, `outside_mass`: the mean of the three distributions over the labels, and what lies outside them.
* `p_unanimous`: the probability that three votes agree.
* `reference`, `annotators`: the label that the corpus calls right, and those of its annotators, where it has any.
* `split`, `tags`: of the question in the corpus.
* `origin`: `drafted` if a reader wrote the question and nobody has checked it, `accepted` or `rejected` if people did.
* `text_digest`: sha256 of the question and its documents."""
_REVIEW_COLUMNS = """\
* `reviews`: what people said of the question: for each `reviewer` the `label` (empty where it was skipped), the `note`
  and the time, `reviewed_at`. In Argilla these are the metadata `reviewers`, `reviewer_labels`, `reviewer_notes` and
  `reviewed_at`.
* `settled_label`: the label that most reviewers gave; empty where no label has more reviewers than every other."""
