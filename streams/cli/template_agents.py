"""The agents that `orch init` writes: hosted and local models, or simulated ones."""

from typing import NamedTuple

_OPENAI = """\
[[agents]]
# "litellm": model is PROVIDER/MODEL as litellm knows it. "openai": any endpoint with OpenAI's chat completions.
kind = "litellm"
name = "gpt"
model = "openai/gpt-4.1-mini"
# Variable that holds the key. The key itself stands nowhere: not here, not in the log, not in any message.
key_env = "OPENAI_API_KEY"
# Where it is served, if that is not where its provider serves it.
# base_url = "https://gateway.example/v1"
# Whose model it is, if its name does not tell: agents of one family make the same mistakes.
# family = "openai"
# 700_000_000 is 0.7; "none" sends no temperature, for models that take none. So with the seed.
#temperature_ppb = 0
#seed = 0
# Longest answer; of models that think before they answer, their thoughts count too.
#max_output_tokens = 1_024
# "json_schema": the provider is told the form of the answer. What comes is read tolerantly either way.
#output = "text"
# Nano-dollars per 1,000 tokens: $1 per million tokens is 1_000_000. Without a price costs are unknown.
price = { input_nusd_per_ktoken = 400_000, output_nusd_per_ktoken = 1_600_000 }
# Time limit of one attempt, number of attempts, wait before the second one (doubled before each one after it); failed
# attempts in a row after which it is left alone, and for how long.
#limits = { timeout_ms = 60_000, max_attempts = 3, backoff_ms = 500, breaker_failures = 10, breaker_ms = 30_000 }
# limits can also hold how many calls are under way at a time, and how many begin a minute; by default any number:
# limits = { concurrent = 8, calls_per_minute = 500 }
"""

_OTHER_HOSTED = """
[[agents]]
kind = "litellm"
name = "claude"
model = "anthropic/claude-haiku-4-5"
key_env = "ANTHROPIC_API_KEY"
seed = "none"
price = { input_nusd_per_ktoken = 1_000_000, output_nusd_per_ktoken = 5_000_000 }

[[agents]]
kind = "litellm"
name = "gemini"
model = "gemini/gemini-2.5-flash-lite"
key_env = "GEMINI_API_KEY"
seed = "none"
price = { input_nusd_per_ktoken = 100_000, output_nusd_per_ktoken = 400_000 }
"""

_LOCAL = """\
# A model on this machine: Ollama here (`ollama pull llama3.2`); vLLM listens on http://127.0.0.1:8000/v1.
[[agents]]
kind = "openai"
name = "local"
model = "llama3.2"
base_url = "http://127.0.0.1:11434/v1"
price = { input_nusd_per_ktoken = 0, output_nusd_per_ktoken = 0 }
limits = { timeout_ms = 120_000, concurrent = 2 }
"""

_SIMULATED_OTHERS = """\
[[agents]]
kind = "simulated"
name = "careful"
skill_ppb = 820_000_000
latency_ms = 2_000
price = { input_nusd_per_ktoken = 5_000_000, output_nusd_per_ktoken = 15_000_000 }

[[agents]]
kind = "simulated"
name = "quick"
skill_ppb = 640_000_000
latency_ms = 400
price = { input_nusd_per_ktoken = 100_000, output_nusd_per_ktoken = 400_000 }

"""

_SIMULATED = """\
[[agents]]
kind = "simulated"
name = "counter"
# Agents of one world share the seed: it fixes which answer is the right one.
#seed = 0
# Probability of the right answer, where skills_ppb names no other.
skill_ppb = 550_000_000
# The same by subject.
skills_ppb = { arithmetic = 930_000_000 }
# Median time of a call; single calls vary between half and double of it.
#latency_ms = 800
# Whether a call really takes its time, or only says so.
#waits = false
# Probability that an attempt fails, never answers, or cannot be read.
#failure_ppb = 0
#hang_ppb = 0
#malformed_ppb = 0
# Nano-dollars per 1,000 tokens: $1 per million tokens is 1_000_000.
#price = { input_nusd_per_ktoken = 500_000, output_nusd_per_ktoken = 1_500_000 }
# Time limit of one attempt, number of attempts, wait before the second one (doubled before each one after it).
#limits = { timeout_ms = 60_000, max_attempts = 3, backoff_ms = 500 }
"""

_RECORDED = """\
# An agent that plays back outputs of a file named under [run]; it has price and limits too.
# [[agents]]
# kind = "recorded"
# name = "llama"
# model = "Meta-Llama-3_1-70B-Instruct"
"""


class Panel(NamedTuple):
    """The agents of a configuration file, in text."""

    promise: str
    """What the file's first line says of it."""
    about: str
    text: str
    size: int
    """Agents that are asked; those that are commented out apart."""
    variables: tuple[str, ...] = ()
    """Environment variables that hold their keys."""


def _commented_out(text: str) -> str:
    """Turn a table into a comment that no longer looks like settings with their defaults."""
    lines = (line if line.startswith("# ") else f"# {line.removeprefix('#')}" for line in text.splitlines())
    return "".join(f"{line.rstrip()}\n" for line in lines)


LIVE = Panel(
    promise="It asks real models: three hosted ones of different providers, and one on this machine.",
    about="Four models of four families, for models of one family make the same mistakes. Prices are\n"
    "# those that litellm 1.103.0 lists, looked up on 2026-11-21; compare them with your provider's.",
    text=f"{_OPENAI}{_OTHER_HOSTED}\n{_LOCAL}\n{_RECORDED}\n# A made-up agent; `orch init --simulated` writes three.\n"
    + _commented_out(_SIMULATED),
    size=4,
    variables=("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"),
)

SIMULATED = Panel(
    promise="It works as it is, with simulated agents.",
    about="Here three of a made-up world, different in skill, price and speed.",
    text=f"{_SIMULATED_OTHERS}{_SIMULATED}\n{_RECORDED}\n# A hosted model; `orch init` writes three, and a local one.\n"
    + _commented_out(_OPENAI),
    size=3,
)
