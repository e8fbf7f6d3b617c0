"""Whether retrieval found what it should: documents, and spans of evidence within them."""
