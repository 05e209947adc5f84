"""The languages of the pictures: English texts, and what stands for them in the others.

`translations.toml` holds one block for each text. Reports stay in English: their codes carry the
meaning, and a viewer shows those in its own words.
"""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

TRANSLATIONS = Path(__file__).parent / "translations.toml"
_CAPITALS = "de"
"""Where nouns keep their capital inside a sentence."""


@dataclass(frozen=True)
class Language:
    """One language; `code` as in the setting report.language."""

    code: str

    def __call__(self, text: str, **values: object) -> str:
        """Return an English text in this language, its braces filled in.

        Raises
        ------
        KeyError
            The text or the language is not in the table.
        """
        said = text if self.code == "en" else table()[text][self.code]
        return said.format(**values) if values else said

    def noun(self, text: str) -> str:
        """Return a name as it stands inside a sentence."""
        return self(text) if self.code == _CAPITALS else self(text).lower()


ENGLISH = Language("en")


@lru_cache(maxsize=1)
def table() -> dict[str, dict[str, str]]:
    """Return every text with its translations by language."""
    return tomllib.loads(TRANSLATIONS.read_text(encoding="utf-8"))
