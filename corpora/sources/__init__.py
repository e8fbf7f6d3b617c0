"""One reader for each form that a corpus comes in.

Tables, PubMedQA, Evidence Inference, SQuAD, BEIR, Chroma's, the bundled sample, the generator. A reader turns files
into documents and questions and refuses what it cannot read exactly; it samples and joins nothing.
"""
