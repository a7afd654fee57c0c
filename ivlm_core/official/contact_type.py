"""The published commands' and data sets' word for what is asked, and the task that it means."""

from ivlm_core.model.prompts import Task
from ivlm_core.official.quirks import ReferenceQuirks

_TASKS: tuple[tuple[str, Task], ...] = (
    ("hcontact", "human_contact"),
    ("ocontact", "object_contact"),
    ("oafford", "object_affordance"),
)


def task_of(contact_type: str, quirks: ReferenceQuirks | None = None) -> Task | None:
    """Return the task of a contact type such as `hcontact`, `damon_hcontact` or `oafford`.

    Args:
        contact_type: name of a published model type or data set.
        quirks: with `task_by_substring`, the first of hcontact, ocontact, oafford that occurs in
            the name decides, so that `hcontact-ocontact` lifts object views to the human body.

    Returns:
        The task; None for `h2dcontact`, whose masks belong to the photograph and are not lifted.

    Raises:
        ValueError: the name says nothing, or names two tasks.
    """
    found = [task for word, task in _TASKS if word in contact_type]
    if quirks is not None and quirks.task_by_substring:
        return found[0] if found else None
    if len(found) > 1:
        raise ValueError(
            f"contact type {contact_type!r} names several tasks; ask once for each "
            "(reference_quirks task_by_substring takes the first)"
        )
    if not found and "h2dcontact" not in contact_type:
        words = ", ".join(word for word, _ in _TASKS)
        raise ValueError(
            f"contact type {contact_type!r} is unknown; expected h2dcontact, or a name with one "
            f"of {words} in it"
        )
    return found[0] if found else None
