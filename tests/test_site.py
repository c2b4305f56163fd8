"""The documentation's site says what the documents say; `make docs` builds it and refuses broken links."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def hook() -> SimpleNamespace:
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    return SimpleNamespace(**run_path(str(ROOT / ".ci" / "site_links.py")))


def test_links_lead_to_pages_and_those_to_code_become_words(hook: SimpleNamespace) -> None:
    readme = "![x](docs/accuracy.png) [Your own](docs/own_network.md#what) [`conf/`](conf) [More](CONTRIBUTING.md)"
    assert hook.as_page(readme, "README.md") == (
        "![x](accuracy.png) [Your own](own_network.md#what) `conf/` [More](contributing.md)"
    )
    document = "[`conf/`](../conf) [README](../README.md#layout) [terms](definitions.md) [there](https://x.org) [a](#a)"
    assert hook.as_page(document, "docs/own_network.md") == (
        "`conf/` [README](index.md#layout) [terms](definitions.md) [there](https://x.org) [a](#a)"
    )
    assert hook.as_page("[own](../own_network.md)", "docs/api/prunelab.md") == "[own](../own_network.md)"


def test_a_file_in_a_document_has_its_name_as_title(hook: SimpleNamespace) -> None:
    assert hook.as_page("```python my_cnn.py\nx\n```", "docs/a.md") == '```python title="my_cnn.py"\nx\n```'
    assert hook.as_page("```sh cluster\nx\n```", "docs/a.md") == "```sh\nx\n```"
