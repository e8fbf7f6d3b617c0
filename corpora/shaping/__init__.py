"""What is done to a corpus after it is read.

Questions are drawn, documents are stitched together, distractors are added. Nothing here has a file format of its own.
"""
