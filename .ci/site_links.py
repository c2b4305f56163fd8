"""A hook of MkDocs: README and its like become pages, and documents that read well in a checkout read well as a site.

Links that lead out of the documents (to code, to configuration) become plain text, since the site knows no address of
the repository. A fence that is labelled with a file's name gets it as its title.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import normpath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
LABELLED = re.compile(r"^(```+)(\w+) (\S+)$", re.MULTILINE)


def on_config(config: Any) -> Any:
    """A document that has no place in mkdocs.yml stands under More."""
    placed = str(config["nav"])
    others = [path.name for path in sorted((ROOT / "docs").glob("*.md")) if f"'{path.name}'" not in placed]
    if others:
        config["nav"].append({"More": others})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made of files beside docs/."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text()
        files.append(File.generated(config, page, content=as_page(text, source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """The documents of docs/."""
    if page.file.src_uri in PAGES.values():
        return markdown
    return as_page(markdown, f"docs/{page.file.src_uri}")


def as_page(text: str, source: str) -> str:
    """The text of the file `source` (a path from the checkout's root) with the links and fences of a page.

    A mean stays on one line with what is after its ±.
    """
    folder = Path(source).parent.as_posix()

    def link(match: re.Match[str]) -> str:
        image, words, target, anchor = match.groups()
        path = normpath(f"{folder}/{target}")
        if path in PAGES:
            path = f"docs/{PAGES[path]}"
        if not path.startswith("docs/"):
            return words
        up = "../" * (len(Path(source).parts) - 2)
        return f"{image}[{words}]({up}{path.removeprefix('docs/')}{anchor or ''})"

    def fence(match: re.Match[str]) -> str:
        ticks, language, label = match.groups()
        title = f' title="{label}"' if "." in label else ""
        return f"{ticks}{language}{title}"

    return LABELLED.sub(fence, LINK.sub(link, text)).replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")
