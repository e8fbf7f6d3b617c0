"""Specialists: small models trained on gold labels, which answer as readers do.

A specialist sees the question and the passages of the context that are most similar to it. How these are found is
retrieval's business: `flows` passes it in as a `Look`.
"""
