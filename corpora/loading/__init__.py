"""From an experiment's corpus section, or a bare path, to a corpus: every source is known here, and nowhere else."""
