"""Pages of the site that are kept elsewhere in the repository, and links that lead out of `docs/`. A hook of MkDocs.

A page is read in two places: beside the code, where links are paths of the repository, and on the site. So a link to a
file that is a page of the site becomes a link to that page, and one to any other file becomes the file's path in code.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]

ELSEWHERE = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "bank/graphql/README.md": "explanation/graphql.md",
    "benchmarks/README.md": "project/benchmarks.md",
    "contracts/rules.md": "contracts/rules.md",
    "contracts/requirements.md": "contracts/requirements.md",
    "contracts/decisions/README.md": "contracts/decisions/index.md",
}
"""Paths in the repository, and where the site has them. Each decision joins them."""

LOADED = re.compile(
    r"<(?:script|img|iframe|source)[^>]* src=[\"']?(?:https?:)?//|<link[^>]* href=[\"']?(?:https?:)?//[^>]*stylesheet"
)
"""A script, picture, frame or style sheet that the page would load from another host."""

LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")


def _pages() -> dict[str, str]:
    numbered = ROOT.glob("contracts/decisions/[0-9]*.md")
    decisions = sorted(path.relative_to(ROOT).as_posix() for path in numbered)
    return ELSEWHERE | {path: path for path in decisions}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision into the navigation where it says `contracts/decisions/`."""
    decisions = [uri for path, uri in _pages().items() if path.startswith("contracts/decisions/")]
    for part in config.nav or []:
        for entries in part.values():
            for entry in entries if isinstance(entries, list) else ():
                if entry.get("Decisions") == "contracts/decisions/":
                    entry["Decisions"] = decisions
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are kept elsewhere. Raises PluginError where one is missing."""
    for path, uri in _pages().items():
        if not (ROOT / path).is_file():
            raise PluginError(f"docs/repository_pages.py names {path}, and there is no such file")
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    return files


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """Return the page as it is. Raises PluginError where it would load something from another host."""
    del config
    if found := LOADED.search(output):
        raise PluginError(f"{page.file.src_uri} loads something from elsewhere: {found[0]}")
    return output


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with the links of the repository as links of the site."""
    del config, files
    uri_of = _pages()
    uri_of |= {f"docs/{path.name}": path.name for path in (ROOT / "docs").glob("*.*")}
    uri_of |= {
        f"docs/{path.parent.name}/{path.name}": f"{path.parent.name}/{path.name}" for path in ROOT.glob("docs/*/*")
    }
    path_of = {uri: path for path, uri in uri_of.items()}
    own_path = path_of[page.file.src_uri]

    def rewrite(link: re.Match[str]) -> str:
        target, hash_sign, anchor = link["target"].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(own_path), target))
        if path in uri_of:
            here = posixpath.dirname(page.file.src_uri) or "."
            return f"{link['image']}[{link['text']}]({posixpath.relpath(uri_of[path], here)}{hash_sign}{anchor})"
        if not (ROOT / path).exists():
            raise PluginError(f"{own_path} links to {link['target']}, and there is no such file")
        text = link["text"].strip("`")
        return f"`{path}`" if text in {path, target} else f"{link['text']} (`{path}`)"

    return LINK.sub(rewrite, markdown)
