"""What the site takes from elsewhere while it is built: files of the project, settings, names of the root."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path

import qkd_qiskit
from qkd_qiskit.config import settings_reference

DOCS = Path(__file__).parent
ROOT = DOCS.parent
# Pages that are files of the project, which has them outside this folder.
OUTSIDE = {
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "reference/devices": "backends/README.md",
}
_LINK = re.compile(r"(?<!`)(\]\()([^)#:\s]+)(#[^)\s]*)?\)")


def settings_table() -> str:
    """Return the settings of an experiment as Markdown, a heading a table of the file."""
    groups: dict[str, list[str]] = {}
    for setting in settings_reference():
        table, _, key = setting.key.rpartition(".")
        missing = "required" if setting.required else "left out"
        default = f"`{setting.default}`" if setting.default else missing
        row = (f"`{key}`", _cell(setting.kind), default, _cell(setting.description))
        groups.setdefault(table, []).append(f"| {' | '.join(row)} |")
    lines = []
    for table, rows in groups.items():
        lines += ["", f"## `[{table}]`" if table else "## At the top of the file", ""]
        lines += ["| key | takes | default | meaning |", "|---|---|---|---|", *rows]
    return "\n".join(lines)


def names_of(section: str) -> str:
    """Return directives that document the names of a section of the page `api.md`."""
    page = (DOCS / "api.md").read_text("utf-8")
    names = re.findall(r"^\| `(\w+)` \|", page.split(f"\n## {section}\n")[1].split("\n## ")[0], re.M)
    lines = ["```{eval-rst}"]
    for name in names:
        kind = "autoclass" if inspect.isclass(getattr(qkd_qiskit, name)) else "autofunction"
        lines += [f".. {kind}:: qkd_qiskit.{name}", ""]
    return "\n".join([*lines, "```"])


def downloadable(notebook: str) -> str:
    """Return an executed notebook that Jupyter opens without a question, and without links to other pages."""
    content = json.loads(notebook)
    content["metadata"]["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            cell["source"] = re.sub(r"\[([^\]]+)\]\((?!\w+:)[^)]+\)", r"\1", text)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


GENERATED: dict[str, Callable[..., str]] = {"settings": settings_table, "names": names_of}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _rebased(text: str, file: Path) -> str:
    """Return Markdown with links as the site has them: pages by their place, other files to download."""
    pages = {ROOT / source: DOCS / f"{page}.md" for page, source in OUTSIDE.items()}

    def link(found: re.Match[str]) -> str:
        path = (file.parent / found[2]).resolve()
        path = pages.get(path, path)
        if path.is_relative_to(DOCS):
            return f"](/{path.relative_to(DOCS).as_posix()}{found[3] or ''})"
        return found[0]

    return _LINK.sub(link, text)


def _read(app: object, name: str, source: list[str]) -> None:
    file = DOCS / f"{name}.md"
    if name in OUTSIDE:
        file = ROOT / OUTSIDE[name]
        source[0] = file.read_text("utf-8")
    source[0] = re.sub(
        r"^<!-- generated: (\w+)(?: (.+))? -->$",
        lambda found: GENERATED[found[1]](*([found[2]] if found[2] else [])),
        _rebased(source[0], file),
        flags=re.M,
    )


_untouched: dict[str, list[str]] = {}


def _keep(app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    if what in ("attribute", "property"):
        _untouched[name] = list(lines)


def _restore(app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    # napoleon takes what stands before a colon in a property's docstring for its type.
    lines[:] = _untouched.pop(name, lines)


def _offer(app, page: str, template: str, context: dict[str, object], tree: object) -> None:
    if page.startswith("tutorials/"):
        name = f"{page.removeprefix('tutorials/')}.ipynb"
        link = f'<a class="reference download" href="{name}" download>Download this page as a notebook</a>'
        context["body"] = f"<p>{link}, with pictures and results.</p>\n{context['body']}"


def _finished(app, failed: Exception | None) -> None:
    for source in (DOCS / "tutorials").glob("*.py") if failed is None else ():
        page = Path(app.outdir) / "tutorials" / f"{source.stem}.html"
        if '<img alt="../_images/' not in page.read_text("utf-8"):
            raise ValueError(f"{source.name}: expected pictures, found none")
        # MyST-NB leaves what it executed beside the site.
        executed = Path(app.outdir).parent / "jupyter_execute" / "tutorials" / f"{source.stem}.ipynb"
        page.with_suffix(".ipynb").write_text(downloadable(executed.read_text("utf-8")), "utf-8")


def setup(app) -> dict[str, bool]:
    """Join the build: every page passes through here before it is parsed."""
    app.connect("source-read", _read)
    app.connect("html-page-context", _offer)
    app.connect("build-finished", _finished)
    app.connect("autodoc-process-docstring", _keep, priority=100)
    app.connect("autodoc-process-docstring", _restore, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
