"""Models as files.

The registry of known ones, how they are fetched and verified, their families' settings, their prices. Nothing here
loads a model.
"""
