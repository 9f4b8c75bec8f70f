"""The configuration file that `orch init` writes: every setting, with its unit and its default."""

import textwrap

from schemas.prompts import Instructions, Prompts
from streams.cli.template_agents import LIVE, SIMULATED, Panel
from streams.presets import preset
from streams.settings import DEFAULT_LOG

__all__ = ["LIVE", "SIMULATED", "Panel", "template"]

_WIDTH = 110

_TEMPLATE = """\
# Configuration of orch. {panel.promise}
# A line that begins with # and no blank holds a setting's default. Amounts are integers with the unit in the name:
# _ppb is parts per billion (700_000_000 is 0.7), _ms milliseconds, _nusd nano-dollars (1_000_000_000 is $1).
# Flags come before environment variables (ORCH_LOG, ORCH_CONFIG), these before this file.

#log = "{log}"

[policy]
# Name of the policy in decisions and reports; by default that of the preset.
policy_id = "first"
# Starting point: "default" is what measures best; "reference" and "reference-lexicographic" are the published scripts.
#preset = "default"
# Parts of the question for each seat: "none", "fixed" (three of them), "dispatcher" (the first agent writes them).
#decomposition = "none"
# How long after its assignment a question may stay open, in milliseconds.
#deadline_ms = 300_000

# --- The agents: 1 to 64. {panel.about}

{panel.text}
# --- What calls may cost, in nano-dollars (1_000_000_000 is $1); by default any amount. A call reserves the most it can
# cost before it is made, and without room for that is not made. Then every live agent needs a price.

[budget]
# All calls about one question.
# question_nusd = 50_000_000
# All calls under this policy, from its adoption on.
# run_nusd = 5_000_000_000

# --- How the panel is chosen.

[routing]
# "weighted": a score of quality, speed, cost and stability; "lexicographic": quality first; "static": as configured.
#rule = "weighted"
# Agents that may be asked, in all stages together; at most as many as there are.
#panel_size = {panel_size}
# Whether each subject has averages of its own, and how many observations the global ones weigh beside them.
#by_subject = true
#shrinkage = 50
# Order that settles ties; empty: the order of the agents above.
#priority = []
# Who merges, where the rule needs a merge agent: "first" or "second" in rank, or the name of an agent.
#merger = "first"

# Weights of the score, scale of latency and cost, and the most times the scale that count.
[routing.weights]
#stability_ppb = 100_000_000
#latency_ppb = 300_000_000
#cost_ppb = 100_000_000
#latency_scale_ms = 5_000
#cost_scale_nusd = 2_000_000
#cap = 3

# How agents become known that would not be chosen.
[routing.exploration]
# All agents are asked while any was asked fewer questions than this.
#warm_up = 32
# "ucb": a bonus for agents seldom asked; "nth": one question in `every` seats the least known; "none".
#kind = "ucb"
#bonus_ppb = 100_000_000
#every = 10

# --- How answers become a decision.

[merge]
# "vote", "weighted" (by what is known of each agent), "agent" (one agent reads all), "cascade" (stages, early exit).
#rule = "cascade"
# Answers needed for a decision, and agents to ask beyond the panel while there are fewer.
#quorum = 1
#reserve = 0
# What settles ties: "rank" (the router's order for the question) or "priority" (the fixed one).
#ties = "rank"
# Number of possible answers to assume where the answer is a number.
#number_choices = 10
# cascade: agents in each stage; they add up to panel_size.
#stages = {stages}
# cascade: certainty at which asking stops; below window_ppb more agents are not worth asking.
#accept_ppb = 800_000_000
#window_ppb = 0
# cascade: whether a merge agent decides what is still open.
#merge_agent = false

# --- What feedback teaches.

[learning.averaging]
# "harmonic": a step of 1 / (n + 2) after n observations, at least alpha; "fixed": always alpha.
#step = "harmonic"
#alpha_ppb = 5_000_000

# What is believed of an agent that nobody has observed.
[learning.averaging.cold_start]
#quality_ppb = 500_000_000
#latency_ms = 2_000
#cost_nusd = 0
#stability_ppb = 900_000_000

# Share of a full step that feedback of each source is worth.
[learning.source_weights]
#gold = 1_000_000_000
#human = 1_000_000_000
#downstream = 500_000_000
#judge = 250_000_000
#agreement = 0

# --- How `orch run` works; nothing here changes a decision that is due.

[run]
# Questions open at a time while agents answer at once; learning lags by as many. Then: while they take their time.
#window = 32
#live_window = 256
# Calls under way at a time.
#calls_in_flight = 1_000
# Files of recorded outputs, beside this file.
#outputs = []
# File beside this one for replies of live agents: the same request is not made again. By default none is kept.
# replies = "replies.db"

# --- What live agents are told; the data follow in a message of their own. {{mark}} stands for the mark of its tags,
# {{letters}} for those of the options, {{seats}} for the number of sub-questions. A change is another policy.

[prompts]
# What you call this wording.
#version = "{prompts.version}"
# Stands after the data; "" is nothing.
{reminder}
"""

_ROLES = {
    "analyst": "Who answers, one of several.",
    "dispatcher": 'Who writes the sub-questions, where decomposition is "dispatcher".',
    "merger": "Who reads all analyses and decides, where the merge rule has a merge agent.",
    "baseline": "The only agent of a policy: what a single model says without a panel.",
}


def template(panel: Panel) -> str:
    """Write the file for some agents; the values that follow from their number are those the default preset gives."""
    prompts = Prompts()
    given = preset("default", panel.size)
    text = _TEMPLATE.format(
        log=DEFAULT_LOG,
        panel=panel,
        panel_size=given["routing"]["panel_size"],
        stages=given["merge"]["stages"],
        prompts=prompts,
        reminder=_commented("reminder", prompts.reminder),
    )
    roles = (_role(role, about, getattr(prompts, role)) for role, about in _ROLES.items())
    return "\n".join([text, *roles])


def _role(role: str, about: str, told: Instructions) -> str:
    choice, number = _commented("choice", told.choice), _commented("number", told.number)
    return f"# {about}\n[prompts.{role}]\n{choice}\n{number}\n"


def _commented(name: str, text: str) -> str:
    """Write a text as a setting's default: in lines of a bearable length, which a backslash at their ends joins."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    lines = [
        " \\\n".join(textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False))
        for line in quoted.split("\n")
    ]
    value = "\n".join(lines)
    whole = f'{name} = """\\\n{value}"""' if "\n" in value else f'{name} = "{value}"'
    return "\n".join(f"#{line}" for line in whole.split("\n"))
