"""Labelers on other machines: batch APIs, and calls to any OpenAI-compatible server."""
