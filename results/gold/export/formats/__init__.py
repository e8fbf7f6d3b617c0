"""One module for each format: how it is written, and, where people label in it, how their labels are read back."""
