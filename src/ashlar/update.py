"""`ashlar update`: from the version that a project is on to a later one, or to other answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from ashlar import changelog
from ashlar.applying import finish, prepare
from ashlar.errors import RefusedError
from ashlar.journal import Journal
from ashlar.merging import Merge, merge
from ashlar.project import Project
from ashlar.rendering import Order, Render, render
from ashlar.template import Template

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The options of an update.

    Attributes:
        data: New answers, as typed.
        to: A version, branch or commit; the latest release unless given.
        step: Whether to go to the next release only.
        dry_run: Whether to only show what would be done.
    """

    data: Mapping[str, str]
    to: str | None = None
    step: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of an update, done or to be done.

    Attributes:
        before: The version that the project was on.
        after: The one it is on.
        merge: What became of the files; None where nothing was to be done.
        sections: The changelog of the versions in between.
        remaining: How many releases are still later.
        answered: Questions that are new, with the answers they got.
        said: What could not be done besides, or what became of an interrupted update.
    """

    before: str
    after: str
    merge: Merge | None = None
    sections: tuple[changelog.Section, ...] = ()
    remaining: int = 0
    answered: Mapping[str, object] | None = None
    said: str = ""


def update(project: Project, wish: Wish, *, say: Say) -> Outcome:
    """Update a project; one that was interrupted is finished or undone, and that is all then.

    Args:
        project: The project.
        wish: What is asked for.
        say: Is told what is being done.

    Raises:
        RefusedError: It cannot be done. Nothing was changed, or the message says what was.
    """
    journal = Journal(project.state, project.top)
    with journal.held():
        if journal.is_open:
            title = journal.plan.title
            if wish.dry_run:
                raise RefusedError(
                    f"{title} was interrupted, and stands half-way.",
                    next_step="Run the command without --dry-run: it finishes or undoes that.",
                )
            done = f"{title} had been interrupted, and is finished now: `git status` shows it."
            said = finish(project, journal) or done
            return Outcome(before=title, after=title, said=said)
        journal.clear()
        project.require_clean()
        with _scratch(journal) as scratch:
            say("Looking at the template …")
            outcome = _merged(project, wish, scratch, say)
            if outcome.merge is None or wish.dry_run or not outcome.merge.changed:
                return outcome
            title = f"The update {outcome.before} → {outcome.after}"
            say("Writing the files …")
            prepare(project, outcome.merge, journal, title=title, scratch=scratch)
        said = finish(project, journal)
        return Outcome(**{**vars(outcome), "said": said})


def _merged(project: Project, wish: Wish, scratch: Path, say: Say) -> Outcome:
    """Find the versions, render both and merge."""
    answers, name = project.answers, project.answers_file
    template = Template.open(answers.source, answers_file=name, scratch=scratch)
    current = template.recorded(answers.version, answers_file=name)
    later = template.later(current)
    if wish.to is not None:
        target = template.requested(wish.to, current=current)
    elif later:
        target = (later[0] if wish.step else later[-1]).commit
    else:
        target = current
    before, after = template.name(current), template.name(target)
    if target == current and not wish.data and not project.earlier_answers:
        return Outcome(before=before, after=after)
    say(f"Rendering {before} and {after} …")
    old, new = _renders(project, template, (current, target), wish, scratch)
    answered = _require_taken(wish.data, new, project)
    say("Merging …")
    label = f"ashlar/{after}"
    past = set(template.git.text("rev-list", target, f"^{current}").splitlines())
    between = {release.name for release in template.releases if release.commit in past}
    text = template.file(target, changelog.FILE_NAME)
    return Outcome(
        before=before,
        after=after,
        merge=merge(project, old, new, label=label, scratch=scratch),
        sections=tuple(changelog.sections(text, names=between)),
        remaining=sum(release.commit not in past for release in later),
        answered=answered,
    )


def _renders(
    project: Project, template: Template, commits: tuple[str, str], wish: Wish, scratch: Path
) -> tuple[Render, Render]:
    """Render the old version with the old answers, and the new one with the new answers."""
    answers, name = project.answers, project.answers_file
    folders = [scratch / each / project.folder.name for each in ("old", "new", "earlier")]
    # Answers that are kept may have become invalid with the new version: they are asked again.
    folders[1].mkdir(parents=True)
    (folders[1] / name).parent.mkdir(parents=True, exist_ok=True)
    (folders[1] / name).write_bytes(answers.text)
    data: list[Mapping[str, object]] = [answers.values, wish.data]
    if project.earlier_answers:
        data.append(project.earlier_answers)
    orders = [
        Order(
            source=answers.source,
            commit=commit,
            folder=str(folder),
            answers_file=name,
            data=given,
        )
        for commit, folder, given in zip((*commits, commits[0]), folders, data, strict=False)
    ]
    old, new, *earlier = render(template, orders, scratch)
    # With answers that were edited by hand, the old ones are those that the project is like.
    return min([old, *earlier], key=lambda made: len(made.paths ^ project.files.keys())), new


def _require_taken(data: Mapping[str, str], new: Render, project: Project) -> Mapping[str, object]:
    """Check that Copier has taken the answers as they were meant, which it does not say.

    Returns:
        The answers to questions that are new.
    """
    name = project.answers_file
    taken = yaml.safe_load((new.folder / name).read_text(encoding="utf-8"))
    for question, value in data.items():
        if question not in taken:
            raise RefusedError(
                f"The template does not ask for {question}.",
                next_step=f"Correct --data; {name} has the questions there are.",
            )
        if taken[question] != value and not _means(value, taken[question]):
            raise RefusedError(
                f"The template takes {question}={value} for {str(taken[question]).lower()}.",
                next_step="Correct --data; a question that wants yes or no takes true or false.",
            )
    return {
        question: value
        for question, value in taken.items()
        if question[:1] != "_" and question not in project.answers.values and question not in data
    }


def _means(given: str, taken: object) -> bool:
    try:
        return bool(yaml.safe_load(given) == taken)
    except yaml.YAMLError:
        return False


@contextmanager
def _scratch(journal: Journal) -> Iterator[Path]:
    """A folder for files in between, which the next command removes when this one is killed."""
    folder = journal.folder / "scratch"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
