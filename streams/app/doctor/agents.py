"""Checks of `orch doctor` on the configured agents."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from schemas.agents import AgentSpec, LiteLLMAgent, OpenAIAgent, RecordedAgent
from schemas.policies import PolicyAdopted
from streams.agents.agent import Agent, Diagnosis, dismiss
from streams.agents.api_keys import FILE_SUFFIX, key_file_of
from streams.agents.factory import make_agents
from streams.agents.families import family_of, only_family
from streams.agents.providers.probe import RIGHT, CallProbe, EndpointProbe, reach, try_out
from streams.agents.recorded import read_outputs
from streams.app.amounts import counted
from streams.app.doctor.check import Check
from streams.audit.figures import usd
from streams.errors import OrchError
from streams.settings import RunSettings

TOKENS_IN, TOKENS_OUT = 300, 300
"""Tokens of the cost estimate: a question with four options and its instruction, and a short explanation."""

_REMEDIES: Mapping[str, str] = {
    "unauthorized": "Correct the agent's key, or choose a model that the account may use",
    "no_credit": "Put money into the account behind its key",
    "not_found": "Correct its model or base_url",
    "bad_request": "The provider rejects the request: check the agent's temperature_ppb, seed and output",
    "rate_limited": "Try again later; concurrent and calls_per_minute in its limits slow it down",
    "timeout": "Try again later, or give it more time: timeout_ms in its limits",
    "empty_reply": "The reply was empty: max_output_tokens may be too low for the model",
    "stream": "ORCH asks for no stream: turn it off there, or correct base_url",
    "html_page": "Something else answers there: correct base_url, or log in where the page asks for it",
}
"""Remedies by class of error; other errors are the provider's."""

_OTHER_NAME: Mapping[str, str] = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""The other name of the output limit."""
_TURNED_OFF: Mapping[str, str] = {
    "temperature": 'temperature_ppb = "none"',
    "seed": 'seed = "none"',
    "response_format": 'output = "text"',
}
"""Setting without which a parameter is not sent."""


def check_agents(policy: PolicyAdopted, run: RunSettings, *, call: bool) -> Iterator[Check]:
    """
    Check each agent, then all of them together. No key and no text of a provider is shown.

    Args:
        policy: The configured policy.
        run: Settings that name the files of recorded outputs.
        call: Whether to make a test call to each live agent.

    Raises:
        UsageError: Outputs of a recorded agent are missing.
    """
    live = [spec for spec in policy.agents if isinstance(spec, LiteLLMAgent | OpenAIAgent)]
    others = tuple(spec for spec in policy.agents if not isinstance(spec, LiteLLMAgent | OpenAIAgent))
    recorded = any(isinstance(spec, RecordedAgent) for spec in others)
    make_agents(_only(policy, *others), read_outputs(run.outputs) if recorded and run.outputs else None)
    kinds = Counter(spec.kind for spec in policy.agents)
    yield Check("agents", "ok", ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    agents: dict[str, Agent] = {}
    missing: dict[str, OrchError] = {}
    for spec in live:
        try:
            agents |= make_agents(_only(policy, spec), None)
        except OrchError as error:
            missing[spec.name] = error
    addressed = [spec for spec in live if spec.name in agents and spec.base_url is not None]
    reached = asyncio.run(reach(addressed)) if addressed else {}
    for spec in live:
        yield _look(spec, missing.get(spec.name), reached.get(spec.name))
    if call and agents:
        yield from _calls(agents)
    yield from _families(policy)
    yield from _budget(policy, live)


def _only(policy: PolicyAdopted, *agents: AgentSpec) -> PolicyAdopted:
    return policy.model_copy(update={"agents": agents})


def _look(spec: LiteLLMAgent | OpenAIAgent, missing: OrchError | None, reached: EndpointProbe | None) -> Check:
    """Check an agent without calling its model: key, package, endpoint, cost."""
    name = f"agent {spec.name}"
    if missing is not None:
        lacks = missing.message.removeprefix(f"agent {spec.name!r}: ")
        return Check(name, "fail", _joined(spec.model, lacks, _cost(spec)), missing.remedy)
    itself = isinstance(spec, LiteLLMAgent) and spec.base_url is None
    file = key_file_of(spec)
    variable = spec.key_env if file is None else f"{spec.key_env}{FILE_SUFFIX}"
    key = f"{variable} is set" if spec.key_env else ("litellm looks for its key itself" if itself else "no key")
    if reached is None:
        finding = "only a call (--call) shows whether it answers"
        return Check(name, "ok", _joined(spec.model, key, finding, _cost(spec)))
    state, finding, remedy = _as_found(spec, reached)
    return Check(name, state, _joined(spec.model, key, finding, _cost(spec)), remedy)


def _as_found(
    spec: LiteLLMAgent | OpenAIAgent, reached: EndpointProbe
) -> tuple[Literal["ok", "warn", "fail"], str, str]:
    """Turn the result of requesting an endpoint's list of models into state, finding and remedy."""
    where = f"{spec.base_url} answered in {reached.took_ms} ms"
    match reached.found:
        case "listed":
            return "ok", f"{where} and has it", ""
        case "no_list":
            return "ok", f"{where}, but lists no models; only a call (--call) shows more", ""
        case "not_listed":
            return "fail", f"{where}, but lists no such model", "Correct the agent's model, or load it there"
        case "unauthorized":
            remedy = (
                f"Correct the key in {spec.key_env}" if spec.key_env else "Name the variable with its key in key_env"
            )
            return "fail", f"{where}: unauthorized, status {reached.status}", remedy
        case "status":
            return "warn", f"{where} with status {reached.status}", "Try again later, or look at what runs there"
        case "timeout":
            found = f"{spec.base_url} did not answer in {reached.took_ms / 1000:.0f} s"
            return "fail", found, "Start what runs there, or correct base_url"
        case "unreachable":
            return "fail", f"{spec.base_url} cannot be reached", "Start what runs there, or correct base_url"


