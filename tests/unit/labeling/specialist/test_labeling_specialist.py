"""The parts of a specialist: what it is shown, how it learns soft targets, and how it answers."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from corpora.errors import InputError
from corpora.schema import LabelSet, Question
from labeling.prompting.labeler import LabelerConfig, PromptWriter
from labeling.prompting.pairs import read_pair, write_pair
from labeling.specialist.examples import Example, folds
from labeling.specialist.folder import digest_of, find_specialist
from labeling.specialist.linear import features, fit_linear, load_linear
from labeling.specialist.reader import SpecialistLabeler

LABELS = LabelSet()
CONFIG = LabelerConfig(model="specialist:test")


class Sight(NamedTuple):
    question: np.ndarray
    context: np.ndarray
    passages: tuple[str, ...] = ("a passage",)
    order: tuple[int, ...] = (0,)
    n_tokens: int = 7


def planted(n, n_labels=3, noise=0.1, seed=0, documents=None):
    """Examples whose context's vector points to their label."""
    random = np.random.default_rng(seed)
    examples = []
    for number in range(n):
        label = number % n_labels
        context = random.normal(scale=noise, size=8)
        context[label] += 1
        target = np.full(n_labels, 0.1)
        target[label] += 1 - target.sum()
        document = f"d{number % documents if documents else number}"
        examples.append(Example(f"q{number}", "?", Sight(random.normal(size=8), context), target, document))
    return examples


@settings(max_examples=30)
@given(st.text(), st.text())
def test_question_and_context_come_back_as_they_were(question, context):
    assert read_pair(write_pair(question, context)) == (question, context)


def test_a_specialist_is_shown_question_and_context_alone():
    prompts = PromptWriter(CONFIG, LABELS).votes(Question("q", "Is it?", ("d",)), "document", "It is.")
    assert {(one.system, one.start, read_pair(one.message)) for one in prompts} == {("", "", ("Is it?", "It is."))}
    assert len({one.seed for one in prompts}) == 3


def test_soft_targets_are_learnt_as_probabilities():
    head = fit_linear(planted(120), seed=0).head
    given_ = head.of([one.seen for one in planted(60, seed=1)])
    assert (given_.argmax(axis=1) == np.arange(60) % 3).all()
    assert given_.sum(axis=1) == pytest.approx(1)
    # Targets say .8: a model of hard labels would be nearly certain.
    assert given_.max(axis=1).mean() == pytest.approx(0.8, abs=0.05)


def test_the_fit_is_scikit_learns_in_the_space_of_all_features():
    examples = planted(40)
    fitted = fit_linear(examples, seed=0)
    x = features([one.seen for one in examples]) / np.repeat(fitted.head.scales, 8)
    rows, labels = np.nonzero(np.stack([one.target for one in examples]))
    weights = np.stack([one.target for one in examples])[rows, labels]
    reference = LogisticRegression(C=fitted.strength, max_iter=5000, tol=1e-8)
    reference.fit(x[rows], labels, sample_weight=weights)
    mine = fitted.head.of([one.seen for one in examples])
    assert mine == pytest.approx(reference.predict_proba(x), abs=1e-3)


def test_two_labels_and_a_label_that_is_never_given():
    two = fit_linear(planted(40, n_labels=2), seed=0).head
    assert (two.of([one.seen for one in planted(20, 2, seed=1)]).argmax(axis=1) == np.arange(20) % 2).all()
    absent = [one._replace(target=np.array([*one.target, 0.0])) for one in planted(40, n_labels=2)]
    assert (fit_linear(absent, seed=0).head.of([one.seen for one in absent])[:, 2] == 0).all()


def test_regularisation_grows_where_there_is_nothing_to_learn():
    noise = [one._replace(seen=other.seen) for one, other in zip(planted(60), planted(60, seed=5)[::-1], strict=True)]
    shuffled = np.random.default_rng(0).permutation(60)
    nothing = [one._replace(target=noise[at].target) for one, at in zip(noise, shuffled, strict=True)]
    assert fit_linear(nothing, seed=0).strength < fit_linear(planted(60), seed=0).strength


def test_a_document_is_never_on_both_sides_of_a_fold():
    examples = planted(40, documents=11)
    for learnt, held_back in folds(examples, seed=3):
        assert {examples[one].document for one in learnt}.isdisjoint(examples[one].document for one in held_back)
    assert not folds(planted(9, documents=1), seed=0)


def test_a_saved_model_is_the_same_in_every_byte(tmp_path):
    files = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        head = fit_linear(planted(30), seed=0).head
        head.save(tmp_path / name)
        files.append((tmp_path / name / "linear.npz").read_bytes())
        loaded = load_linear(tmp_path / name)
        assert (loaded.of([planted(1)[0].seen]) == head.of([planted(1)[0].seen])).all()
    assert files[0] == files[1]


class Looks:
    """Counts what it is shown; a question of more than ten letters is too long."""

    digest = "0" * 64

    def __init__(self):
        self.shown = []

    def tokenize(self, text):
        return tuple(range(len(text.split())))

    def look(self, question, context):
        self.shown.append((question, context))
        return None if len(question) > 10 else Sight(np.zeros(8), np.eye(8)[1])


def ask(question, **changed):
    config = CONFIG.model_copy(update=changed)
    looks, head = Looks(), fit_linear(planted(60), seed=0).head
    reader = SpecialistLabeler(config, LABELS, looks, head, "1" * 64)
    prompts = PromptWriter(config, LABELS).votes(Question("q", question, ("d",)), "document", "It is.")
    return reader, reader.ask(prompts), looks


def test_three_votes_take_one_look():
    reader, votes, looks = ask("Is it?")
    assert looks.shown == [("Is it?", "It is.")]
    assert reader.n_evaluated == 7
    assert len({vote.probabilities for vote in votes}) == 1
    assert sum(votes[0].probabilities) == pytest.approx(1)
    assert {vote.failure for vote in votes} == {None}


def test_at_temperature_0_the_most_probable_label_is_given():
    assert {vote.label for vote in ask("Is it?", temperature=0.0)[1]} == {"no"}


def test_a_question_that_is_too_long_is_a_named_failure():
    _, votes, _ = ask("Is it so, or is it not?")
    assert {(vote.label, vote.failure) for vote in votes} == {(None, "prompt_too_long")}


@pytest.mark.parametrize("changed", ["kind", "labels", "embedder_digest", "passage_size", "n_passages", "files"])
def test_the_digest_covers_what_changes_answers(changed):
    what = {"kind": "linear", "labels": ("a", "b"), "files": {"x": "1"}}
    sight = {"embedder_digest": "e", "passage_size": 128, "n_passages": 3}
    other = {"kind": "encoder", "labels": ("b", "a"), "files": {"x": "2"}, "embedder_digest": "f", "passage_size": 64,
             "n_passages": 1}  # fmt: skip

    def digest(**new):
        given_ = {**what, **{name: value for name, value in new.items() if name in what}}
        return digest_of(given_["kind"], given_["labels"], {**sight, **new}, given_["files"])

    assert digest(**{changed: other[changed]}) != digest()


def test_a_store_without_specialists_says_so(tmp_path):
    with pytest.raises(InputError, match="a specialist of this store, which has none"):
        find_specialist(tmp_path, "specialist:any")
