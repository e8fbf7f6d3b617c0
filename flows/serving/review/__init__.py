"""The page on which people review the labels of a run: its content, what it looks like, and who is let in."""
