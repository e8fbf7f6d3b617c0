"""Documents and questions: schema, sources, readers, validation, the bundled sample, a generator."""
