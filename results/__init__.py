"""Numbers and pictures: metrics, statistics, the verdict, the report, the run store."""
