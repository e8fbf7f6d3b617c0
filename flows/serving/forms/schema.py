"""The JSON schema of a form as the browser gets it when serving starts: with what can be chosen, and what limits it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from flows.serving.forms.asked_questions import fewer_questions
from flows.serving.forms.models import FORMS, FormKind, advanced_of
from flows.session.experiment import Experiment
from labeling.models.registry import registry

SECTIONS = {"settings": "Settings", "advanced": "Advanced"}


def form_schema(
    plain: Mapping[str, Any], kind: FormKind, experiment: Experiment, limits: Mapping[str, int]
) -> dict[str, Any]:
    """The schema of a flow's parameters for one experiment.

    Args:
        plain: as Prefect derives it from the flow's signature.
        kind: which flow.
        experiment: the one that is served.
        limits: most tokens of a chunk, by the embedder's name.
    """
    schema = deepcopy(dict(plain))
    schema["required"] = list(SECTIONS)  # or the browser would call them optional
    for name, model in (("settings", FORMS[kind]), ("advanced", advanced_of(kind))):
        schema["properties"][name] |= {"title": SECTIONS[name], "description": model.__doc__}
        schema["definitions"][model.__name__]["required"] = model.required()
        # The values of the demonstration; the deployment has the experiment's.
        for field in (schema["properties"][name], *schema["definitions"][model.__name__]["properties"].values()):
            field.pop("default", None)
    settings = schema["definitions"][FORMS[kind].__name__]
    fields = settings["properties"]
    fields["readers"]["items"]["enum"] = _offered("reader", (one.label for one in experiment.readers))
    fields["questions"]["description"] += _own_numbers(experiment)
    if kind == "sweep":
        embedders = (one.label for one in experiment.retrieval.embedders)
        fields["embedders"]["items"]["enum"] = _offered("embedder", embedders)
        _limit_sizes(settings, limits)
    return schema


def _offered(kind: str, of_experiment: Iterable[str]) -> list[str]:
    """The names that a form offers: those of the experiment, and those in the registry.

    An embedder must be on this machine: only then does the form know how long a chunk may be.
    """
    known = [one for one in registry().values() if one.kind == kind]
    names = (one.name for one in known if kind != "embedder" or one.path.is_file())
    return list(dict.fromkeys([*of_experiment, *names]))


def _own_numbers(experiment: Experiment) -> str:
    fewer = [f"{name} is asked {n} at most" for name, n in fewer_questions(experiment).items()]
    return f" As the experiment says, {', '.join(fewer)}." if fewer else ""


def _limit_sizes(settings: dict[str, Any], limits: Mapping[str, int]) -> None:
    """Let the chosen embedder that reads least limit the sizes."""
    told = [f"{name} reads at most {limit}." for name, limit in limits.items()]
    sizes = settings["properties"]["sizes"]
    sizes["description"] = " ".join([sizes["description"], *told])
    if len(limits) == 1 and set(limits) == set(settings["properties"]["embedders"]["items"]["enum"]):
        sizes["items"]["maximum"] = min(limits.values())
        return
    condition: dict[str, Any] = {}
    for name, limit in sorted(limits.items(), key=lambda one: one[1], reverse=True):
        chosen = {"properties": {"embedders": {"contains": {"const": name}}}}
        limited = {"properties": {"sizes": {"items": {"maximum": limit}}}}
        condition = {"if": chosen, "then": limited} | ({"else": condition} if condition else {})
    settings |= condition
