"""What the commands that must answer at once do not load. Times vary with the machine; what is loaded does not."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

SLOW = {"torch", "transformers", "openvino", "prefect", "distributed", "altair", "sklearn", "llama_cpp", "pandas"}
SLOW |= {"scipy.stats", "scipy.optimize"}  # SciPy loads these at their first use
STATISTICS = {"scipy", "ir_measures"}


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        pytest.param("flows.cli.main", SLOW | STATISTICS | {"polars", "numpy", "pydantic", "faiss"}, id="--help"),
        pytest.param("flows.planning.whole_plan", SLOW | STATISTICS, id="plan"),
        pytest.param("flows.run.pipeline, flows.run.review.audited", SLOW, id="report"),
    ],
)
def test_a_command_loads_only_what_it_needs(modules, unwanted):
    code = f"import sys, {modules}; print(*{unwanted} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []
