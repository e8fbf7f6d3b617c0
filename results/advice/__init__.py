"""What a sweep says to the user: verdicts, recommendations, warnings, and examples of what went wrong."""
