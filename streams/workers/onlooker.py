"""Watcher of questions and calls."""

from typing import Protocol

from schemas.agents import AgentSpec
from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from streams.log import Headers


class Onlooker(Protocol):
    """
    Is told what workers see, and changes nothing of it; each method returns at once.

    The headers are those that the records of a question carry on: its `traceparent`, if it came with one.
    """

    def called(self, spec: AgentSpec, analysis: AnalysisPublished, carried: Headers) -> None:
        """Hear the outcome of one seat, when the calls behind it have ended."""

    def answered(self, decision: DecisionMade, carried: Headers, began_ms: int, ended_ms: int) -> None:
        """Hear that a question has its decision, and when the question was asked and decided."""

    def decided(self, decision: DecisionMade, carried: Headers) -> None:
        """Hear a decision where it is made."""
