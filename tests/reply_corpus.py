"""Replies to one question, in the forms that models use."""

from itertools import product

OPTIONS = ("Paris", "Rome", "Lyon", "Bern", "Rome")

_STATED = (
    "The answer is (C).",
    "**Answer:** C",
    "Answer: Lyon",
    "Réponse\xa0: C",
    "答案选C",
    "Ответ: C",
    "The answer is not (A) but (C).",
    "The answer is (E).",
    "The answer is (Z).",
    "The answer is (A) or (C).",
    "It is hard to say.",
    "$\\boxed{\\text{(C)}}$",
    "\\boxed{A, C}",
    "C",
    "c)",
    "C: Lyon",
    "lyon",
    "Option C is correct.",
    "The answer is (C). The incorrect answer is (A).",
    "Without friction it would be (A).",
    '{"answer": "C"}',
    '{"answer": "Rome"}',
    '{"answer": ["A", "C"]}',
    '{"answer": null}',
    '{"analysis": "It lies south.", "answer": "(C)"}',
    '{"analysis": "The answer is (A).", "answer": "C"}',
    '{"analysis": "The answer is (A).", "answer": "Marseille"}',
    '{"analysis": "<think>The answer is (A).</think>So (C).", "answer": ""}',
    '```json\n{"analysis": "It lies south.", "answer": "Lyon"}\n```',
    'It says {"answer": "A"}, which I doubt.\nThe answer is (C).',
    'It says {"answer": "A"}.\nThe answer is (Z).',
    '{"answer": "A"} is not what I say.',
    '{"answer": "A", "answer": "C"}',
    '{"analysis": "It lies south.", "answer": "C"',
    "",
)
_AROUND = (
    "{}",
    "\n{}\n\n",
    "Let us see.\n\n{}",
    "{}\n\nLet me know if you need more.",
    "A) Paris\nB) Rome\nC) Lyon\nD) Bern\nE) Rome\n\n{}",
    "<think>The answer is (A).</think>\n\n{}",
    "The answer is (A).\n</think>\n{}",
    "<thinking>It may be {{A}}.</thinking>{}",
    "[THINK]The answer is (A).[/THINK]{}",
    "<thought>\nHm.\n</thought>\n{}",
    "<|channel|>analysis<|message|>The answer is (A).<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
    "<|channel|>analysis<|message|>{}",
    "<think>Hm.\n\n{}",
    "{}\n<think>The answer is (A).</think>",
    "<think>The answer is (A), or {}",
)

REPLIES = tuple(around.format(stated) for around, stated in product(_AROUND, _STATED))[:500]
"""Five hundred replies, which no model was asked for; many settle on option C, some on none."""
