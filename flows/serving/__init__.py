"""`tercet serve`: forms, deployments and reports for the Prefect UI."""
