"""Other ways to run the stages: as Prefect tasks, with progress and artifacts, and on the workers of a Dask cluster."""
