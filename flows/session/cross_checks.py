"""Mistakes that only show across the fields of an experiment, such as a token budget below the largest chunk size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from corpora.errors import InputError
from corpora.loading.config import check_keys, check_published
from corpora.schema import LabelSet
from labeling.models.registry import is_specialist
from labeling.prompting.labeler import SYSTEM, check_diversity, check_specialist
from labeling.prompting.prompts import load_prompt
from labeling.remote.requests import check_remote
from labeling.votes.consensus import BY_DISTRIBUTION
from retrieval.config import reranker_label
from retrieval.context import check_budgets

if TYPE_CHECKING:
    from corpora.loading.config import CorpusConfig
    from corpora.schema import Corpus
    from flows.session.experiment import Experiment, ReaderConfig
    from labeling.votes.consensus import ConsensusConfig
    from retrieval.config import RetrievalConfig

# Lists in which a value counts once, however often it is given.
_SETS = ("splitters", "sizes", "overlaps", "retrievers", "rerankers", "k", "budgets", "controls")


class CrossCheck(NamedTuple):
    """A check, and the keys at the top of the file on which it depends."""

    keys: frozenset[str]
    run: Callable[[], object]


def cross_mistakes(experiment: Experiment, wrong: frozenset[str] = frozenset()) -> Iterator[InputError]:
    """Every mistake across fields, each once.

    Args:
        experiment: each field of which is sound by itself.
        wrong: keys at the top of its file that could not be used; what depends on them is not checked.
    """
    said = set()
    for check in _checks(experiment):
        if check.keys & wrong:
            continue
        try:
            check.run()
        except InputError as error:
            if str(error) not in said:
                yield error
            said.add(str(error))


def _checks(experiment: Experiment) -> Iterator[CrossCheck]:
    keys, retrieval = frozenset, experiment.retrieval
    corpora = [("corpus", experiment.corpus), *(("other_corpora", one) for one in experiment.other_corpora)]
    for key, corpus in corpora:
        yield CrossCheck(keys({key}), partial(check_published, corpus))
        yield CrossCheck(keys({key}), partial(check_keys, corpus))
    yield CrossCheck(keys({"drafting", "corpus", "readers"}), partial(_check_drafting, experiment))
    names = {
        "readers": [reader.label for reader in experiment.readers],
        "corpora": [corpus.name or corpus.published or corpus.source for _, corpus in corpora],
        "embedders": [embedder.label for embedder in retrieval.embedders],
        "rerankers": [reranker_label(one) for one in dict.fromkeys(retrieval.rerankers)],
    }
    for what, needed in (
        ("readers", {"readers"}),
        ("corpora", {"corpus", "other_corpora"}),
        ("embedders", {"retrieval"}),
        ("rerankers", {"retrieval"}),
    ):
        yield CrossCheck(keys(needed), partial(_check_names, what, names[what]))
    for key, corpus in corpora:
        yield CrossCheck(keys({key}), partial(labels_of, corpus))
        for reader in experiment.readers:
            yield CrossCheck(keys({key, "readers"}), partial(_check_votes, reader, corpus))
    for reader in experiment.readers:
        yield CrossCheck(keys({"readers"}), partial(check_specialist, reader))
        yield CrossCheck(keys({"readers"}), partial(check_remote, reader))
        yield CrossCheck(keys({"readers", "consensus"}), partial(check_mode, reader, experiment.consensus))
        for prompt in reader.prompts:
            yield CrossCheck(keys({"readers"}), partial(load_prompt, prompt))
    for run in _of_retrieval(retrieval):
        yield CrossCheck(keys({"retrieval"}), run)


def labels_of(corpus: CorpusConfig) -> LabelSet:
    """The label set of a corpus, as far as its section says.

    Raises:
        InputError: the labels cannot be used.
    """
    return corpus.label_set


def check_mode(reader: ReaderConfig, consensus: ConsensusConfig) -> None:
    """Refuse settings of a reader that contradict each other or the consensus rule.

    Raises:
        InputError: the rule needs label probabilities and the reader gives none, the output fills the context, or no
            model would see the system message.
    """
    if not reader.gives_distributions and consensus.rule in BY_DISTRIBUTION:
        where = f"at {reader.remote.provider}" if reader.mode == "label" else "in generate mode"
        raise InputError(
            f"rule {consensus.rule!r} with reader {reader.label!r} {where}",
            "a reader that gives label probabilities",
            "use rule = 'unanimous' or 'majority', or a reader in label mode on this machine or a server",
        )
    if not reader.remote.is_remote and reader.mode == "generate" and reader.num_predict >= reader.num_ctx:
        raise InputError(
            f"reader {reader.label!r}: num_predict {reader.num_predict} with num_ctx {reader.num_ctx}",
            "room for a prompt as well as the output",
            "lower num_predict or raise num_ctx",
        )
    if reader.system is not None and reader.frame is not None and SYSTEM not in reader.frame:
        raise InputError(
            f"reader {reader.label!r}: a system message and a frame without {SYSTEM}",
            "a frame that shows the system message",
            f"put {SYSTEM} into the frame, or remove `system`",
        )


def check_choice_readers(readers: Sequence[ReaderConfig], corpus: Corpus) -> None:
    """Refuse readers that cannot answer questions with choices of their own.

    Raises:
        InputError: there is one, which the message names.
    """
    if not corpus.labels.of_question:
        return
    fewest = LabelSet(corpus.labels.labels[: int(str(corpus.questions["choices"].list.len().min()))])
    for reader in readers:
        who = f"reader {reader.label!r}: the questions of {corpus.name} have choices of their own"
        if is_specialist(reader.model):
            found = f"{who}, and a specialist has the labels that it was trained on"
            raise InputError(found, "a model that reads prompts", "change `model`")
        if reader.remote.is_remote and reader.gives_distributions:
            found = f"{who}, and a provider gives the distribution of a first token, not of a whole choice"
            raise InputError(found, "answers that are read from the text", 'set remote.logprobs = "off"')
        if reader.remote.is_remote and reader.remote.api_first == "batch":
            found = f"{who}, and the answers of a batch are read without them"
            raise InputError(found, "a reader that is asked directly", 'set remote.api = "direct"')
        if not corpus.not_stated:
            check_diversity(reader, fewest)


def _check_drafting(experiment: Experiment) -> None:
    if experiment.drafting is None:
        return
    if experiment.corpus.source != "folder":
        raise InputError(
            f"[drafting] is set for source {experiment.corpus.source!r}",
            "[drafting] only with source 'folder'",
            "remove it, and draft questions with `tercet questions draft`",
        )
    if experiment.drafting.reader is None and not experiment.readers:
        raise InputError("[drafting] names no reader, and there are none", "a reader that drafts", "set its `reader`")


def _check_names(what: str, names: Sequence[str]) -> None:
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise InputError(
            f"two {what} are called {min(doubled)!r}",
            "a different name for each",
            "rename the folder of one of them" if what == "rerankers" else "set `name` on one of them",
        )


def _check_votes(reader: ReaderConfig, corpus: CorpusConfig) -> None:
    try:
        labels = labels_of(corpus)
        for prompt in reader.prompts:
            load_prompt(prompt)
    except InputError:
        return  # told by a check of its own
    check_diversity(reader, labels)


def _of_retrieval(retrieval: RetrievalConfig) -> Iterator[Callable[[], object]]:
    for name in _SETS:
        yield partial(_check_repeats, name, getattr(retrieval, name))
    yield partial(_check_numbers, retrieval)
    for size in dict.fromkeys(retrieval.sizes):
        for overlap in dict.fromkeys(retrieval.overlaps):
            yield partial(_check_overlap, size, overlap)
    yield partial(check_budgets, retrieval.cuts(), max(retrieval.sizes))


def _check_repeats(name: str, values: Sequence[object]) -> None:
    repeated = next((one for one in values if values.count(one) > 1), None)
    if repeated is not None:
        raise InputError(
            f"retrieval.{name} = {list(values)!r:.60} holds {repeated!r} {_times(values.count(repeated))}",
            "each value once",
            "remove the repetition",
        )


def _times(n: int) -> str:
    return "twice" if n == 2 else f"{n} times"


def _check_numbers(retrieval: RetrievalConfig) -> None:
    if not retrieval.cuts():
        raise InputError("retrieval without k and without budgets", "at least one k or budget", "set `k` or `budgets`")
    if min(retrieval.k, default=1) < 1 or min(retrieval.budgets, default=1) < 1:
        raise InputError(
            f"k {list(retrieval.k)}, budgets {list(retrieval.budgets)}", "numbers above 0", "correct the numbers"
        )
    if min(retrieval.sizes) < 1:
        raise InputError(f"chunk sizes {list(retrieval.sizes)}", "sizes above 0", "correct the sizes")


def _check_overlap(size: int, overlap: int) -> None:
    if size > 0 and not 0 <= overlap < size:
        raise InputError(f"overlap {overlap} with chunk size {size}", "0 <= overlap < size", "lower the overlap")
