"""How `make docs` builds the site: Sphinx reads Markdown through MyST, and Furo needs no network to be read.

The source folder is the repository's root. So README, CONTRIBUTING, CHANGELOG and the published reports are pages too:
Sphinx checks every link between them, and copies every other file that a page links to.
"""

project = "Tercet"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/*.md",
    "results/published/*.md",
    "results/published/*/report.md",
    "results/published/*/excluded.md",
]
exclude_patterns = [".*", "build", "dist", "runs", "site"]
suppress_warnings = ["toc.not_included"]  # published reports are linked, and not in the navigation

myst_heading_anchors = 4
html_theme = "furo"
html_title = "Tercet"
html_copy_source = False
html_show_sphinx = False
