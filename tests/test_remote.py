"""`ashlar new`, `update` and `explore` with a template at a URL, as a server has it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.checkout import commit, git
from tests.updating import (
    ANSWERS,
    NEW,
    THREADS,
    command,
    edited,
    make_template,
    module,
    next_version,
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A bare repository, empty."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "srv/house.git")
    return tmp_path / "srv/house.git"


@pytest.fixture
def url(repository: Path) -> Iterator[str]:
    """The repository's, by HTTP."""
    handler = partial(_Quiet, directory=str(repository.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{repository.name}"
        server.shutdown()


def push(template: Path, repository: Path) -> None:
    """Bring a template and its tags to where it is served."""
    git(template, "push", "--quiet", "--mirror", str(repository))
    git(repository, "update-server-info")


def test_a_template_at_a_url_is_copied_updated_and_explored(
    repository: Path, url: str, tmp_path: Path
) -> None:
    template = make_template(tmp_path / "template")
    push(template, repository)
    made = command(tmp_path, "new", "made", "--defaults", "--template", url)
    assert made.code == 0, made
    project = tmp_path / "made"
    assert f"_commit: 1.0.0\n_src_path: {url}\n" in (project / ANSWERS).read_text()

    git(project, "init", "--quiet", "--initial-branch=main")
    commit(project, "Rendered")
    edited(project)
    next_version(template)
    push(template, repository)
    updated = command(project, "update")
    assert updated.code == 0, updated
    assert f"_commit: 1.1.0\n_src_path: {url}\n" in (project / ANSWERS).read_text()
    assert 'return "mine"' in (project / THREADS).read_text()
    assert (project / NEW).read_text() == module("new")

    shown = command(tmp_path, "explore", "--template", url, "--export", "site")
    assert shown.code == 0, shown
    assert f"uvx --from git+{url} ashlar new" in (tmp_path / "site/data/site.js").read_text()
    newest = (tmp_path / "site/data/tree/1.1.0/0.js").read_text()
    assert NEW in newest
    assert NEW not in (tmp_path / "site/data/tree/1.0.0/0.js").read_text()


@pytest.mark.parametrize(
    "arguments", [("new", "made", "--defaults"), ("explore", "--export", "site")], ids=" ".join
)
def test_a_url_without_a_repository_is_refused_with_a_next_step(
    url: str, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    refused = command(tmp_path, *arguments, "--template", url.replace("house", "garden"))
    assert refused.code == 1, refused
    error, _, next_step = refused.output.partition("next: ")
    assert re.search(r": fatal: repository '\S+/garden.git/' not found. ?", error), refused
    assert " | " not in error, refused
    assert "_src_path" not in next_step, refused
    assert re.search("the template is there|with --template", next_step), refused
    assert [path.name for path in tmp_path.iterdir()] == ["srv"]
