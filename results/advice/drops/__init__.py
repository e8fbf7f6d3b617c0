"""Whether a later run is worse than an earlier one: what both scored on the same questions, tested and said."""
