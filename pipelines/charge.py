"""Whom an outcome is charged to."""

from enum import StrEnum

UNDECIDED = 128  # from here on are the codes of outcomes charged to `self`: no verdict, no record


class Charge(StrEnum):
    """Who bears an outcome: scores count `subject`, breakers count `source`, nobody pays for `self`."""

    SUBJECT = "subject"
    SOURCE = "source"
    SELF = "self"
