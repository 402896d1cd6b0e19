"""The doctor's lines about updates from the template: the last one settled, later ones out."""

from collections.abc import Iterator

from app.cli.finding import Finding
from app.core.config.loading import project_folder
from app.core.redaction import redact_text
from app.development import updates

_SUBJECT = "updates"
_SHOWN = 3


def leftovers() -> Iterator[Finding]:
    """Yield a line for each thing to do; none where the project is not kept in git, as in the image."""
    folder = project_folder()
    answers = folder / updates.ANSWERS_FILE
    if reason := updates.refusal(folder):
        yield Finding("warning", _SUBJECT, f"git does not answer ({reason})", "Do what `git status` says here.")
        return
    if not updates.is_in_git(folder):
        if answers.exists():
            yield Finding(
                "warning",
                _SUBJECT,
                "this project is not kept in git, and no other is updated",
                "Run `git init`, `git add --all` and `git commit`.",
            )
        return
    if title := updates.interrupted(folder):
        yield Finding("failed", _SUBJECT, f"{title} was interrupted", "Run `app update`: it finishes or undoes it.")
        return
    if files := updates.unsettled(folder):
        more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        yield Finding(
            "failed",
            _SUBJECT,
            f"conflicts are left in {', '.join(files[:_SHOWN])}{more}",
            "Choose between the lines at <<<<<<< and >>>>>>>, take what you need of a .rej file and delete it; "
            "then `git add` them.",
        )
    version = updates.read_answer(answers, "_commit")
    if version is None or updates.read_answer(answers, "_src_path") is None:
        yield Finding(
            "warning",
            _SUBJECT,
            f"{updates.ANSWERS_FILE} does not say what the project was made from (_src_path, _commit)",
            f"Take it back from git: `git log -- {updates.ANSWERS_FILE}` has its versions.",
        )
        return
    odd = updates.strangers(folder)
    for name in odd:
        yield Finding(
            "warning",
            _SUBJECT,
            f"{updates.ANSWERS_FILE} says that {name} is on, and nothing in src/ mentions it",
            f"If it is to stay out, say so: `app update --data use_{name}=false`.",
        )
    later = list(updates.later_releases(folder))
    if holes := [release.version for release in later if release.is_security]:
        yield Finding(
            "warning",
            _SUBJECT,
            redact_text(f"on version {version} of the template; security fixes are out in {', '.join(holes)}"),
            "Run `app update`.",
        )
    elif later:
        yield Finding(
            "ok",
            _SUBJECT,
            redact_text(f"on version {version} of the template; {later[0].version} is out"),
            "Run `app update --dry-run`, which shows what it would do.",
        )
    elif not files and not odd:
        yield Finding("ok", _SUBJECT, redact_text(f"on version {version} of the template, nothing left to settle"))
