"""The command line: `ashlar new`, `ashlar explore`, `ashlar add resource`, `ashlar update`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from ashlar import report
from ashlar.errors import RefusedError
from ashlar.git import GitError
from ashlar.options import answers_of, parse_data, with_questions
from ashlar.origin import find_origin
from ashlar.project import ANSWERS_FILE, Project
from ashlar.update import Wish, update

# Conflicts are no failure, but a calling program must be able to tell.
CONFLICTS_LEFT = 3

app = typer.Typer(
    name="ashlar",
    help="Makes projects from the Ashlar template, and looks after them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
Template = Annotated[
    str | None,
    typer.Option(help="Where the template is; where this command came from unless given."),
]
add = typer.Typer(help="Adds to a project.", no_args_is_help=True)
app.add_typer(add, name="add")
_out = Console(highlight=False, soft_wrap=True)
_err = Console(highlight=False, soft_wrap=True, stderr=True)


@app.callback()
def _commands() -> None:
    """Makes projects from the Ashlar template, and looks after them."""


@app.command(name="new")
@with_questions
def new_command(
    folder: Annotated[str | None, typer.Argument(help="The project's folder.")] = None,
    all_services: Annotated[
        bool | None, typer.Option("--all/--none", help="All services, or none.")
    ] = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Ask nothing: what is not given has its default.")
    ] = False,
    data: Annotated[
        list[str] | None, typer.Option(help="An answer as question=value; as often as needed.")
    ] = None,
    data_file: Annotated[
        Path | None,
        typer.Option(help="A YAML file with answers, such as another .copier-answers.yml."),
    ] = None,
    template: Template = None,
    version: Annotated[
        str | None,
        typer.Option(help="A version, branch or commit; the latest release unless given."),
    ] = None,
    *,
    flags: Mapping[str, Any],
) -> None:
    """Make a new project: a few questions, then the files, as `copier copy` writes them."""
    from ashlar.new import Order, make_project

    answers = answers_of(
        data_file=data_file, all_services=all_services, data=data or [], flags=flags
    )
    order = Order(
        source=template or find_origin(),
        version=version,
        folder=folder,
        answers=answers,
        defaults=defaults,
    )
    try:
        for warning in make_project(order, _err):
            report.warn(warning, _err)
    except KeyboardInterrupt:
        raise RefusedError("Interrupted: nothing was written.", next_step="Run it again.") from None


@app.command(name="explore")
def explore_command(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
    export: Annotated[
        Path | None, typer.Option(help="Write the site to this folder, and serve nothing.")
    ] = None,
    template: Template = None,
    version: Annotated[
        list[str] | None,
        typer.Option(help="A version to show, as often as needed; all releases unless given."),
    ] = None,
) -> None:
    """Look before you copy: pick options, read the files they give, compare, copy the command."""
    from ashlar.explore import command

    def say(url: str) -> None:
        status.stop()
        _out.print(Text(f"{url} (Ctrl-C stops it)"))

    try:
        with (
            _err.status("Looking at the template …") as status,
            command.open_site(template or find_origin(), version or []) as site,
        ):
            if export is None:
                command.serve(site, port=port, browser=browser, say=say)
                return
            command.export(site, export, say=status.update)
            status.stop()
            _out.print(Text(f"Written: open {export / 'index.html'}"))
    except KeyboardInterrupt:
        raise RefusedError("Interrupted: nothing was written.", next_step="Run it again.") from None


@add.command(name="resource")
def add_resource_command(
    name: Annotated[str, typer.Argument(help="One of it, such as ticket.")],
    fields: Annotated[
        list[str] | None,
        typer.Argument(help="name:type each, and ? behind it for one that may be null."),
    ] = None,
    plural: Annotated[
        str | None, typer.Option(help="Many of it, where -s, -es and -ies are wrong.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")
    ] = False,
) -> None:
    """Write a resource into this project: from its table to its routes, tests and migration.

    Types: str, text, int, float, decimal, bool, date, datetime, uuid, json, 'enum(open,closed)', or
    a table to refer to. `owner:users` is the caller: each user has their own.
    """
    from ashlar.resource.planning import plan_resource
    from ashlar.resource.writing import lines_of, write_resource

    project = Project.open(Path.cwd())
    with _err.status("Looking at the project …") as status:
        plan = plan_resource(project, name, fields or [], plural=plural)
        migration = ""
        if not dry_run:
            status.update("Writing the files and the migration …")
            migration = write_resource(plan)
    for line in lines_of(plan, migration):
        _out.print(Text(line))


@app.command(name="update")
def update_command(
    data: Annotated[
        list[str] | None,
        typer.Option(help="An answer that changes, as question=value; as often as needed."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="A version, branch or commit; the latest release unless given."),
    ] = None,
    step: Annotated[bool, typer.Option("--step", help="Go to the next release only.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")
    ] = False,
    answers_file: Annotated[
        str, typer.Option(help="The answers file, where a folder has several.")
    ] = ANSWERS_FILE,
) -> None:
    """Bring a later version of the template into this project, or other answers.

    The exit code is 0 when all is merged, 3 when conflicts are left to you, 1 when it is refused.
    """
    if to is not None and step:
        raise RefusedError("--to and --step exclude each other.", next_step="Choose one.")
    wish = Wish(data=parse_data(data or []), to=to, step=step, dry_run=dry_run)
    with _err.status("Looking at the project …") as status:
        if not _err.is_terminal:
            _err.print("Looking at the project …")

        def say(what: str) -> None:
            status.update(what)
            if not _err.is_terminal:
                _err.print(what)

        try:
            outcome = update(Project.open(Path.cwd(), answers_file), wish, say=say)
        except KeyboardInterrupt:
            raise RefusedError(
                "Interrupted.", next_step="Run it again: it finishes or undoes what was begun."
            ) from None
    report.show(outcome, dry_run=dry_run, out=_out, err=_err)
    if outcome.merge and outcome.merge.conflicts:
        raise typer.Exit(CONFLICTS_LEFT)


def run() -> None:
    """The console script: what is wrong is said in a sentence, with the next step."""
    try:
        app()
    except RefusedError as error:
        _refuse(str(error), error.next_step)
    except GitError as error:
        _refuse(f"git failed: {error}.", "Run `git fsck`; nothing of yours was changed.")
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _refuse(
            f"{error.strerror or error}{where}. Nothing of yours was changed.",
            "Make room or give access, then run it again.",
        )


def _refuse(message: str, next_step: str) -> None:
    _err.print(Text.assemble(("error: ", "bold red"), message))
    _err.print(Text.assemble(("next: ", "bold"), next_step))
    raise SystemExit(1)
