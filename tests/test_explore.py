"""The site of `ashlar explore`: what it says of a template, how it is served, and its refusals."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ashlar.errors import RefusedError
from ashlar.explore.colours import colours_of
from ashlar.explore.command import open_site, serve
from ashlar.explore.serving import Server
from ashlar.explore.site import PAGE, Site
from tests.checkout import ROOT, commit, git
from tests.projects import render, tree
from tests.updating import command, make_template, next_version, replace

SOON = 30


def data(site: Site, path: str) -> Any:
    """Return what a script of the site tells."""
    script = site.file(path)
    assert script is not None, path
    told = re.fullmatch(r'explore\.take\("([^"]+)",(.*)\)\n', script.decode())
    assert told
    assert path == f"data/{told[1]}.js"
    return json.loads(told[2])


def texts(site: Site, path: str) -> dict[str, bytes]:
    """Return the files of a tree, put together as the page does it."""
    return {
        name: data(site, f"data/text/{key[:2]}.js")[key].encode()
        for name, (key, _) in data(site, path).items()
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small template with two releases and a later state."""
    folder = make_template(tmp_path_factory.mktemp("explore") / "template")
    next_version(folder)
    replace(folder / "template", "README.md.jinja", "One.", "One, unreleased: ä𝄞.")
    commit(folder, "Not released")
    return folder


@pytest.fixture(scope="module")
def site(small: Path) -> Iterator[Site]:
    with open_site(str(small)) as opened:
        yield opened


def test_site_lists_the_versions_and_begins_with_what_copier_would_take(
    site: Site, small: Path
) -> None:
    told = data(site, "data/site.js")
    head = git(small, "describe", "--tags").strip()
    assert [(each["name"], each["release"]) for each in told["versions"]] == [
        (head, False),
        ("1.1.0", True),
        ("1.0.0", True),
    ]
    assert told["start"] == "1.1.0"
    assert told["command"] == f"uvx --from {small} ashlar new"
    assert [each["label"] for each in told["versions"][0]["options"]] == ["lamp"]


@pytest.mark.parametrize("choice", ["0", "1"])
@pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "HEAD"])
def test_site_shows_the_bytes_that_copier_writes(
    site: Site, small: Path, tmp_path: Path, version: str, choice: str
) -> None:
    render(small, tmp_path / "copied", {"use_lamp": choice == "1"}, version=version)
    name = git(small, "describe", "--tags", version).strip()
    assert texts(site, f"data/tree/{name}/{choice}.js") == tree(tmp_path / "copied")


@pytest.mark.parametrize(
    "path",
    ["data/tree/1.0.0/2.js", "data/tree/1.0.0/00.js", "data/tree/9.9.9/0.js", "../site.py", "x"],
)
def test_site_has_no_other_files(site: Site, path: str) -> None:
    assert site.file(path) is None


def test_export_writes_every_tree_and_what_it_needs(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    given = ("--template", str(small), "--version", "1.0.0", "--export", str(folder))
    done = command(tmp_path, "explore", *given)
    assert done.code == 0, done
    assert f"open {folder / 'index.html'}" in done.output.replace("\n", "")
    written = tree(folder)
    assert written.keys() >= {*PAGE, "data/tree/1.0.0/0.js", "data/tree/1.0.0/1.js"}
    packs = {name.split("/")[-1] for name in written if name.startswith("data/text/")}
    keys = re.findall(r'\["([0-9a-f]+)",', written["data/tree/1.0.0/1.js"].decode())
    assert packs >= {f"{key[:2]}.js" for key in keys}

    again = command(tmp_path, "explore", *given)
    assert again.code == 1
    assert "is not empty: nothing was written" in again.output
    assert tree(folder) == written


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.py", "def f():  # ä𝄞\n", "K4F1P5C6"),
        ("a.py", "", ""),
        ("a.unknown", "def f(): ...\n\n", "P14"),
        (".env.example", "# why\nA=1\n", "C6"),
        ("Dockerfile", "FROM x\n", "K"),
    ],
)
def test_colours_of_says_the_lengths_of_parts(path: str, text: str, expected: str) -> None:
    colours = colours_of(path, text)
    assert colours.startswith(expected)
    lengths = map(int, re.findall(r"\d+", colours))
    assert sum(lengths) == len(text.encode("utf-16-le")) // 2


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    with Server(site, 0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def get(server: Server, path: str, *, host: str | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=SOON)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_serving_lets_the_page_ask_no_other_host(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    answer = get(server, "/")
    assert answer.status == 200
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert get(server, "/data/site.js").headers["Content-Type"].startswith("text/javascript")
    assert get(server, "/..%2f..%2fcli.py").status == 404


def test_serving_refuses_a_name_that_leads_here_from_elsewhere(server: Server) -> None:
    assert get(server, "/", host=f"evil.example:{server.server_port}").status == 403
    assert get(server, "/", host=f"localhost:{server.server_port}").status == 200


def test_the_page_s_own_policy_is_the_server_s(site: Site, server: Server) -> None:
    page = site.file("index.html")
    assert page
    told = re.search(r'Content-Security-Policy" content="([^"]+)"', page.decode())
    assert told
    sent = get(server, "/").headers["Content-Security-Policy"]
    assert sent == f"{told[1]}; frame-ancestors 'none'"


def test_explore_stops_on_ctrl_c_without_a_word(small: Path) -> None:
    words = [sys.executable, "-m", "ashlar", "explore", "--no-browser", "--template", str(small)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        assert re.fullmatch(
            r"http://127\.0\.0\.1:\d+/ \(Ctrl-C stops it\)\n", running.stdout.readline()
        )
        running.send_signal(signal.SIGINT)
        said, complaint = running.communicate(timeout=SOON)
    assert (running.returncode, said, complaint) == (0, "", "")


def test_serve_refuses_a_port_that_is_taken(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RefusedError, match=f"Port {port} cannot be used"):
            serve(site, port=port, browser=False, say=lambda _: None)


def test_explore_refuses_what_is_not_there(small: Path, tmp_path: Path) -> None:
    for given, said in (
        (("--template", str(small), "--version", "9.9.9"), "has no version 9.9.9"),
        (("--template", str(tmp_path / "nowhere")), "The template is no longer at"),
    ):
        refused = command(tmp_path, "explore", "--no-browser", *given)
        assert refused.code == 1, refused
        assert said in refused.output
        assert "next: " in refused.output


def test_every_file_of_the_page_is_served_and_small() -> None:
    folder = ROOT / "src/ashlar/explore/page"
    assert {path.name for path in folder.iterdir()} == set(PAGE)
    for path in folder.iterdir():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path
