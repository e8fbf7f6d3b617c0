"""The fine-tuned encoder on a tiny model: it learns, stops early, and a stopped training ends with the same weights."""

from typing import NamedTuple

import numpy as np
import pytest

from corpora.errors import InputError
from labeling.specialist import fine_tuning
from labeling.specialist.encoder import open_encoder
from labeling.specialist.examples import Example
from labeling.specialist.fine_tuning import Recipe, measure, tune

pytestmark = pytest.mark.slow

WORDS = ("was", "the", "permit", "granted", "refused", "adjourned", "board", "met", "in", "spring")
OUTCOMES = WORDS[3:6]


class Sight(NamedTuple):
    passages: tuple[str, ...]
    order: tuple[int, ...]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    from tests.doubles.tiny_encoder import write_tiny_encoder

    return write_tiny_encoder(tmp_path_factory.mktemp("tiny"), WORDS)


def examples(n):
    return [
        Example(
            f"q{number}", "was the permit granted", Sight((f"the permit was {OUTCOMES[number % 3]}",), (0,)),
            np.eye(3)[number % 3] * 0.94 + 0.02, f"d{number}",
        )
        for number in range(n)
    ]  # fmt: skip


RECIPE = Recipe(epochs=40, patience=40, rate=2e-3, together=8)


def weights(tuned):
    return {name: one.numpy() for name, one in tuned.encoder.model.state_dict().items()}


def test_it_learns_what_the_passages_say(base, tmp_path):
    tuned = tune(base, examples(48), RECIPE)
    assert tuned.losses[tuned.best - 1] < tuned.losses[0]
    (tmp_path / "kept").mkdir()
    tuned.encoder.save(tmp_path / "kept")
    opened = open_encoder(tmp_path / "kept" / "encoder", 3)
    given = np.stack([opened.probabilities(one.question, one.seen) for one in examples(9)])
    assert (given.argmax(axis=1) == np.arange(9) % 3).all()
    assert given.sum(axis=1) == pytest.approx(1)


def test_a_stopped_training_ends_with_the_same_weights(base, tmp_path, monkeypatch):
    monkeypatch.setattr(fine_tuning, "CHECKPOINT_STEPS", 1)
    recipe = RECIPE._replace(epochs=2)
    whole = weights(tune(base, examples(30), recipe))

    for stop_after in (2, 5):  # within the first epoch, and within the second
        done = []

        def stop(steps, done=done, stop_after=stop_after):
            done.append(steps)
            if sum(done) > stop_after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            tune(base, examples(30), recipe, tmp_path, stop)
    resumed = weights(tune(base, examples(30), recipe, tmp_path))
    assert all((resumed[name] == whole[name]).all() for name in whole)


def test_training_stops_where_held_back_questions_gain_nothing(base):
    random = np.random.default_rng(0)
    nothing = [one._replace(target=random.dirichlet([1, 1, 1])) for one in examples(30)]
    tuned = tune(base, nothing, RECIPE._replace(epochs=40, patience=2))
    assert len(tuned.losses) == tuned.best + 2


def test_what_does_not_fit_is_left_out_whole(base):
    encoder = open_encoder(base, 3)
    long = "met " * 40
    seen = Sight((long, "the permit was granted", long), (1, 2, 0))
    _, text = encoder.pair("was the permit granted", seen)
    assert text == f"the permit was granted {long}"
    assert encoder.pair("was " * 70, seen) is None


def test_a_plan_measures_a_step(base):
    cost = measure(base, examples(30), RECIPE)
    assert cost.seconds > 0
    assert cost.memory > 0


def test_a_folder_that_is_no_encoder_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be opened as an encoder"):
        open_encoder(tmp_path, 3)
