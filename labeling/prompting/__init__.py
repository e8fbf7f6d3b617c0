"""A reader as the user describes it.

Model, prompt, sampling, and where it is asked; and the prompts that follow from it.
"""
