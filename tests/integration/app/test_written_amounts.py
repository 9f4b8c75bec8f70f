"""Amounts of orch.toml as people write them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from schemas.policies import PolicyAdopted
from streams.errors import UsageError
from streams.settings import build_policy, load_config
from streams.written_amounts import plain_amounts

AT = "2026-01-01T00:00:00.000Z"
INTEGERS = """
[policy]
deadline_ms = 300_000
[[agents]]
kind = "simulated"
name = "a"
skill_ppb = 825_000_000
skills_ppb = { law = 500_000_000 }
latency_ms = 1_500
price = { input_nusd_per_ktoken = 400_000, output_nusd_per_ktoken = 1_600_000 }
limits = { timeout_ms = 60_000, backoff_ms = 500 }
[routing]
panel_size = 1
weights = { latency_ppb = 300_000_000, latency_scale_ms = 5_000, cost_scale_nusd = 2_000_000 }
[merge]
stages = [1]
accept_ppb = 800_000_000
[learning.source_weights]
human = 250_000_000
[budget]
question_nusd = 50_000_000
run_nusd = 5_000_000_000
"""
TEXTS = """
[policy]
deadline_ms = "5 min"
[[agents]]
kind = "simulated"
name = "a"
skill_ppb = "82.5 %"
skills_ppb = { law = "0.5" }
latency_ms = "1.5 s"
price = { input_nusd_per_ktoken = "$0.40 per 1M tokens", output_nusd_per_ktoken = "$0.0016 / 1k" }
limits = { timeout_ms = "1 min", backoff_ms = "500 ms" }
[routing]
panel_size = 1
weights = { latency_ppb = "30%", latency_scale_ms = "5 s", cost_scale_nusd = "$0.002" }
[merge]
stages = [1]
accept_ppb = "0.8"
[learning.source_weights]
human = "25 %"
[budget]
question_nusd = "0.05 USD"
run_nusd = "$5"
"""


def built(text: str, folder: Path) -> PolicyAdopted:
    """Build the policy of a file."""
    path = folder / "orch.toml"
    path.write_text(text, "utf-8")
    return build_policy(load_config(path, required=True), AT)


def test_spelling_leaves_the_event_as_it_is(tmp_path: Path) -> None:
    """Texts and integers of the same amounts give one policy, with one id."""
    assert built(TEXTS, tmp_path).event_id == built(INTEGERS, tmp_path).event_id


@pytest.mark.parametrize(
    ("name", "text", "amount"),
    [
        ("accept_ppb", "1", 10**9),
        ("accept_ppb", "100 %", 10**9),
        ("accept_ppb", "0.000000001", 1),
        ("temperature_ppb", "1.5", 1_500_000_000),
        ("run_nusd", "$1_000", 10**12),
        ("run_nusd", "USD 0.000000001", 1),
        ("deadline_ms", "2 h", 7_200_000),
        ("deadline_ms", "1 day", 86_400_000),
        ("timeout_ms", "0.25 s", 250),
        ("input_nusd_per_ktoken", "$3 per million tokens", 3_000_000),
        ("input_nusd_per_ktoken", "0.01 USD per 1,000 tokens", 10_000_000),
        ("input_nusd_per_ktoken", "$0.15/1M", 150_000),
    ],
)
def test_amount_is_exact(name: str, text: str, amount: int) -> None:
    """What a text says is the integer, whatever a float would make of it."""
    assert plain_amounts({name: text}, "orch.toml") == {name: amount}


@pytest.mark.parametrize(
    ("line", "words", "remedy"),
    [
        ("accept_ppb = 80", "accept_ppb = 80 is 0.00000008", 'Write "0.8" or 800_000_000'),
        ("accept_ppb = 1", "accept_ppb = 1 is 0.000000001", 'Write "1" or 1_000_000_000'),
        ("accept_ppb = 900", "accept_ppb = 900 is 0.0000009", 'Write "0.9" or 900_000_000'),
        ("accept_ppb = 0.8", "accept_ppb = 0.8 has decimals", 'Write "0.8" or 800_000_000'),
        ('accept_ppb = "80"', "accept_ppb is no amount", '"80 %"'),
        ('accept_ppb = "0,8"', "accept_ppb is no amount", '"0.8"'),
        ('accept_ppb = "800_000_000"', "accept_ppb is no amount", "800_000_000"),
        ('accept_ppb = "0.0000000001"', "accept_ppb has more decimals", '"0.8"'),
        ("source_weights = { gold = 50 }", "source_weights.gold = 50 is 0.00000005", '"0.5" or 500_000_000'),
        ('run_nusd = "5"', "run_nusd is no amount", '"$5"'),
        ('run_nusd = "$0.0000000001"', "run_nusd has more decimals", '"$5"'),
        ('deadline_ms = "30"', "deadline_ms is no amount", '"30 s"'),
        ('deadline_ms = "0.5 ms"', "deadline_ms has more decimals", '"500 ms"'),
        ('deadline_ms = "3 weeks"', "deadline_ms is no amount", '"5 min"'),
        ('input_nusd_per_ktoken = "$0.40"', "input_nusd_per_ktoken is no amount", "per 1M tokens"),
    ],
)
def test_amount_that_cannot_be_meant_is_refused(line: str, words: str, remedy: str) -> None:
    """The message has the setting, and what to write instead."""
    given: dict[str, Any] = tomllib.loads(line)
    with pytest.raises(UsageError) as caught:
        plain_amounts(given, "orch.toml")
    assert words in caught.value.message
    assert remedy in caught.value.remedy


def test_text_of_an_amount_is_not_repeated() -> None:
    """It may be an API key."""
    with pytest.raises(UsageError) as caught:
        plain_amounts({"temperature_ppb": "sk-secret"}, "orch.toml")
    assert "secret" not in str(caught.value)


def test_other_settings_are_left_alone() -> None:
    """Texts, switches and plain counts are no amounts; zero is one."""
    given = {"rule": "80", "merge_agent": True, "warm_up": 32, "window_ppb": 0, "prompts": {"version": "1 s"}}
    assert plain_amounts(given, "orch.toml") == given
