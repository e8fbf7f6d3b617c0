"""The deployments of an experiment: one of each flow, each with a form of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName, DeploymentFilterTags
from prefect.deployments.runner import RunnerDeployment
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.callables import ParameterSchema, parameter_schema

from corpora.storage import StorePath, absolute
from flows.runners.names import TAG, deployment_name
from flows.serving import prefect_flows
from flows.serving.forms.limits import chunk_limits
from flows.serving.forms.making import filled_in
from flows.serving.forms.models import FormKind
from flows.serving.forms.schema import form_schema
from flows.session.experiment import Experiment
from flows.session.workspace import workspace_of


def deployments_of(file: Path, experiment: Experiment, store: StorePath) -> list[RunnerDeployment]:
    """A deployment of each flow, named after the experiment and the flow.

    Args:
        file: that the experiment was read from.
        experiment: fills in the forms.
        store: folder of runs.

    Raises:
        InputError: as `filled_in`.
    """
    limits = chunk_limits(experiment.retrieval.embedders, workspace_of(experiment, absolute(store), file.parent))
    made = []
    for kind, one in prefect_flows.FLOWS.items():
        deployment = RunnerDeployment.from_flow(
            one,
            name=deployment_name(experiment.name, kind),
            tags=[TAG],
            # By module: a file would be looked for in the current folder.
            entrypoint_type=EntrypointType.MODULE_PATH,
            parameters=filled_in(kind, experiment, file, str(absolute(store))).parameters(),
        )
        # Prefect has no other way to give one flow a schema that depends on the experiment.
        deployment._parameter_openapi_schema = _schema(kind, one, experiment, limits)
        made.append(deployment)
    return made


def _schema(kind: FormKind, one: Any, experiment: Experiment, limits: dict[str, int]) -> ParameterSchema:
    plain = parameter_schema(one).model_dump()
    return ParameterSchema.model_validate(form_schema(plain, kind, experiment, limits))


def remove_old_deployments(experiments: Sequence[str]) -> None:
    """Remove the deployments that an older version made of these experiments: all three had the experiment's name.

    Runs that they started are kept. One of a work pool has been made by a user, and stays.
    """
    old = DeploymentFilter(name=DeploymentFilterName(any_=list(experiments)), tags=DeploymentFilterTags(all_=[TAG]))
    ours = {f"{prefect_flows.__name__}.{kind}" for kind in prefect_flows.FLOWS}
    with get_client(sync_client=True) as client:
        for one in client.read_deployments(deployment_filter=old):
            if one.entrypoint in ours and not one.work_pool_name:
                client.delete_deployment(one.id)
