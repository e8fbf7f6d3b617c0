"""Commands on experiments and corpora as files: a first experiment, checks, the schema, published corpora."""
