import pytest

from labeling.engine.machine import kernels
from labeling.engine.machine.kernels import SMALL, KernelChoice, Kernels
from labeling.models.registry import ModelFile
from labeling.prompting.labeler import LabelerConfig

MODEL = LabelerConfig(model="/m.gguf")


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "m.gguf"
    with path.open("wb") as file:
        file.truncate(SMALL)  # takes no room on the disk
    return ModelFile(name="m", path=path, sha256="a" * 64)


@pytest.fixture
def measured(monkeypatch, cache):
    """Speeds by way, with the ways that were measured."""
    speeds, ways = {True: 98.0, False: 145.0}, []

    def measure(path, config, *, repack):
        ways.append(repack)
        return speeds[repack]

    monkeypatch.setattr(kernels, "measure", measure)
    return speeds, ways


def test_the_faster_way_is_chosen_and_measured_once(large, measured):
    _, ways = measured
    expected = KernelChoice(repack=False, origin="measured", tokens_per_second=(98.0, 145.0))
    assert [Kernels().choose(large, MODEL) for _ in range(2)] == [expected, expected]
    assert ways == [True, False]


def test_llama_cpp_s_default_stays_unless_the_other_way_is_clearly_faster(large, measured):
    speeds, _ = measured
    speeds[False] = 1.05 * speeds[True]
    assert Kernels().choose(large, MODEL).repack


@pytest.mark.parametrize("change", ["model", "processor", "threads", "library"])
def test_another_machine_model_or_library_is_measured_anew(large, measured, monkeypatch, change):
    _, ways = measured
    config = MODEL
    Kernels().choose(large, config)
    if change == "model":
        large = large.model_copy(update={"sha256": "b" * 64})
    elif change == "threads":
        config = MODEL.model_copy(update={"threads": 3})
    elif change == "processor":
        monkeypatch.setattr(kernels, "cpu_name", lambda: "another")
    else:
        monkeypatch.setattr(kernels, "version", lambda _: "0.0.1")
    Kernels().choose(large, config)
    assert ways == [True, False] * 2


@pytest.mark.parametrize(("repack", "on"), [("on", True), ("off", False)])
def test_what_the_reader_s_settings_say_is_not_measured(large, measured, repack, on):
    assert Kernels().choose(large, MODEL.model_copy(update={"repack": repack})) == KernelChoice(on, "given")
    assert not measured[1]


def test_a_small_model_is_not_measured(large, measured):
    with large.path.open("r+b") as file:
        file.truncate(SMALL - 1)
    assert Kernels().choose(large, MODEL) == KernelChoice(repack=True, origin="small")
    assert not measured[1]


@pytest.mark.model
@pytest.mark.slow
def test_both_ways_of_a_real_model_are_measured(smollm2_path):
    assert all(kernels.measure(smollm2_path, LabelerConfig(threads=1), repack=way) > 0 for way in (True, False))
