"""The documentation as a site: `sphinx-build -W -b html docs SITE`; nothing is fetched.

Pages are Markdown (MyST), tutorials are notebooks written as Markdown and executed by the build,
the reference is made from docstrings (numpydoc).  Sphinx rather than mkdocs-material: it renders
numpydoc sections, resolves references between pages and docstrings, counts every broken one as a
warning (-W: an error), and executes notebooks, all without a network.
"""

from __future__ import annotations

import replicadnn

project = "replicadnn"
author = copyright = "The replicadnn developers"
release = version = replicadnn.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
nitpicky = False
language = "en"

html_theme = "furo"
html_title = f"replicadnn {release}"
html_static_path: list[str] = []
html_theme_options = {"navigation_with_keys": True}
html_copy_source = True

myst_heading_anchors = 4

nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False
