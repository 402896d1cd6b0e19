"""`ashlar add resource` refuses what it cannot do well, with a next step, and writes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.checkout import commit, git
from tests.combinations import COMBINATIONS, EXAMPLE
from tests.projects import Run, keep_in_git, tree
from tests.updating import command, replace

(DEFAULT,) = (each for each in COMBINATIONS if each.on == {EXAMPLE})
WIRING = "src/app/wiring.py"
TYPES = "src/app/models/schemas/types.py"
MARK = "# Yours below this line."
LONG = "a_name_of_sixty_characters_is_what_a_column_may_have_at_most"


@pytest.fixture(scope="module")
def rendered(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in git, without its tools."""
    folder = tmp_path_factory.mktemp("refusals") / "project"
    shutil.copytree(run.rendered(DEFAULT), folder)
    keep_in_git(folder)
    return folder


def must_refuse(project: Path, arguments: list[str], said: str, next_step: str) -> None:
    """Run the command, and look for the cause, the next step and any change."""
    before = tree(project)
    refused = command(project, "add", "resource", *arguments)
    assert refused.code == 1, refused
    error, _, after = refused.output.strip().partition("\nnext: ")
    assert said in error, refused
    assert next_step in after, refused
    assert tree(project) == before


@pytest.mark.parametrize(
    ("arguments", "said", "next_step"),
    [
        (["Ticket", "a:str"], "'Ticket' cannot be the name of a resource", "lower case"),
        (["class", "a:str"], "'class' is a word of Python's", "another name"),
        (["match", "a:str"], "'match' is a word of Python's", "another name"),
        (["list", "a:str"], "'list' has a meaning of its own", "support_list"),
        (["change", "a:str"], "'change' has a meaning of its own", "support_change"),
        (["customer_support_ticket1", "a:str"], "longer than 23 characters", "shorter"),
        (["ticket", "a:str", "--plural", "ticket"], "would have the same name", "--plural"),
        (["item", "a:str"], "There is a table items already", "--plural"),
        (["item", "a:str", "--plural", "things"], "models/domain/item.py is there", "another name"),
        (["auth", "a:str"], "schemas/auth.py is there already", "another name"),
        (["scope", "a:str"], "test_scopes.py is there already", "another name"),
        (["index", "a:str"], "Index would have two meanings in src/app/models/domain", "says more"),
        (["client", "a:str"], "make_client would have two meanings in tests", "says more"),
        (["address", "a:str"], "an operation change_address already, in src/app/api", "says more"),
        (["auth", "a:str", "--plural", "auth_"], "'auth_' cannot be the name", "lower case"),
        (["ticket"], "needs a field of its own", "title:str"),
        (["ticket", "owner:users"], "needs a field of its own", "title:str"),
        (["ticket", "title"], "'title' is no field", "name:type"),
        (["ticket", "a:str", "a:int"], "a is there twice", "another name"),
        (["ticket", "a_id:str", "a:items?"], "a_id is there twice", "another name"),
        (["ticket", "a:str", "owner:users", "owner:users"], "owner is there twice", "Leave one"),
        (["ticket", "a:string"], "no type and no table called 'string'", "str, text, int, float"),
        (["ticket", "a:teams"], "no type and no table called 'teams'", "the tables are api_keys"),
        (["ticket", "a:str(5)"], "str of a has no values", "Write a:str"),
        (["ticket", "a:enum"], "The enum a needs values", "a:enum(open,closed)"),
        (["ticket", "a:enum(x,x)"], "The enum a needs values", "in quotes"),
        (["ticket", "a:enum(x,'y')"], "The enum a needs values", "in quotes"),
        (["ticket", "owner:items"], "An owner is the user who calls", "owner:users"),
        (["ticket", "owner:users?"], "An owner is the user who calls", "owner:users"),
        (["ticket", "key:api_keys"], "no address makes one", "key:api_keys?"),
        (["ticket", "parent:tickets"], "no address makes one", "parent:tickets?"),
        (["ticket", "a:secrets"], "secrets cannot be referred to", "by hand"),
        (["ticket", "metadata:json"], "called 'metadata': SQLAlchemy or Pydantic", "another name"),
        (["ticket", "copy:bool"], "called 'copy': SQLAlchemy or Pydantic", "another name"),
        (["ticket", "model_name:str"], "called 'model_name': SQLAlchemy", "another name"),
        (["ticket", "id:uuid"], "has 'id' already", "Leave the field out"),
        (["ticket", "updated_at:datetime"], "has 'updated_at' already", "Leave the field out"),
        (["ticket", "ticket_id:uuid"], "has 'ticket_id' already", "Leave the field out"),
        (["ticket", "a:str", "owner_id:uuid"], "has 'owner_id' already", "Leave the field out"),
        (["ticket", "date:date"], "'date', which is the name of a type", "due_date"),
        (["ticket", "from:str"], "'from' is a word of Python's", "another name"),
        (["ticket", "create:enum(a,b)"], "TicketCreate would have two meanings", "says more"),
        (["ticket", f"{LONG}:enum(a,b)"], f"ck_tickets_{LONG} would be longer", "shorter"),
        (["ticket", f"{LONG}_too:str"], f"{LONG}_too would be longer", "shorter"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_resource_is_refused_before_anything_is_written(
    rendered: Path, arguments: list[str], said: str, next_step: str
) -> None:
    must_refuse(rendered, arguments, said, next_step)


@pytest.fixture
def project(rendered: Path, tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return Path(shutil.copytree(rendered, tmp_path / "project"))


def test_changes_that_git_does_not_have_are_not_mixed_with_others(project: Path) -> None:
    replace(project, WIRING, "TITLE: Final", "# Mine.\nTITLE: Final")
    must_refuse(project, ["ticket", "a:str"], "has changes that are not committed", "stash")
    commit(project, "Mine")
    replace(project, TYPES, "LongText = Annotated[", "# Mine.\nLongText = Annotated[")
    must_refuse(project, ["ticket", "a:date"], "types.py has changes that are not", "stash")


@pytest.mark.parametrize(
    ("above", "said"),
    [
        ("# isort: split\n", "at TITLE, the imports"),
        ("    health.router,\n    ", "at ROUTERS"),
        ('    "users:read",\n    ', "at USER_SCOPES"),
    ],
)
def test_a_mark_that_is_gone_is_named(project: Path, above: str, said: str) -> None:
    replace(project, WIRING, f"{above}{MARK}\n", above)
    commit(project, "Mine")
    must_refuse(project, ["ticket", "a:str"], said, "Write it back")


def test_a_scope_or_an_address_that_is_taken_is_named(project: Path) -> None:
    replace(project, WIRING, '    "users:read",\n', '    "users:read",\n    "tickets:read",\n')
    commit(project, "Mine")
    must_refuse(project, ["ticket", "a:str"], '"tickets:read" already', "another name")
    routes = project / "src/app/api/routes/health.py"
    routes.write_text(routes.read_text().replace("/api/v1/health", "/api/v1/parcels"))
    must_refuse(project, ["parcel", "a:str"], "has the address /api/v1/parcels", "another name")


def test_a_module_that_cannot_be_parsed_is_named(project: Path) -> None:
    replace(project, "src/app/models/domain/item.py", "class Item(", "class Item((")
    must_refuse(project, ["ticket", "a:str"], "item.py cannot be parsed", "Correct it")


def test_a_project_of_an_earlier_version_is_to_be_updated_first(project: Path) -> None:
    replace(project, TYPES, "LongText = Annotated[", "LongTexts = Annotated[")
    replace(project, TYPES, "def _written(", "def _read(")
    replace(project, TYPES, "    _written(", "    _read(")
    commit(project, "Mine")
    must_refuse(project, ["ticket", "a:text"], "types.py has no LongText", "uv run app update")
    must_refuse(project, ["ticket", "a:decimal"], "types.py has no _written", "uv run app update")


def test_an_update_that_stands_half_way_comes_first(project: Path) -> None:
    journal = project / ".git/ashlar/journal.json"
    journal.parent.mkdir()
    plan = {"head": "", "title": "The update", "changes": [], "index": "", "lock": False}
    journal.write_text(json.dumps(plan))
    must_refuse(project, ["ticket", "a:str"], "The update was interrupted", "uv run app update")


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    must_refuse(
        tmp_path, ["ticket", "a:str"], "There is no .copier-answers.yml", "project's folder"
    )


def test_a_project_whose_ruff_is_not_there_is_told_to_install_it(project: Path) -> None:
    must_refuse(project, ["ticket", "a:str"], "no .venv and no uv.lock", "uv sync")
