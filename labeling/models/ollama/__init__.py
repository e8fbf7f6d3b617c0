"""Ollama's files: a Modelfile becomes a reader of an experiment.

Nothing here is needed to ask that reader.
"""
