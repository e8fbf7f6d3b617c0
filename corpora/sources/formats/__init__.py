"""Formats in which others publish corpora, one module for each: PubMedQA, Evidence Inference, SQuAD, BEIR, Chroma.

Each reads the files exactly as their authors published them. What is made of a corpus beyond that is in `shaping`.
"""