def _cost(spec: LiteLLMAgent | OpenAIAgent) -> str:
    """Estimate what a question costs at the agent's price, typically and at most."""
    price = spec.price
    if price is None:
        return "cost not known: no price"
    question = TOKENS_IN * price.input_nusd_per_ktoken
    about = question + TOKENS_OUT * price.output_nusd_per_ktoken
    most = spec.limits.max_attempts * (question + spec.max_output_tokens * price.output_nusd_per_ktoken)
    if not most:
        return "costs nothing"
    return (
        f"about {_usd(about)} for a question of {TOKENS_IN} tokens in and {TOKENS_OUT} out, at most {_usd(most)}"
        f" ({counted(spec.limits.max_attempts, 'attempt')} of {spec.max_output_tokens:,} tokens)"
    )


def _usd(thousandfold_nusd: int) -> str:
    """Write a cost, rounded up to four decimals of a dollar."""
    return usd(-(-thousandfold_nusd // (1000 * 100_000)) * 100_000)


def _joined(*parts: str) -> str:
    return "; ".join(parts)


def _calls(agents: Mapping[str, Agent]) -> Iterator[Check]:
    """Make one test call to each agent, and report its outcome."""

    async def all_of_them() -> dict[str, CallProbe]:
        try:
            return await try_out(agents.values())
        finally:
            await dismiss(agents)

    for name, tried in asyncio.run(all_of_them()).items():
        yield _as_tried(agents[name].spec, tried)


def _as_tried(spec: AgentSpec, tried: CallProbe) -> Check:
    name, attempt = spec.name, tried.attempt
    cost = "at unknown cost" if attempt.cost_nusd is None else f"for {usd(attempt.cost_nusd)}"
    what = f"in {attempt.latency_ms:,} ms {cost}"
    if attempt.outcome != "ok":
        failure = attempt.error or attempt.outcome
        shown = _shown(tried.diagnosis)
        remedy = _of_parameter(spec, tried.diagnosis.parameter) or _REMEDIES.get(failure, "Try again later")
        return Check(f"call {name}", "fail", _joined(f"{failure} {what}", *shown), remedy)
    if tried.answer is None:
        remedy = "See its replies by `orch ask` and `orch explain`; max_output_tokens may be too low for it"
        return Check(f"call {name}", "warn", f"answered {what}, and no number can be read from it", remedy)
    if tried.answer != RIGHT:
        return Check(f"call {name}", "warn", f"answered {tried.answer} to 1 + 1 {what}", "Take another model")
    return Check(f"call {name}", "ok", f"answered rightly {what}")


def _shown(diagnosis: Diagnosis) -> Iterator[str]:
    """Write what a failed call showed beside its class."""
    if diagnosis.found:
        yield f"answered with {diagnosis.found}"
    if diagnosis.parameter:
        yield f"the provider complains of {diagnosis.parameter}"


def _of_parameter(spec: AgentSpec, parameter: str) -> str:
    """Name the setting behind a parameter that the provider complains of; empty if it complains of none."""
    if parameter in _TURNED_OFF:
        return f"Leave {parameter} out: {_TURNED_OFF[parameter]}"
    if parameter not in _OTHER_NAME:
        return ""
    renamed = f'name the limit as the model wants it: output_limit = "{_OTHER_NAME[parameter]}"'
    if isinstance(spec, LiteLLMAgent):
        renamed = f'litellm chose this name; make it an agent of kind "openai", and {renamed}'
    return f"{renamed[0].upper()}{renamed[1:]}; or lower max_output_tokens, if that is too high"


def _families(policy: PolicyAdopted) -> Iterator[Check]:
    families = [family for spec in policy.agents if (family := family_of(spec)) is not None]
    if not families:
        return
    only = only_family(policy.agents)
    if only is None:
        yield Check("families", "ok", ", ".join(sorted(set(families))))
        return
    finding = f"all {len(families)} agents are of one family, {only}: same family, same mistakes"
    remedy = "Add a model of another provider; set an agent's family if the model's name does not show it"
    yield Check("families", "warn", finding, remedy)


def _budget(policy: PolicyAdopted, live: Sequence[LiteLLMAgent | OpenAIAgent]) -> Iterator[Check]:
    budget = policy.budget
    if not budget.limited:
        return
    limits = [(budget.question_nusd, "a question"), (budget.run_nusd, "in all under this policy")]
    told = ", ".join(f"{usd(nusd)} {what}" for nusd, what in limits if nusd is not None)
    lowest = min(nusd for nusd, _ in limits if nusd is not None)
    # A call reserves this and the cost of its prompt: an agent that is too expensive without a prompt is never called.
    dear = [
        spec.name
        for spec in live
        if spec.price and spec.max_output_tokens * spec.price.output_nusd_per_ktoken > lowest * 1000
    ]
    if dear:
        finding = f"{told}: too little for one call of {', '.join(dear)}, which is never made"
        yield Check("budget", "fail", finding, "Raise it, or lower their max_output_tokens")
    else:
        yield Check("budget", "ok", told)
