"""What this machine's llama.cpp can do with a model file: load it without harm, and run it in the faster way."""
