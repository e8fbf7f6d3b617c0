"""Votes and gold: labelers, prompts, the llama.cpp engine, the ledger, consensus."""
