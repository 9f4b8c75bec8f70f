"""Definitions of our words, one sentence each."""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "agent": "A language model with its prompt, its settings and its price, under one name; several form a panel.",
    "agreement": "How many ballots gave the decided answer, of all that counted. It is no confidence: agents can be"
    " wrong together.",
    "analysis": "What one agent wrote about a question; the ballot is read from its text.",
    "answer": "The letter of an option, or a number.",
    "arm": "One way to decide that an evaluation measures: an agent alone, a vote, or a merge rule with its routing.",
    "attempt": "One call of a model's provider. A failed one is made again, up to the policy's limit.",
    "ballot": "The answer that was read from one analysis, with the weight at which it counts.",
    "checkpoint": "Signed roots of all partitions of the log: what came before it cannot be changed unnoticed.",
    "counterfactual": "The smallest change that would have led to another decision, derived by the same rules.",
    "dead letter": "A record that could not be used, set aside with its reason; it can be retried.",
    "coverage": "What the log says of a question under other settings: exact, partial (an analysis is not recorded) or"
    " unknown.",
    "decided": "State of a question whose panel gave an answer.",
    "decision": "The answer to a question, or an explicit “undecided”, with everything it rests on. Each question gets"
    " one.",
    "disagreement": "At least one ballot that counted gave another answer than the decided one.",
    "event": "One entry of the log. Events are only ever added.",
    "excluded": "A seat of the panel that did not count, with the reason: its call failed, it was refused, or its text"
    " gave no readable answer.",
    "feedback": "What somebody says about a decision: right, wrong, or what the right answer is. The router learns"
    " from it.",
    "flip": "A question that other settings would have answered otherwise.",
    "latency": "Time from the call of an agent to its answer, in milliseconds (ms).",
    "lesson": "What a decision or feedback taught the router about each agent.",
    "log": "Everything that happened, in order; all of these pages are read from it.",
    "merge rule": "The fixed rule by which ballots become one decision: vote, weighted, odds, agent or cascade.",
    "nat": "Unit of log-odds: 0 nats is even odds, 1 nat 2.7 to 1, 2 nats 7.4 to 1.",
    "open": "State of a question that waits for its decision.",
    "option": "One of the answers that a question offers, named A, B, C and so on.",
    "panel": "The agents that were chosen for one question, in their order.",
    "policy": "The whole configuration: agents, prompts, prices, routing, merge rule. It is an event in the log, too.",
    "posterior": "How probable the leading answer is by the merge rule's own reckoning, from 0 to 1.",
    "quality": "Moving average of how often an agent was right, from 0 to 1.",
    "question": "A text with options to choose from, or with a number for an answer.",
    "rank": "Place of an agent among those of the policy, by its score; the first ones form the panel.",
    "receipt": "One file that proves one decision to somebody who trusts nothing but the public key of the log's"
    " checkpoints.",
    "replay": "Every derived event is derived again from the inputs and compared with the log.",
    "root": "One hash over all records of the log; another record anywhere gives another root.",
    "router": "What chooses the panel, by what it has learned of each agent.",
    "scope": "What an average is about: one subject, or all of them (*).",
    "score": "What the router ranks agents by: quality and stability count for an agent, latency and cost against it.",
    "shadow": "An agent that is asked beside the panel: it is observed, and never counted.",
    "stability": "Moving average of how often an agent's calls gave a readable answer, from 0 to 1.",
    "stage": "Agents that are asked together; a cascade opens the next stage only if it is needed.",
    "subject": "The field that a question belongs to; the router keeps averages for each.",
    "spend": "Sum of the known costs of calls, by the prices of the policy.",
    "undecided": "State of a question with too few readable answers: it was ended without one.",
    "weight": "How much one ballot counts: 1 vote, or nats of log-odds.",
}
"""Every word of ours that pages use, in alphabetical order."""
