"""Votes.

One answer to one prompt, the law that they are drawn by, the ledger that keeps them, and the gold set that they make
up. Nothing here knows a model or a provider.
"""
