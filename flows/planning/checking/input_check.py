"""Everything that is wrong with an experiment, before anything is asked, spent or fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import polars as pl

from corpora.errors import InputError, counted, listed, said_once
from corpora.loading.config import CorpusConfig
from corpora.loading.folder import NoQuestionsError
from corpora.loading.load import list_problems, load_corpus
from corpora.reading.strict_toml import read_toml
from corpora.schema import Corpus
from corpora.sources.folder.conversions import Conversions
from flows.planning.checking.context_room import room_note
from flows.planning.languages import embedder_notes, prompt_notes
from flows.planning.lengths import MOST_COUNTED, measure_lengths, say_too_long
from flows.session.cross_checks import check_choice_readers, cross_mistakes
from flows.session.experiment import Experiment, ReaderConfig, experiment_file
from flows.session.mistakes import parse
from flows.session.session import Session
from flows.stages.indexing import check_questions, check_sizes, measure_unread, needs_vectors
from labeling.models.registry import registry
from labeling.votes.consensus import check_rule
from retrieval.config import RetrievalConfig
from retrieval.embedding.embedder_config import EmbedderConfig
from retrieval.embedding.hub import cached_folder, is_hub_id
from retrieval.embedding.unknown_tokens import unread_warnings

MOST_ROWS = 10  # problems of one corpus that are told
_T = TypeVar("_T")


class Checked(NamedTuple):
    """What was found in an experiment.

    Attributes:
        mistakes: everything for which a run would be refused, as far as it can be known before one.
        notes: what could not be checked, and why; and what is worth knowing before a run.
        line: what the experiment is about; for one without mistakes.
    """

    mistakes: list[InputError]
    notes: list[str]
    line: str


class Drafting(NamedTuple):
    """Looks at the drafting of questions, which is above this package.

    Attributes:
        drafter: finds the reader that drafts; refuses one that cannot.
        too_long: says which of some documents that reader cannot read whole; refuses it if it can read none.
    """

    drafter: Callable[[Experiment], ReaderConfig]
    too_long: Callable[[Experiment, pl.DataFrame, Session], str]


def check_input(
    path: Path, open_session: Callable[[Experiment, Path], Session],
    drafting: Drafting | None = None,
) -> Checked:  # fmt: skip
    """Look for everything that is wrong with an experiment; nothing is asked, fetched or written.

    Args:
        path: the experiment's file, or the name of a bundled one.
        open_session: makes a session for an experiment and the folder of its file.
        drafting: looks at what drafts questions first.
    """
    try:
        file = experiment_file(path)
        content = read_toml(file)
    except InputError as error:
        return Checked([error], [], "")
    parsed = parse(Experiment, content, str(file))
    mistakes = [*parsed.mistakes, *cross_mistakes(parsed.made, parsed.wrong)]
    base = file.parent
    with open_session(parsed.made, base) as session:
        look = _Look(parsed.made, parsed.wrong, base, session)
        look.through()
        if drafting is not None:
            look.at_drafting(drafting)
    return Checked([*mistakes, *_new(look.mistakes, mistakes)], look.notes, look.line(str(file)))


def _new(found: list[InputError], told: list[InputError]) -> Iterator[InputError]:
    """The mistakes that were not told before, each once."""
    said = {str(one) for one in told}
    for one in found:
        if str(one) not in said:
            yield one
        said.add(str(one))


class _Look:
    """Looks at what an experiment names: its corpora, its models, its providers and its prices."""

    def __init__(self, experiment: Experiment, wrong: frozenset[str], base: Path, session: Session) -> None:
        self._experiment, self._wrong, self._base, self._session = experiment, wrong, base, session
        self._corpus: Corpus | None = None
        self._others: list[Corpus | None] = []
        self._drafts_first = False
        self.mistakes: list[InputError] = []
        self.notes: list[str] = []

    def through(self) -> None:
        """Look at everything that is sound so far."""
        experiment = self._experiment
        if "corpus" not in self._wrong:
            self._corpus = self._read(experiment.corpus)
        self._others = [self._read(other) for other in experiment.other_corpora]
        if "prices" not in self._wrong:
            self._try(self._session.check_prices)
        for reader in experiment.readers if "readers" not in self._wrong else ():
            self._try(partial(self._look_at_reader, reader))
        if "retrieval" not in self._wrong:
            self._look_at_retrieval()

    def at_drafting(self, drafting: Drafting) -> None:
        """Look at the reader that drafts questions first, if one does, and at the documents that it must read."""
        experiment = self._experiment
        if not self._drafts_first or not experiment.readers or self._wrong & {"readers", "drafting"}:
            return  # nobody drafts, or what is wrong has been told
        reader = self._try(partial(drafting.drafter, experiment))
        if reader is None:
            return
        n_mistakes = len(self.mistakes)
        self._try(partial(self._find_model, reader))
        if self._corpus is not None and len(self.mistakes) == n_mistakes:
            note = self._try(partial(drafting.too_long, experiment, self._corpus.documents, self._session))
            self.notes += [f"{self._corpus.name}: {note}"] if note else []

    def line(self, file: str) -> str:
        """What the experiment is about, in one line."""
        if self._corpus is None:
            return ""
        corpus, readers = self._corpus, [one.label for one in self._experiment.readers]
        labels = f"labels {listed(list(corpus.labels), 'and')}"
        if corpus.labels.of_question:
            labels += " (A and so on are the places of each question's own choices)"
        asked = f"{labels}; {counted(len(readers), 'reader')}: {', '.join(readers)}"
        return (
            f"{file}: nothing is wrong. {counted(len(corpus.documents), 'document')}, "
            f"{counted(len(corpus.questions), 'question')}, {asked if readers else 'no readers'}; "
            f"chunk sizes {', '.join(str(size) for size in self._experiment.retrieval.sizes)}."
        )

    def _try(self, look: Callable[[], _T]) -> _T | None:
        try:
            return look()
        except InputError as error:
            self.mistakes.append(error)
            return None

    def _read(self, config: CorpusConfig) -> Corpus | None:
        """The corpus as a run would load it; None if it has problems, which are told."""
        located = self._try(partial(config.resolved(self._base).located, self._session.workspace.data))
        if located is None:
            return None
        conversions = Conversions(self._session.workspace.converted, writes=False)
        listing = self._try(partial(list_problems, located, conversions))
        if listing is None:
            return None
        self.notes += filter(None, [listing[0].left_out_line, *listing[0].note_lines])
        problems = said_once(listing[1])
        # A run drafts for its first corpus alone.
        drafts = self._experiment.drafting and config is self._experiment.corpus
        if drafts and any(isinstance(one, NoQuestionsError) for one in problems):
            self._drafts_first = True
            self.notes.append(f"{listing[0].name}: there are no questions yet; a run drafts them first.")
            self.mistakes += [one for one in problems if not isinstance(one, NoQuestionsError)]
            return None if listing[0].documents.is_empty() else listing[0]
        return self._sound(listing[0].name, problems, partial(load_corpus, located, None, conversions))

    def _sound(self, name: str, problems: list[InputError], load: Callable[[], Corpus]) -> Corpus | None:
        """The corpus, if it has no problems, with what is worth knowing of it."""
        self.mistakes += problems[:MOST_ROWS]
        n_more = len(problems) - MOST_ROWS
        if n_more > 0:
            self.notes.append(f"{name}: {counted(n_more, 'more problem')}; `tercet corpora check` lists all.")
        if problems:
            return None
        corpus = self._try(load)
        if corpus is not None and "consensus" not in self._wrong:
            self._try(partial(check_rule, self._experiment.consensus, corpus.questions))
            self._try(partial(check_choice_readers, self._experiment.readers, corpus))
            if self._experiment.consensus.rule == "reviewed":
                self.notes.append(
                    f"{corpus.name}: whether people have reviewed it is looked up in the store when it is run."
                )
        if corpus is not None and "readers" not in self._wrong:
            self.notes += self._try(partial(prompt_notes, self._experiment.readers, corpus)) or []
        if corpus is not None and corpus.split_line:
            self.notes.append(corpus.split_line)
        return corpus

    def _look_at_reader(self, reader: ReaderConfig) -> None:
        self._find_model(reader)
        seed = self._experiment.corpus.seed  # readers draw by it from every corpus
        read = [one for one in (self._corpus, *self._others) if one is not None]
        self.notes += filter(None, [room_note(reader, one, self._session, seed) for one in read])

    def _find_model(self, reader: ReaderConfig) -> None:
        if reader.remote.is_remote:
            self._session.providers.client(reader.remote)  # refused without its SDK or its key; nothing is sent
            return
        known = registry().get(reader.model)
        if known is not None and known.kind != "reader":
            raise InputError(f"model {reader.model!r} is an {known.kind}", "a reader", "see `tercet models list`")
        self._session.readers.sha256(reader.model)

    def _look_at_retrieval(self) -> None:
        retrieval = self._experiment.retrieval
        embeds = needs_vectors(retrieval.retrievers, wants_oracle=self._experiment.wants_oracle)
        is_measured = False
        if self._corpus is not None:
            self.notes += embedder_notes(retrieval, self._corpus)
        for config in retrieval.embedders:
            if _is_elsewhere(config):
                self.notes.append(f"{config.model} is fetched from the hub at its first use; sizes were not checked.")
                continue
            alone = retrieval.model_copy(update={"embedders": (config,)})
            if self._try(partial(self._session.embedder, config)) is None:
                continue
            for size in retrieval.sizes:
                of_size = alone.model_copy(update={"sizes": (size,)})
                self._try(partial(check_sizes, of_size, self._session, embeds=embeds))
            if self._corpus is not None and embeds:
                self._try(partial(check_questions, alone, self._corpus, self._session))
            if self._corpus is not None:
                self._measure_unread(alone, self._corpus)
            if self._corpus is not None and not is_measured:
                self._compare_sizes(self._corpus, config)
                is_measured = True

    def _measure_unread(self, alone: RetrievalConfig, corpus: Corpus) -> None:
        """Note what an embedder cannot read of the corpus; a mistake where that is most of it."""
        measured = self._try(partial(measure_unread, alone, corpus, self._session)) or {}
        for name, of_embedder in measured.items():
            self.notes += unread_warnings(name, of_embedder)

    def _compare_sizes(self, corpus: Corpus, config: EmbedderConfig) -> None:
        """Note sizes that leave most documents whole, in the tokens of an embedder."""
        lengths = measure_lengths(corpus.documents, self._session.embedder(config).tokenizer, MOST_COUNTED)
        line = say_too_long(self._experiment.retrieval.sizes, lengths, self._experiment.corpus.stitch)
        if line:
            self.notes.append(f"{corpus.name}: {line}.")


def _is_elsewhere(config: EmbedderConfig) -> bool:
    """Whether an embedder would have to be fetched from the hub."""
    if config.model in registry() or Path(config.model).expanduser().is_dir() or not is_hub_id(config.model):
        return False
    return cached_folder(config.model, onnx=config.backend == "onnx") is None
