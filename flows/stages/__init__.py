"""The steps that the flows put in order: asking, indexing, reading, measuring; and the runner that calls them."""
