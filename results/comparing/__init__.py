"""Readers compared, in pairs, on other corpora and by price; and two runs of one experiment compared."""
