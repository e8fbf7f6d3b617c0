"""Questions that a reader drafts from documents: which documents, asking, filtering, and the files that come of it."""
