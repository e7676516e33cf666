"""One text in both languages."""

from typing import NamedTuple

from libs.i18n import current_locale


class Label(NamedTuple):
    """One text in both languages."""

    zh: str
    en: str

    def text(self, locale: str | None = None) -> str:
        """The text in `locale`, by default in the language of the work at hand."""
        return self.zh if (locale or current_locale()).startswith("zh") else self.en
