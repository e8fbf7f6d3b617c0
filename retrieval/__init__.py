"""Chunks and hits: splitters, embedding, the FAISS index, context assembly under k or a token budget."""
