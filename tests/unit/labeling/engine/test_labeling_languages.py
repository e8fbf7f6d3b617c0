"""Labels of 13 languages, against brute force: every spelling evaluated on its own, behind the prompt."""

import numpy as np
import pytest

from corpora.schema import LabelSet
from labeling.engine.label_mode import LocalLabeler, scoring_of
from labeling.engine.label_reader import build_label_reader, spellings
from labeling.engine.llama import LlamaModel
from labeling.models.registry import find_model
from labeling.prompting.labeler import LabelerConfig
from labeling.votes.vote import Prompt

pytestmark = pytest.mark.model

LANGUAGES = {
    "English": ("yes", "no", "not sure"),
    "German": ("ja", "nein", "vielleicht"),
    "French": ("oui", "non", "peut-être"),
    "Spanish": ("sí", "no", "quizás"),
    "Russian": ("да", "нет"),
    "Greek": ("ναι", "όχι"),
    "Arabic": ("نعم", "لا"),
    "Hebrew": ("כן", "לא"),
    "Hindi": ("हाँ", "नहीं"),
    "Thai": ("ใช่", "ไม่ใช่"),
    "Chinese": ("是", "否"),
    "Japanese": ("はい", "いいえ"),
    "Korean": ("예", "아니요"),
}
MODELS = ["smollm2-135m", "qwen2.5-coder-0.5b", "gemma-3-270m"]


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    path = find_model(request.param).path
    if not path.is_file():
        pytest.skip(f"no model file {path}; fetch it with `tercet models fetch {request.param}`")
    with LlamaModel(path, num_ctx=512, threads=1, n_batch=64) as llama:
        yield llama


def labeler_of(llama, labels, **settings):
    return LocalLabeler(LabelerConfig(template="plain", **settings), LabelSet(labels), llama, "0" * 64)


def prompt_of(labels, start):
    return Prompt("q", "document", 0, 0, "", f"{labels[0]}?", start)


def flat_score(llama, prompt, sequence):
    """Probability of a token sequence behind a prompt, evaluated on its own in one go."""
    tokens = (*prompt, *sequence)
    llama.clear()
    for at, token in enumerate(tokens):
        llama.put(at, token, at, (0,), read=at >= len(prompt) - 1)
    llama.decode(len(tokens))
    rows = [llama.logprobs(at) for at in range(len(prompt) - 1, len(tokens) - 1)]
    return float(np.exp(sum(row[token] for row, token in zip(rows, sequence, strict=True))))


def brute_force(llama, labeler, labels, prompt):
    """Mass of each label: of its sequences' probabilities, less what goes on as a longer sequence."""
    tokens = labeler.tokenize(prompt)
    before = llama.tokenize(prompt.start or "\n", special=False, add_bos=False)
    scores, owner = {}, {}
    for number, label in enumerate(labels):
        for text in spellings(label):
            whole = llama.tokenize((prompt.start or "\n") + text, special=False, add_bos=False)
            if whole[: len(before)] != before:  # melted into the prompt's last token: as it stands on a line of its own
                line = llama.tokenize("\n", special=False, add_bos=False)
                whole = llama.tokenize("\n" + text, special=False, add_bos=False)
                sequence = tuple(whole[len(line) :])
            else:
                sequence = tuple(whole[len(before) :])
            scores[sequence], owner[sequence] = flat_score(llama, tokens, sequence), number
    mass = np.zeros(len(labels))
    for sequence, score in scores.items():
        mass[owner[sequence]] += score
        parents = [sequence[:end] for end in range(len(sequence) - 1, 0, -1) if sequence[:end] in scores]
        if parents:  # counted already for the longest sequence that it continues
            mass[owner[parents[0]]] -= score
    return mass


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_label_has_the_mass_that_brute_force_finds(model, language):
    labels = LANGUAGES[language]
    labeler = labeler_of(model, labels)
    prompt = prompt_of(labels, "Answer:")
    vote = labeler.ask([prompt])[0]
    expected = brute_force(model, labeler, labels, prompt)
    shares = np.array(vote.probabilities) / sum(vote.probabilities)
    difference = np.abs(shares - expected / expected.sum())
    assert difference.max() < 0.05, (vote.probabilities, expected)
    assert vote.outside_mass == pytest.approx(1 - expected.sum(), abs=0.05)


@pytest.mark.slow
def test_the_most_probable_label_is_found_though_its_usual_spelling_is_two_tokens(model):
    # Issue: " 否" is two tokens and "否" one, so that nearly all of the label's mass was dropped.
    labels = LANGUAGES["Chinese"]
    labeler = labeler_of(model, labels)
    prompt = prompt_of(labels, "Answer:")
    tokens = labeler.tokenize(prompt)
    spaced = model.tokenize("Answer: 否", special=False, add_bos=False)[2:]
    vote = labeler.ask([prompt])[0]
    assert vote.probabilities[1] >= 0.9 * flat_score(model, tokens, tuple(spaced)) - 0.01


def test_stored_votes_are_asked_again_only_where_a_spelling_was_dropped(smollm2):
    config = LabelerConfig(model="smollm2-135m")
    assert scoring_of(config, LabelSet(), smollm2) == "label/1"
    assert scoring_of(config, LabelSet(LANGUAGES["Chinese"]), smollm2) == "label/2"
    # Both labels begin with the same bytes, so that they were scored whole before.
    assert scoring_of(config, LabelSet(LANGUAGES["Hebrew"]), smollm2) == "label/1"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_spelling_spells_its_label_behind_the_prompt(smollm2, language):
    labels = LANGUAGES[language]
    reader = build_label_reader(
        LabelSet(labels), lambda text: labeler_of(smollm2, labels)._chat.continuation("Answer:", text)
    )
    for label, sequences in zip(labels, reader.sequences, strict=True):
        written = {b"".join(map(smollm2.piece, sequence)).decode() for sequence in sequences}
        assert written == set(spellings(label))
