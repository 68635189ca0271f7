"""Whom an outcome is charged to."""

from enum import StrEnum


class Charge(StrEnum):
    """Who bears an outcome: scores count `subject`, breakers count `source`, nobody pays for `self`."""

    SUBJECT = "subject"
    SOURCE = "source"
    SELF = "self"
