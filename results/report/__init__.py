"""Reports, rendered from tables and nothing else: plots, Markdown (`text/`) and HTML (`html/`)."""
