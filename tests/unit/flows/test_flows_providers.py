"""What a run may spend is counted once, whoever is asked in between."""

from pathlib import Path

from flows.session import providers
from flows.session.providers import begin_spending
from flows.session.workspace import Workspace


def test_a_free_server_that_is_asked_in_between_does_not_start_the_count_again(tmp_path):
    workspace = Workspace(tmp_path, prices=Path("prices.toml"), max_cost=1.0)
    begin_spending(workspace)
    spending = providers._run_of(workspace).spending
    assert providers._run_of(workspace._replace(prices=None)).spending is spending
    assert providers._run_of(workspace).spending is spending
    assert providers._run_of(workspace._replace(max_cost=2.0)).spending is not spending
