"""People's labels on a finished run: its queue, what is said of it, and the way out to other programs and back."""
