"""Panels of recorded models: chosen, dominated, cloned, worsening, random."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from infra.bench.odds.play import Known, renamed, with_voices


@dataclass(frozen=True, slots=True)
class PanelOfModels:
    """Agents and the models whose recorded answers they give."""

    name: str
    models: dict[str, str]
    worse: tuple[str, str] | None = None
    """An agent, and the model whose answers it gives from the middle of the course on."""

    def questions(self, known: Sequence[Known]) -> list[Known]:
        """Give the questions, in the order in which they come, with the answers of the panel's agents."""
        seated = [with_voices(one, self.models) for one in known]
        if self.worse is None:
            return seated
        agent, model = self.worse
        half = len(known) // 2
        turned = [
            replace(one, voices={**one.voices, agent: renamed(given.voices[model], agent)})
            for one, given in zip(seated[half:], known[half:], strict=True)
        ]
        return seated[:half] + turned


def of_models(name: str, models: Sequence[str]) -> PanelOfModels:
    """Seat each model as an agent of its own name."""
    return PanelOfModels(name, {model: model for model in models})


def chosen(best_first: Sequence[str]) -> list[PanelOfModels]:
    """List the panels of a data set, given its models by accuracy: those one would choose, and those one would not."""
    best, weakest, count = best_first[0], best_first[-1], len(best_first)
    panels = [of_models(f"top{size}", best_first[:size]) for size in (2, 3, 4, 5) if size < count]
    panels.append(of_models(f"all{count}", best_first))
    panels.append(of_models("all but the best", best_first[1:]))
    panels.append(of_models("the weakest three", best_first[-3:]))
    panels.append(of_models("the best and the weakest three", [best, *best_first[-3:]]))
    panels.append(of_models("the weakest first", best_first[::-1]))
    clones = {f"{weakest}-{number}": weakest for number in (1, 2, 3)}
    panels.append(PanelOfModels("the best and three clones of the weakest", {**clones, best: best}))
    twins = {f"{best_first[1]}-{number}": best_first[1] for number in (1, 2, 3)}
    panels.append(PanelOfModels("the best and three clones of the second", {best: best, **twins}))
    some = best_first[: min(5, count)]
    panels.append(PanelOfModels("the best gets worst", {model: model for model in some}, (best, weakest)))
    second = best_first[1]
    panels.append(PanelOfModels("the second gets worst", {model: model for model in some}, (second, weakest)))
    return panels


def drawn(models: Sequence[str], count: int, seed: int) -> list[PanelOfModels]:
    """Draw random panels of two to six models, in random order."""
    chance = random.Random(seed)
    panels = []
    for number in range(count):
        size = chance.randint(2, min(6, len(models)))
        panels.append(of_models(f"random {number + 1}", chance.sample(list(models), size)))
    return panels
