"""Model files.

The registry of known models, how they are fetched and verified, the settings of their families, and their prices.
Nothing here loads a model.
"""
