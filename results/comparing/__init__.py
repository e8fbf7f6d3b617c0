"""Readers beside each other: in pairs, on other corpora, at their prices, and two runs of one experiment."""
