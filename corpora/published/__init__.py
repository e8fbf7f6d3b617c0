"""Published corpora by name: where they are published, their licences and digests, and how they are fetched.

Nothing is fetched unless somebody asks for it. What is fetched lies in the cache folder, beside the models.
"""
