"""
Model family of an agent, configured or derived by name.

Models of one family learned from the same data and tend to make the same mistakes.
"""

import re
from collections.abc import Iterable

from schemas.agents import AgentSpec, SimulatedAgent

_BY_WORD = {
    # A word of a model's name, and the family it belongs to.
    "gpt": "openai",
    "chatgpt": "openai",
    "codex": "openai",
    "davinci": "openai",
    "o": "openai",  # o1, o3, o4-mini
    "claude": "anthropic",
    "gemini": "google",
    "gemma": "google",
    "codegemma": "google",
    "palm": "google",
    "llama": "meta",
    "codellama": "meta",
    "mistral": "mistral",
    "mixtral": "mistral",
    "ministral": "mistral",
    "magistral": "mistral",
    "codestral": "mistral",
    "devstral": "mistral",
    "pixtral": "mistral",
    "qwen": "qwen",
    "qwq": "qwen",
    "phi": "microsoft",
    "wizardlm": "microsoft",
    "command": "cohere",
    "aya": "cohere",
    "grok": "xai",
    "nova": "amazon",
    "titan": "amazon",
    "granite": "ibm",
    "glm": "zhipu",
    "chatglm": "zhipu",
    "kimi": "moonshot",
    "moonshot": "moonshot",
    "jamba": "ai21",
    "hermes": "meta",  # Llama, fine-tuned
    "nemotron": "nvidia",
    "sonar": "perplexity",
}

_VENDORS = ("meta", "anthropic", "openai", "google", "amazon", "cohere", "microsoft", "ibm", "nvidia", "ai21", "xai")
"""Vendor names that some services put before a model's name: `meta.llama3-1-70b`, `Meta-Llama-3`."""

_WORD = re.compile(r"[A-Za-z]+")


def family_of(spec: AgentSpec) -> str | None:
    """
    Determine the family of an agent's model.

    Returns:
        The family that the policy states, else that of a known word in the model's name; for an unknown model, the
        first word of its name that is no vendor. None for a simulated agent, which has no model.
    """
    if isinstance(spec, SimulatedAgent):
        return None
    return getattr(spec, "family", None) or _by_name(spec.model)


def only_family(specs: Iterable[AgentSpec]) -> str | None:
    """Return the family that all agents share; None if they differ, or if there are fewer than two."""
    families = [family_of(spec) for spec in specs]
    return families[0] if len(families) > 1 and len(set(families)) == 1 else None


def _by_name(model: str) -> str:
    words = [word.lower() for word in _WORD.findall(model.rpartition("/")[2])]
    known = next((_BY_WORD[word] for word in words if word in _BY_WORD), None)
    long = [word for word in words if len(word) > 1]
    own = [word for word in long if word not in _VENDORS]
    return known or next(iter(own or long), model.lower())
