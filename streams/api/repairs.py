"""Undecided questions and dead letters, tried again."""

import asyncio
from collections.abc import Collection

from schemas.questions import QuestionAsked
from streams.api.async_orch import AsyncOrch
from streams.app import dead_letters
from streams.app.dead_letters import Retried
from streams.app.retry import again_of


async def ask_again(log: AsyncOrch, question_id: str) -> QuestionAsked:
    """
    Ask an undecided question again under a new id (`q1~2`), as `orch retry` does, and do not wait.

    A right answer that gold feedback gave goes along.

    Returns:
        The question that asks it again.

    Raises:
        UsageError: It is unknown, open or decided, or was asked again already.
        OperatorError: The log cannot be written.
    """
    orch = log._orch

    def ask() -> QuestionAsked:
        with orch._work.open_reader(about=question_id) as view:
            question, gold = again_of(view, question_id)
        orch._call(lambda keeper: keeper.submit(question))
        if gold is not None:
            orch._call(lambda keeper: keeper.append(gold))
        return question

    return await asyncio.to_thread(ask)


async def retry_letters(log: AsyncOrch, offsets: Collection[int]) -> Retried:
    """
    Append the records of dead letters to their topics again, as `orch dead-letters --retry` does.

    On a file, questions that someone waits for are decided first, and the next ones wait until it is done.

    Raises:
        UsageError: There is no letter at an offset.
        OperatorError: The log cannot be written.
    """
    orch = log._orch

    def retry() -> Retried:
        with orch._alone():
            return dead_letters.retry_letters(orch._work, offsets, reporter=orch._reporter)

    try:
        return await asyncio.to_thread(retry)
    finally:
        await log.open()
