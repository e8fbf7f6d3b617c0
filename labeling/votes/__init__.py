"""Votes.

Each is one answer to one prompt. Here are the law by which they are drawn, the ledger that keeps them, and the gold set
that they make up. Nothing here knows a model or a provider.
"""
