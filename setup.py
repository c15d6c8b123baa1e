"""What pyproject.toml cannot say: the README for a package index, which has neither our pictures nor other pages."""

import re
from pathlib import Path

from setuptools import setup


def without_neighbours(text: str) -> str:
    """A Markdown text without paragraphs of pictures that lie beside it; of links to files, their words."""
    text = re.sub(r"^<p>\n?(?:<img src=\"(?!https?:)[^>]*>\n?)+</p>\n\n?", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]+\)", r"\1", text)


setup(
    long_description=without_neighbours(Path(__file__).with_name("README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
)
