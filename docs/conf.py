"""How Sphinx builds the documentation: `sphinx-build -W --keep-going -b html docs docs/_build/html`.

Nothing is fetched from the network.
"""

from mljobs import __version__

project = "mljobs"
author = "The mljobs authors"
project_copyright = "The mljobs authors"
release = version = __version__

extensions = ["myst_parser", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist", "linkify"]
myst_linkify_fuzzy_links = False
myst_heading_anchors = 3
"""Down to this level a heading can be linked to as `page.md#its-words`."""

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_title = f"mljobs {release}"
html_copy_source = False
html_show_sphinx = False

linkcheck_ignore = [r"https?://127\.0\.0\.1.*", r"https?://localhost.*"]
