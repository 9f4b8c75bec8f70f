"""`orch init`: a configuration file that works as it is and names every setting there is."""

import shlex
from pathlib import Path

import click

from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.errors import OperatorError, UsageError
from streams.settings import DEFAULT_CONFIG, DEFAULT_LOG

TEMPLATE = f"""\
# Configuration of orch. It works as it is, with simulated agents.
# A line that begins with # and a name holds a setting's default. Amounts are integers with the unit in the name:
# _ppb is parts per billion (700_000_000 is 0.7), _ms milliseconds, _nusd nano-dollars (1_000_000_000 is $1).
# Flags come before environment variables (ORCH_LOG, ORCH_CONFIG), these before this file.

#log = "{DEFAULT_LOG}"

[policy]
# Name of the policy in decisions and reports; by default that of the preset.
policy_id = "first"
# Starting point: "default" is what measures best; "reference" and "reference-lexicographic" are the published scripts.
#preset = "default"
# Parts of the question for each seat: "none", "fixed" (three of them), "dispatcher" (the first agent writes them).
#decomposition = "none"
# How long after its assignment a question may stay open, in milliseconds.
#deadline_ms = 300_000

# --- The agents: 1 to 64. Here three of a made-up world, different in skill, price and speed.

[[agents]]
kind = "simulated"
name = "careful"
skill_ppb = 820_000_000
latency_ms = 2_000
price = {{ input_nusd_per_ktoken = 5_000_000, output_nusd_per_ktoken = 15_000_000 }}

[[agents]]
kind = "simulated"
name = "quick"
skill_ppb = 640_000_000
latency_ms = 400
price = {{ input_nusd_per_ktoken = 100_000, output_nusd_per_ktoken = 400_000 }}

[[agents]]
kind = "simulated"
name = "counter"
# Agents of one world share the seed: it fixes which answer is the right one.
#seed = 0
# Probability of the right answer, where skills_ppb names no other.
skill_ppb = 550_000_000
# The same by subject.
skills_ppb = {{ arithmetic = 930_000_000 }}
# Median time of a call; single calls vary between half and double of it.
#latency_ms = 800
# Whether a call really takes its time, or only says so.
#waits = false
# Probability that an attempt fails, never answers, or cannot be read.
#failure_ppb = 0
#hang_ppb = 0
#malformed_ppb = 0
# Nano-dollars per 1,000 tokens: $1 per million tokens is 1_000_000.
#price = {{ input_nusd_per_ktoken = 500_000, output_nusd_per_ktoken = 1_500_000 }}
# Time limit of one attempt, number of attempts, wait before the second one (doubled before each one after it).
#limits = {{ timeout_ms = 60_000, max_attempts = 3, backoff_ms = 500 }}

# An agent that plays back outputs of a file named under [run]; it has price and limits too.
# [[agents]]
# kind = "recorded"
# name = "llama"
# model = "Meta-Llama-3_1-70B-Instruct"

# --- How the panel is chosen.

[routing]
# "weighted": a score of quality, speed, cost and stability; "lexicographic": quality first; "static": as configured.
#rule = "weighted"
# Agents that may be asked, in all stages together; at most as many as there are.
#panel_size = 3
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
#stages = [2, 1]
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
"""


@command(examples=("orch init", "orch init --force", "orch --config other.toml init"))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@pass_app
def init(app: App, force: bool) -> None:
    """
    Write a commented configuration file, orch.toml.

    It works as it is, with three simulated agents, and names every setting with its unit and default. --config gives
    it another name. A file that is there is left alone, unless --force is given.
    """
    path = app.config_path
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already", remedy="--force replaces it") from error
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}", remedy="Choose another place") from error
    if app.json:
        output.print_json({"config": str(path)})
    else:
        output.print_text(f"Wrote {path}")
        named = "" if path == Path(DEFAULT_CONFIG) else f" --config {shlex.quote(str(path))}"
        output.print_command(f'orch{named} ask "What is 17 times 23?" --number --subject arithmetic', "try it")
