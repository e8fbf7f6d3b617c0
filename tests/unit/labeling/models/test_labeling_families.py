import tomllib
from pathlib import Path

import pytest

import labeling
from corpora.errors import InputError
from labeling.models.families import FAMILIES, family_preset, presets
from labeling.models.registry import registry
from labeling.prompting.labeler import LabelerConfig


def test_qwen3_samples_as_its_card_says_for_thinking():
    assert family_preset("qwen3").parameters == {"temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0.0}


def test_qwen25_samples_as_its_generation_config_says():
    preset = family_preset("qwen2.5")
    assert preset.parameters == {"temperature": 0.7, "top_k": 20, "top_p": 0.8, "repeat_penalty": 1.05}
    assert "Qwen/Qwen2.5-7B-Instruct" in preset.source


def test_what_a_publisher_says_nothing_about_is_left_open():
    preset = family_preset("llama3")
    assert preset.parameters == {"temperature": 0.6, "top_p": 0.9}
    assert preset.top_k is None


def test_every_reader_of_the_registry_has_a_preset():
    families = {model.family for model in registry().values() if model.kind == "reader"}
    assert families == set(presets())


def test_no_family_has_two_presets():
    entries = tomllib.loads(FAMILIES.read_text(encoding="utf-8"))["families"]
    assert len({entry["name"] for entry in entries}) == len(entries)


@pytest.mark.parametrize("preset", presets().values(), ids=lambda preset: preset.name)
def test_every_preset_names_its_source_and_is_a_valid_sampling(preset):
    assert len(preset.source) > 20
    shared = preset.parameters.keys() & LabelerConfig.model_fields.keys()
    LabelerConfig.model_validate({key: preset.parameters[key] for key in shared})


def test_the_presets_travel_with_the_package():
    root = Path(labeling.__file__).parents[1]
    packaged = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = packaged["tool"]["setuptools"]["package-data"]["labeling"]
    assert any(FAMILIES.relative_to(root / "labeling").match(pattern) for pattern in patterns)


def test_a_family_without_a_preset_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"no sampling preset for the family 'qwen-3': .*did you mean 'qwen3'\?"):
        family_preset("qwen-3")


def test_a_family_like_no_other_is_refused_without_a_guess():
    with pytest.raises(InputError, match="temperature, top_k, top_p and min_p yourself") as refused:
        family_preset("minilm-of-no-kin")
    assert "did you mean" not in str(refused.value)
