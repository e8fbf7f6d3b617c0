"""A folder of the user's own documents: which files it has, and what their text is.

One module for each format turns the bytes of a file into its text, with sections at exact offsets. It refuses what it
cannot read, and knows nothing of folders, ids and questions.
"""
