"""From chunks to rankings: the precision of the embedders, the stages in order, and what rerankers make of them."""
