"""
Fixtures that import litellm before a test's limit starts.

On a busy machine that import takes longer than a call may.
"""

import warnings

import pytest

from streams.agents.providers.litellm_patch import load

from .provider_endpoint import Kind


@pytest.fixture
def litellm_loaded() -> None:
    """Import litellm, once in this process."""
    with warnings.catch_warnings():
        # What litellm's own code is warned of when it is imported is not ours to mend.
        warnings.simplefilter("ignore")
        load()


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> Kind:
    """The kind of client that a test of both is about."""
    given: Kind = request.param
    if given == "litellm":
        request.getfixturevalue("litellm_loaded")
    return given
