"""`ashlar explore`: the site for a template, served or written to a folder."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ashlar.errors import RefusedError
from ashlar.explore.serving import Server
from ashlar.explore.site import Site
from ashlar.explore.trees import Trees, Version, list_versions
from ashlar.git import require_git
from ashlar.rendering import instead
from ashlar.template import Template, expand, is_path

Say = Callable[[str], None]


@contextmanager
def open_site(source: str, names: Sequence[str] = ()) -> Iterator[Site]:
    """Open the site of a template; what it renders is removed afterwards.

    Args:
        source: Where the template is.
        names: The versions to show; all releases and the current state where empty.

    Raises:
        RefusedError: There is no such template or version.
    """
    require_git()
    if is_path(source):
        source = str(Path(source).expanduser().resolve())
    with _scratch() as scratch:
        template = Template.open(source, answers_file=None, scratch=scratch)
        versions = list_versions(template, names)
        start = versions[0].name if names else _latest(template, versions)
        command = f"uvx --from {shlex.quote(_installable(source))} ashlar new"
        # Copier, too, takes the copy that is here.
        with _environment(instead(template) | {"COPIER_CACHE_DIR": str(scratch / "copier")}):
            yield Site(Trees(template, versions, scratch), start=start, command=command)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for renders; one that a thread still makes when all ends is no failure."""
    with tempfile.TemporaryDirectory(
        prefix="ashlar-explore-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _latest(template: Template, versions: Sequence[Version]) -> str:
    """Return the version that Copier takes by itself: the latest tag, else the current state."""
    tags = set(template.git.text("tag").split())
    tagged = (each for each in template.releases if each.name in tags)
    stable = [each.name for each in tagged if not each.version.is_prerelease]
    return stable[-1] if stable else versions[0].name


def _installable(source: str) -> str:
    return source if is_path(source) else f"git+{expand(source)}"


def serve(site: Site, *, port: int, browser: bool, say: Say) -> None:
    """Serve a site until Ctrl-C.

    Args:
        site: The site.
        port: Where, or 0 for a free port.
        browser: Whether to open a browser on it.
        say: Is told the address.

    Raises:
        RefusedError: The port is taken.
    """
    with suppress(KeyboardInterrupt), Server(site, port) as server:
        say(server.url)
        if browser:
            threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
        server.serve_forever()


def export(site: Site, folder: Path, *, say: Say) -> None:
    """Write a site to a folder, with every tree it has.

    Args:
        site: The site.
        folder: Where to; it must not have files yet.
        say: Is told what is being done.

    Raises:
        RefusedError: The folder has files.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedError(
            f"{folder} is not empty: nothing was written.",
            next_step="Choose a folder that is not there yet.",
        )
    try:
        for path in site.paths(say):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(site.file(path) or b"")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
