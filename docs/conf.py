"""How Sphinx builds the site: `make docs`."""

import logging
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "qkd_qiskit"
author = copyright = "The qkd_qiskit authors"
version = release = installed_version("qkd-qiskit")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib.mermaid",
    "sphinx_copybutton",
    "site_hooks",
]
exclude_patterns = ["conf.py", "site_hooks.py", "keel_tables.py"]

# A link that leads nowhere, headings included, is a warning, and `make docs` takes warnings for errors.
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
myst_fence_as_directive = ["mermaid"]

# Tutorials are jupytext sources, executed while the site is built: so no output is older than the code.
# Outputs are kept beside the site, and made again where a cell has changed.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_cache_path = str(Path(__file__).parents[1] / "build" / "docs" / "cells")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True

# Docstrings are plain text with `code` between single marks; types stand in the hints alone.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    # scikit-learn adds these, with references to pages of its own.
    "exclude-members": "set_fit_request, set_partial_fit_request, set_score_request",
}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False

# Sphinx would print what Qiskit tells of its passes, and the executor of its kernels.
for chatty in ("qiskit", "traitlets"):
    logging.getLogger(chatty).setLevel(logging.WARNING)

html_theme = "furo"
html_title = "qkd_qiskit"
html_copy_source = False
html_show_sphinx = False
