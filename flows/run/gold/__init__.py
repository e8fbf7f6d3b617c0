"""After the gold set: the corpus of a finished run again, taking its labels away, and training on them."""
