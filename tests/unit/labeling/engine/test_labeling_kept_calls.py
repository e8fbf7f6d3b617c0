"""What a question leaves in the cache is used by the next one only where it would repeat the same calls, bit for bit.

The library is replaced by one whose numbers depend on the composition: what a token leaves in the cache follows from
every token of its call, and from everything that it sees. Kept too much, a number changes; kept too little, more is
evaluated.
"""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.schema import LabelSet, Question
from labeling.engine.generate_mode import Decoding, Generator
from labeling.engine.label_mode import LocalLabeler, tokenize_all, tokens_of_document
from labeling.engine.llama import LlamaModel
from labeling.engine.shared_prefixes import DEPTH, MAX_FORKS, SharedPrefixes, no_further
from labeling.prompting.labeler import LabelerConfig, PromptWriter
from labeling.votes.sampling import Sampling

N_VOCAB, N_BATCH = 3, 4


class Library:
    """Stands for llama.cpp: cells with a position, their sequences, and a digest of how they were evaluated."""

    def __init__(self):
        self.cells, self.logits, self.calls_left = [], [], float("inf")

    def llama_memory_clear(self, memory, data):
        self.cells = []

    def llama_memory_seq_keep(self, memory, sequence):
        self.cells = [(at, {sequence}, digest) for at, seqs, digest in self.cells if sequence in seqs]

    def llama_memory_seq_rm(self, memory, sequence, start, end):
        left = [(at, seqs - {sequence} if at >= start else seqs, digest) for at, seqs, digest in self.cells]
        self.cells = [cell for cell in left if cell[1]]

    def llama_memory_seq_cp(self, memory, source, target, start, end):
        self.cells = [(at, seqs | {target} if source in seqs else seqs, digest) for at, seqs, digest in self.cells]

    def llama_memory_seq_pos_max(self, memory, sequence):
        return max((at for at, seqs, _ in self.cells if sequence in seqs), default=-1)

    def llama_decode(self, context, batch):
        if not self.calls_left:
            return 1
        self.calls_left -= 1
        each = range(batch.n_tokens)
        call = [(batch.token[at], batch.pos[at], self._sequences(batch, at)) for at in each]
        seen = [sorted(digest for _, seqs, digest in self.cells if seqs & one[2]) for one in call]
        # Sequence numbers are names: what counts is which tokens stand together.
        together = [(token, position) for token, position, _ in call]
        mine = [hashlib.sha256(repr((together, at, seen[at])).encode()).digest() for at in each]
        self.cells += [(call[at][1], set(call[at][2]), mine[at]) for at in each]
        self.logits = [np.frombuffer(one[: 2 * N_VOCAB], dtype=np.uint16).astype(np.float64) / 9e3 for one in mine]
        return 0

    @staticmethod
    def _sequences(batch, at):
        return frozenset(batch.seq_id[at][number] for number in range(batch.n_seq_id[at]))


class Batch:
    def __init__(self):
        self.token, self.pos, self.n_seq_id, self.logits = ([0] * N_BATCH for _ in range(4))
        self.seq_id = [[0] * (MAX_FORKS + DEPTH) for _ in range(N_BATCH)]
        self.n_tokens = 0


class CallsModel(LlamaModel):
    """A model on `Library`, with batches of four tokens."""

    def __init__(self):
        self._llama, self._memory, self._context, self._batch = Library(), None, None, Batch()
        self._model, self._start = None, ()
        self.n_vocab, self.num_ctx, self.n_batch, self.n_evaluated, self.adds_bos = N_VOCAB, 200, N_BATCH, 0, False

    def logprobs(self, at):
        return self._llama.logits[at] - np.log(np.exp(self._llama.logits[at]).sum())

    def sample(self, sampler, at):
        return int(np.argmax(self._llama.logits[at]))

    def sampler(self, sampling, repeat_penalty, grammar, seed):
        return None

    def free_sampler(self, sampler):
        pass

    def is_end(self, token):
        return token == 0

    def piece(self, token):
        return b"%d" % token

    def tokenize(self, text, *, special, add_bos):
        return [ord(letter) for letter in text]

    chat_template = None


PROMPT = st.lists(st.integers(0, 1), min_size=1, max_size=14)
# A question: its prompts, and how many tokens at their start show the document.
QUESTION = st.tuples(st.lists(PROMPT, min_size=1, max_size=4), st.integers(0, 12))


def look(model, question):
    prompts, document = question
    return [one[()].tolist() for one in SharedPrefixes(model).look(prompts, range(N_VOCAB), no_further, document)]


@given(st.lists(QUESTION, min_size=1, max_size=5))
def test_whatever_was_asked_before_does_not_change_one_bit(questions):
    model = CallsModel()
    assert [look(model, one) for one in questions] == [look(CallsModel(), one) for one in questions]


@given(st.lists(st.lists(PROMPT, min_size=1, max_size=3), min_size=1, max_size=4))
def test_what_was_generated_before_does_not_change_one_bit(questions):
    decoding = Decoding(Sampling(0.0), 1.0, 5, (), "")

    def generate(model, prompts):
        return Generator(model).generate(prompts, range(len(prompts)), decoding, lambda _: True)

    model = CallsModel()
    assert [generate(model, one) for one in questions] == [generate(CallsModel(), one) for one in questions]


def test_a_document_is_evaluated_once_for_all_its_questions():
    model, document = CallsModel(), [1, 0] * 5
    look(model, ([[*document, 0, 0, 1]], 10))
    assert model.n_evaluated == 13
    look(model, ([[*document, 1, 1], [*document, 1, 0]], 10))
    assert model.n_evaluated == 13 + 3


def test_of_a_prompt_without_a_document_whole_batches_are_kept():
    model, same = CallsModel(), [1, 0] * 5
    look(model, ([[*same, 0, 0, 1]], 0))
    look(model, ([[*same, 1, 1, 1]], 0))
    assert model.n_evaluated == 13 + 5  # two batches of four are repeated


def test_a_prompt_that_is_asked_again_is_read_again():
    model, question = CallsModel(), ([[1, 0] * 4], 0)
    assert look(model, question) == look(model, question)
    assert model.n_evaluated == 8 + 4  # the last batch, whose end is read, is evaluated again


def test_after_a_call_that_failed_nothing_is_taken_for_evaluated():
    model, question = CallsModel(), ([[1, 0] * 6], 10)
    model._llama.calls_left = 1
    with pytest.raises(RuntimeError, match="llama_decode"):
        look(model, question)
    model._llama.calls_left = float("inf")
    assert look(model, question) == look(CallsModel(), question)


# Letters for tokens: what comes before the question, up to its first letter.
def test_the_document_ends_where_the_question_begins():
    config = LabelerConfig(template="plain")
    labeler = LocalLabeler(config, LabelSet(), CallsModel(), "0" * 64, "label/1")
    writer = PromptWriter(config, LabelSet())
    prompt, *_ = writer.votes(Question("q", "Is it so?", ("d",)), "document", "A text.")
    shown = f"{prompt.system}\n\nContext:\nA text.\n\nQuestion: "
    assert tokens_of_document(tokenize_all([prompt], labeler.tokenize), labeler.tokenize) == len(shown)
    of_chunks = writer.single(Question("q", "Is it so?", ("d",)), "retrieved", "A text.")
    assert tokens_of_document(tokenize_all([prompt, of_chunks], labeler.tokenize), labeler.tokenize) == 0
