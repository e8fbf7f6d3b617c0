"""Threads do not spin while they wait, on every path into the package, unless the user says otherwise."""

import os
import subprocess
import sys

import pytest

# Notes the setting at the moment when the first library that brings OpenMP is loaded.
PROBE = """
import importlib.abc, os, sys
class Probe(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in ("faiss", "torch", "sklearn", "llama_cpp"):
            print(os.environ.get("OMP_WAIT_POLICY"))
            os._exit(0)
sys.meta_path.insert(0, Probe())
"""


def first_seen(statement, **env):
    done = subprocess.run(
        [sys.executable, "-c", PROBE + statement], capture_output=True, text=True, check=True,
        env={key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"} | env,
    )  # fmt: skip
    return done.stdout.split()


@pytest.mark.parametrize(
    "statement",
    [
        "import retrieval.ranking.index",
        "import labeling.engine.vocabulary as v; v.load_library()",
        "import tercet; import llama_cpp",
        pytest.param("import labeling.engine.machine.trial; import llama_cpp", marks=pytest.mark.slow),
        pytest.param("import flows.serving.prefect_flows; import torch", marks=pytest.mark.slow),
        pytest.param("import flows.runners.workers", marks=pytest.mark.slow),
        pytest.param("import results.stats; import sklearn", marks=pytest.mark.slow),
        pytest.param("from flows.cli.main import main; import llama_cpp", marks=pytest.mark.slow),
        pytest.param("import flows.serving; import torch", marks=pytest.mark.slow),
    ],
)
def test_threads_that_wait_are_told_to_sleep_before_the_first_library_loads(statement):
    assert first_seen(statement) == ["passive"]


def test_the_user_s_own_setting_stays():
    assert first_seen("import retrieval; import faiss", OMP_WAIT_POLICY="active") == ["active"]
