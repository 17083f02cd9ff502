"""Sphinx configuration. Every example in the pages runs at each build; nothing is fetched."""

from fleckcore import __version__

project = "fleckcore"
author = "The fleckcore developers"
copyright = "The fleckcore developers, BSD-3-Clause"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_nb",
]
exclude_patterns = ["_build", "performance"]  # tables and pictures that a page includes
templates_path = ["_templates"]
default_role = "py:obj"

html_theme = "pydata_sphinx_theme"
html_title = f"fleckcore {version}"
html_sidebars = {
    page: []
    for page in (
        "getting_started",
        "searching",
        "command_line",
        "instruments",
        "faults",
        "kernels",
        "performance",
    )
}
html_theme_options = {"show_toc_level": 2, "secondary_sidebar_items": ["page-toc"]}

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings give types, shapes and units
numpydoc_show_class_members = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
