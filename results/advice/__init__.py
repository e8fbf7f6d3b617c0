"""What a result says to the user: advice (`advice.Advice`), warnings, and examples of what went wrong."""
