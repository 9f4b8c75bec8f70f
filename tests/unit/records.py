"""Outside records, and their refusals by the registry."""

import json
import re
from typing import Any

import pytest

from schemas.registry import InvalidRecord, decode

QUESTIONS, FEEDBACK, ANALYSES = "orch.questions", "orch.feedback", "orch.analyses"
MINIMAL: dict[str, Any] = {"question_id": "q", "text": "What?", "options": ["this", "that"]}


def asked(**changes: Any) -> bytes:
    """Write the minimal question with some fields changed."""
    return json.dumps(MINIMAL | changes).encode()


def refusal(topic: str, raw: bytes, **options: Any) -> InvalidRecord:
    """Give the error with which a record is refused."""
    with pytest.raises(InvalidRecord) as caught:
        decode(topic, raw, timestamp_ms=0, **options)
    return caught.value


def says(pattern: str, error: InvalidRecord) -> None:
    """Fail, and show the message, if it does not match the pattern."""
    assert re.search(pattern, str(error)), str(error)
