"""A whole run: the flows one after the other, then its tables, its manifest and its reports."""
