"""What a run is given and what its process keeps open: the experiment, the store, and one `Session` for the rest."""
