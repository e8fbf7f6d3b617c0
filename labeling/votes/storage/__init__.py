"""What a ledger is made of on disk.

Claims keep two processes from asking the same question, journals hold what was just answered, and shards hold the rest.
Nothing here knows which votes are missing.
"""
