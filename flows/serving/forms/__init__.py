"""What a user sets for one run in the Prefect UI, and the experiment that this makes."""
