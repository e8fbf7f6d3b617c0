"""One module for each source that a corpus comes from.

A folder of documents, tables, PubMedQA, Evidence Inference, SQuAD, BEIR, Chroma's format, the bundled sample, the
generator. A source turns files into documents and questions and refuses what it cannot read exactly; it does not sample
or join anything.
"""
