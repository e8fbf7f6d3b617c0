"""The sections of a report, built from the tables and the manifest of a run; a file for each purpose."""
