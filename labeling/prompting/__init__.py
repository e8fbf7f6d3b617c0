"""A reader as the user describes it.

Its model, prompt, sampling and where it is asked, and the prompts that these lead to.
"""
