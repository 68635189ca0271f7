"""What small scripts in a page write: addresses and ports that are hidden from plain reading.

Known: `Proxy('MS4yLjMuNDo4MA==')` and other calls with base64 arguments, `document.write(":"+z+i+z)` with
letters that stand for digits, `'12345678190.61'.substr(8) + '.122.136'`. No script is run.
"""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping

_letter = re.compile(r"\b([a-zA-Z])\s*=\s*([0-9])(?=\s*(?:[;,]|$))", re.ASCII)
# A quoted text, perhaps cut, or a variable: a name that is neither called, nor assigned, nor an object.
_term = re.compile(
    r"""(?:"([^"']*)"|'([^"']*)')(?:\s*\.substr(?:ing)?\(([0-9]{1,3})\))?|\b([a-zA-Z])\b(?!\s*[(.=])""",
    re.ASCII,
)
_address_part = re.compile(r"[0-9.:]+", re.ASCII)


def digits(script: str) -> dict[str, str]:
    """The letters that a script sets to one digit each."""
    return dict(_letter.findall(script))


def written(script: str, letters: Mapping[str, str]) -> str:
    """The text that the script writes, its terms joined; empty where it only assigns."""
    return "".join(
        letters.get(name, "") if name else revealed(double or single)[int(skipped or 0) :]
        for double, single, skipped, name in _term.findall(script)
    )


def revealed(text: str) -> str:
    """The address or port that `text` is the base64 form of, else `text` itself."""
    try:
        plain = b64decode(text, validate=True).decode("ascii")
    except (Error, ValueError):
        return text
    return plain if _address_part.fullmatch(plain) else text
