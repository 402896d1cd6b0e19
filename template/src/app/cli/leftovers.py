"""What `app doctor` says about updates from the template: the last one settled, the next one possible."""

from collections.abc import Iterator

from app.cli.finding import Finding, failure
from app.core.config.loading import project_folder
from app.core.exceptions import AppException
from app.core.redaction import redact_text

_SUBJECT = "updates"
_SHOWN = 3


def leftovers() -> Iterator[Finding]:
    """A line for each thing to do; none where the project is neither in git nor made for updates, as in the image."""
    # For checkouts: the image has neither git nor anything to parse answers with.
    from app.development.updates.answers import FILE_NAME, read_answers, strangers  # noqa: PLC0415
    from app.development.updates.checkout import is_in_git  # noqa: PLC0415
    from app.development.updates.conflicts import unsettled  # noqa: PLC0415

    folder = project_folder()
    if not is_in_git(folder):
        if (folder / FILE_NAME).exists():
            yield Finding(
                "warning",
                _SUBJECT,
                "this project is not kept in git, and Copier updates no other",
                "Run `git init`, `git add --all` and `git commit`.",
            )
        return
    if files := list(unsettled(folder)):
        more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        yield Finding(
            "failed",
            _SUBJECT,
            f"conflicts are left in {', '.join(files[:_SHOWN])}{more}",
            "Choose between the lines at <<<<<<< and >>>>>>>, take what you need of a .rej file and delete it; "
            "then `git add` them.",
        )
    try:
        answers = read_answers(folder)
    except AppException as error:
        # The service works; only the next update would not.
        found = failure(_SUBJECT, error)
        yield found._replace(verdict="warning", message=redact_text(found.message))
        return
    odd = list(strangers(folder, answers))
    for name in odd:
        yield Finding(
            "warning",
            _SUBJECT,
            f"{FILE_NAME} says that {name} is on, and nothing in src/ mentions it",
            f"If it is to stay out, say so: `uvx copier update --defaults --data use_{name}=false`.",
        )
    if not files and not odd:
        yield Finding("ok", _SUBJECT, f"on version {answers.version} of the template, nothing left to settle")
