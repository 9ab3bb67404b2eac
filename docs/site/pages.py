"""Hook of MkDocs: pages from outside ``docs``, pages of the API, the version, and links out of the site.

The pages of the API are found, not listed: every package of the repository has one, and so has each package
inside it. What a package exports (``__all__``) is shown there, or else all its public modules. So a
room that moves takes its page along.
"""

from __future__ import annotations

import ast
import os
import re
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Pages of the site that lie at the top of the repository.
PROJECT = {
    "CONTRIBUTING.md": "Contributing",
    "CHANGELOG.md": "Changelog",
    "SECURITY.md": "Security",
}
#: Where packages lie whose API is shown (mkdocs.yml has them too); applications are used through commands.
FOLDERS = ("core", "plugins", "data")
#: A link or picture of Markdown. Its text may hold code and one level of brackets.
_LINK = re.compile(r"(?P<text>!?\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^()\s]+)\)")
_FENCED = re.compile(r"^```.*?^```[^\n]*$", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Say the version in the footer, and add the pages that are made here to the navigation."""
    config.copyright = f"memcell {version()}"
    made = {"API": _api_navigation(), "Project": [{t: n.lower()} for n, t in PROJECT.items()]}
    config.nav = [*(config.nav or []), *({title: pages} for title, pages in made.items())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside ``docs``, and those of the API."""
    made = {name.lower(): (ROOT / name).read_text(encoding="utf-8") for name in PROJECT}
    for notebook in sorted((DOCS / "notebooks").glob("*.ipynb")):
        made[f"notebooks/{notebook.stem}.md"], pictures = _notebooks().page_of(notebook)
        for name, picture in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
    for name, content in {**made, **_api_pages()}.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links of the site, those out of it into text."""
    uri = page.file.src_uri
    origin = {name.lower(): ROOT / name for name in PROJECT}.get(uri, DOCS / uri)

    def changed(link: re.Match[str]) -> str:
        target, mark, anchor = link["target"].partition("#")
        if not target or ":" in target:
            return link[0]
        path = Path(os.path.normpath(origin.parent / target))
        inside = _in_site(path)
        if inside is not None and not uri.startswith("notebooks/"):
            inside = inside.replace(".ipynb", ".md")  # the page of a notebook
        if inside is not None and files.get_file_from_path(inside) is not None:
            relative = os.path.relpath(inside, PurePosixPath(uri).parent)
            return f"{link['text']}({relative}{mark}{anchor})"
        # a link that leads nowhere stays as it is, so that MkDocs names it
        return link["text"].lstrip("!")[1:-1] if path.exists() else link[0]

    text, end = [], 0
    for block in _FENCED.finditer(markdown):
        text += [_LINK.sub(changed, markdown[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*text, _LINK.sub(changed, markdown[end:])])


def _notebooks() -> ModuleType:
    """Return the module beside this one: a hook is loaded by its path, and knows no package."""
    spec = spec_from_file_location("site_notebooks", Path(__file__).with_name("notebooks.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def version() -> str:
    """Return the version, from where the wheel has it, without importing anything of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    text = (ROOT / project["tool"]["hatch"]["version"]["path"]).read_text(encoding="utf-8")
    (found,) = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    return str(found)


def packages() -> dict[str, Path]:
    """Return the packages that have a page, by dotted name: each, followed by those inside it."""
    found = {}
    for folder in FOLDERS:
        for top in sorted((ROOT / folder).glob("*/__init__.py")):
            for init in sorted(top.parent.rglob("__init__.py")):
                found[".".join(init.parent.relative_to(ROOT / folder).parts)] = init.parent
    return found


def _in_site(path: Path) -> str | None:
    """Return the name that a file of the repository has within the site, where it may have one."""
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    return path.name.lower() if path.parent == ROOT and path.name in PROJECT else None


def _api_navigation() -> list[Any]:
    groups: dict[str, list[Any]] = {}
    for name in packages():
        package, _, inner = name.partition(".")
        groups.setdefault(package, []).append({inner: _uri(name)} if inner else _uri(name))
    return ["api/index.md", *({name: pages} for name, pages in groups.items())]


def _uri(name: str) -> str:
    """Return where the page of a package lies within the site."""
    package, _, inner = name.partition(".")
    return f"api/{package}/{inner or 'index'}.md"


def _api_pages() -> dict[str, str]:
    lines = ["# API", "", "Made from docstrings when this site is built.", ""]
    lines += ["| package | what it is |", "|---|---|"]
    pages = {}
    for name, folder in packages().items():
        summary = _docstring(folder / "__init__.py").partition("\n")[0].replace("|", "\\|")
        lines.append(f"| [`{name}`]({_uri(name).removeprefix('api/')}) | {summary} |")
        pages[_uri(name)] = _api_page(name, folder)
    return {"api/index.md": "\n".join(lines) + "\n", **pages}


def _api_page(name: str, folder: Path) -> str:
    """Return directives for mkdocstrings: the package's own docstring, then each part of it."""
    exported = _exported(folder / "__init__.py")
    modules = [p.stem for p in sorted(folder.glob("*.py")) if not p.name.startswith("_")]
    own = ["members: false", "show_root_heading: false", "show_root_toc_entry: false"]
    lines = [f"# {name}", "", f"::: {name}", "    options:", *(f"      {line}" for line in own)]
    # classes, functions, constants
    exported.sort(key=lambda part: (part.isupper(), part[0].islower(), part.lower()))
    for part in exported or modules:
        lines += ["", f"::: {name}.{part}"]
    return "\n".join(lines) + "\n"


def _exported(file: Path) -> list[str]:
    """Return ``__all__`` of a file without importing it, less names such as ``__version__``."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            try:
                names = [str(name) for name in ast.literal_eval(node.value)]
            except ValueError:
                return []  # put together from others, whose own pages list them
            return [name for name in names if not name.startswith("__")]
    return []


def _docstring(file: Path) -> str:
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
