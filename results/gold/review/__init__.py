"""People's labels: which questions they are asked, and where their answers are kept. Votes are never touched."""
