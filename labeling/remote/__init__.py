"""Readers at a provider: requests and answers, clients and their limits, and what may be spent.

Batch jobs are in `jobs/`.
"""
