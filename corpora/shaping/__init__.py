"""What is done to a corpus after it is read.

It is checked and rows with defects are left out, questions are drawn, documents are stitched together, distractors are
added. Nothing here has a file format of its own.
"""
