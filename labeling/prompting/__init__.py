"""A reader as the user describes it: model, prompt, sampling, and where it is asked; and the prompts that follow from it."""
