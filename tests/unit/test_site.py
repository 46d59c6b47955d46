"""The documentation site: links lead somewhere, and what is generated for it is whole."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest

import qkd_qiskit
from qkd_qiskit.config import settings_reference

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FILES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "backends/README.md")
PAGES = sorted([*DOCS.rglob("*.md"), *(ROOT / name for name in FILES)])


def prose(page: Path) -> str:
    """A page without its code."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "code", text)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as sites make them."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Links of a page that lead to no file, or to no heading."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "site_hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page):
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A b\n[1](#a-b) [2](#c) [3](page.md) [4](none.md) [5](https://x.org) `[6](code)`\n", "utf-8"
    )
    assert broken_links(page) == ["#c", "none.md"]


def test_the_page_of_settings_has_all_of_them(hooks):
    table = hooks.settings_table()
    assert len(re.findall(r"^\| `\w+` \|", table, re.M)) == len(settings_reference())
    assert "| `refine` | whole number, at least 0 | `60` |" in table
    assert "| `samples` | whole number, above 0 | required |" in table


def test_every_root_name_is_documented_on_one_page(hooks):
    pages = [page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md")]
    sections = re.findall(r"^<!-- generated: names (.+) -->$", "\n".join(pages), re.M)
    named = [
        name for section in sections for name in re.findall(r":: qkd_qiskit\.(\w+)", hooks.names_of(section))
    ]
    assert sorted(named) == sorted(qkd_qiskit.__all__)


def test_links_of_files_outside_lead_to_their_pages(hooks):
    text = "[a](docs/engine.md#measured) [b](backends/README.md) [c](Makefile) [d](https://x.org/y)"
    assert hooks._rebased(text, ROOT / "README.md") == (
        "[a](/engine.md#measured) [b](/reference/devices.md) [c](Makefile) [d](https://x.org/y)"
    )


def test_a_notebook_to_download_has_no_links_into_nowhere(hooks):
    page = "See [a page](../a.md#b), [the web](https://x.org)."
    cells = [{"cell_type": "markdown", "source": [page]}, {"cell_type": "code", "source": ["f[0](1)"]}]
    made = json.loads(hooks.downloadable(json.dumps({"metadata": {}, "cells": cells})))
    assert made["cells"][0]["source"].startswith("See a page, [the web](https://x.org)")
    assert made["cells"][1] == cells[1]
    assert made["metadata"]["kernelspec"]["name"] == "python3"


def test_the_badges_say_what_is_checked():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, tools = settings["project"], settings["tool"]
    least = next(
        filter(None, (re.fullmatch(r"qiskit>=([0-9.]+),<3", name) for name in project["dependencies"]))
    )
    newest = re.search(r"^qiskit==([0-9]+[.][0-9]+)", (ROOT / "constraints.txt").read_text(), re.M)
    assert least
    assert newest
    assert tools["mypy"]["strict"] is True
    assert "error" in tools["pytest"]["ini_options"]["filterwarnings"]
    label = re.search('aria-label="([^"]+)"', (DOCS / "badges.svg").read_text())
    assert label
    assert label[1].split("; ") == [
        f"python {project['requires-python'].removeprefix('>=')} or newer",
        f"qiskit {least[1]} to {newest[1]}",
        f"licence {project['license']}",
        "types mypy strict",
        "warnings are errors",
    ]
