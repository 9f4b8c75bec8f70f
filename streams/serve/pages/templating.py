"""Templates of the pages, which escape every text."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from streams.serve.pages.assets import SCRIPTS, STYLE, address_of
from streams.serve.pages.filters import FILTERS, shown, word
from streams.version import installed_version


@cache
def _templates() -> Environment:
    """Load the templates. Every text is escaped, whatever the name of the template; none is markup."""
    found = Environment(
        loader=FileSystemLoader(str(files("streams.serve.pages").joinpath("templates"))),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(FILTERS)
    found.globals.update(
        word=word, scripts=list(map(address_of, SCRIPTS)), style=address_of(STYLE), version=installed_version()
    )
    return found


def written(template: str, **context: Any) -> str:
    """Fill a template that is a part of a page."""
    return _templates().get_template(template).render(**context)
