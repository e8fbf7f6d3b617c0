"""A store keeps to one way of running a model."""

import json

import pytest

from corpora.errors import InputError
from corpora.reading.damage import set_aside
from corpora.schema import LabelSet
from flows.run.stores.damage import find_damage
from flows.session.experiment import ReaderConfig
from flows.session.kernel_choices import KernelChoices
from flows.session.workspace import Workspace
from labeling.engine.machine.kernels import KernelChoice
from tests.doubles.scripted import scripted_session

LABELS = LabelSet(("yes", "no"))
READER = ReaderConfig(model="one")


@pytest.fixture
def opened(tmp_path):
    """Opens a session, as a machine with this choice would."""

    def open_session(repack):
        scripted = scripted_session(tmp_path, lambda *_: (0.5, 0.5))
        asked = []

        def kernels(model):
            return KernelChoice(repack, "measured")

        def open_reader(config, labels, real=scripted.readers.open):
            asked.append(config.repack)
            return real(config, labels)

        scripted.readers.kernels, scripted.readers.open = kernels, open_reader
        return scripted.session, asked

    return open_session


def test_the_first_choice_of_a_store_stays_its_choice(opened, tmp_path):
    first, asked = opened(repack=False)
    first.labeler(READER, LABELS, for_votes=True)
    second, asked_later = opened(repack=True)
    second.labeler(READER, LABELS, for_votes=True)
    assert (asked, asked_later) == (["auto"], ["off"])
    assert second.kernels(READER) == "plain"
    assert json.loads((tmp_path / "kernels.json").read_text()) == {first.readers.sha256("one"): "off"}


def test_a_reader_that_is_only_measured_decides_nothing(opened, tmp_path):
    session, _ = opened(repack=False)
    session.labeler(READER, LABELS)
    assert session.kernels(READER) is None
    assert not (tmp_path / "kernels.json").exists()


def test_votes_from_before_there_was_a_choice_were_read_with_rearranged_weights(opened, tmp_path):
    session, asked = opened(repack=True)
    folder = tmp_path / "ledger" / session.fingerprint(READER, LABELS)
    folder.mkdir(parents=True)
    (folder / "old.parquet").touch()
    session.labeler(READER, LABELS, for_votes=True)
    assert asked == ["on"]


def test_another_way_than_the_store_s_is_refused_in_one_line(opened):
    opened(repack=False)[0].labeler(READER, LABELS, for_votes=True)
    session, asked = opened(repack=True)
    with pytest.raises(InputError, match=r"reader 'one' has repack = 'on', and votes .* repack = 'off'") as refused:
        session.labeler(READER.model_copy(update={"repack": "on"}), LABELS, for_votes=True)
    assert "\n" not in str(refused.value)
    assert not asked
    session.labeler(READER.model_copy(update={"repack": "off"}), LABELS, for_votes=True)


def test_the_choice_is_in_the_manifest_s_words(opened):
    session, _ = opened(repack=True)
    session.labeler(READER, LABELS, for_votes=True)
    assert session.kernels(READER) == "repacked"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": "perhaps"}', b"\xff"], ids=repr)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "kernels.json").write_bytes(content)
    with pytest.raises(InputError, match=r"kernels\.json is damaged") as refused:
        KernelChoices(tmp_path).get("a")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"{", b'{"short": "on"}', b'{"' + b"a" * 64 + b'": "yes"}'])
def test_the_store_check_names_a_damaged_file_and_sets_it_aside(tmp_path, content):
    (tmp_path / "kernels.json").write_bytes(content)
    (damage,) = find_damage(Workspace(tmp_path))
    assert damage.path == tmp_path / "kernels.json"
    set_aside(damage)
    assert list(find_damage(Workspace(tmp_path))) == []
    assert KernelChoices(tmp_path).get("a" * 64) is None
