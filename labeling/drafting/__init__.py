"""Questions that a reader drafts: where in a document, in which words, and what a draft must be to pass.

The reader fills one blank only: the question and its answer. Which documents are read, which sentence a question is
about, which answer is wanted, which kind of question: all of that is arithmetic. Nothing in here asks a reader; `flows`
does.
"""
