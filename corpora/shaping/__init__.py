"""What is done to a corpus once it is read.

Questions are drawn, documents are stitched together, distractors are added. Nothing here reads a file format of its
own.
"""
