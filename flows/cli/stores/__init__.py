"""Commands on what a store holds: its runs, its batches, and whether all of it is as it was written."""
