"""What the tests of the public module share."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.fixture
def python():
    """Run Python in a fresh process that finds this checkout."""

    def run(*arguments, cwd=ROOT):
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        return subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)

    return run
