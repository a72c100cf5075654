"""Sphinx: the reference is made of the docstrings."""

from importlib.metadata import version as _version

project = "gantools"
author = "the gantools developers"
version = release = _version("gantools")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode", "numpydoc"]
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
html_theme = "alabaster"
html_theme_options = {"description": "GANs for people who are not GAN researchers", "page_width": "66rem"}
default_role = "code"
templates_path = ["_templates"]
exclude_patterns = ["_templates"]
