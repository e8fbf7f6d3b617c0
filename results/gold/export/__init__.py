"""A gold set in the formats of others, and people's labels read back from them."""
