"""The user's own documents and questions, as JSONL, CSV or Parquet, with a column mapping.

What a column holds is declared, never guessed from how a value begins: an id such as `[PMID:1023]` is an id.
"""
