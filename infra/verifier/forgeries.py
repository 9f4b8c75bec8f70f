"""Forgeries of receipts by whoever holds the key."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from schemas.canonical import canonical_json, content_id
from streams.audit.proof.checkpoints import Head, TopicPartition, bodies, sign_roots
from streams.audit.proof.merkle import fill_spans, inclusion_spans, leaf_hash, root_of
from streams.audit.proof.notes import SigningKey
from streams.audit.proof.proof_text import InclusionProof

Receipt = dict[str, Any]


def event_in(receipt: Receipt, event_id: str) -> dict[str, Any]:
    """Give an event of a receipt."""
    for record in receipt["records"]:
        if record["event_id"] == event_id:
            found: dict[str, Any] = json.loads(_value(record))
            return found
    raise KeyError(event_id)


def _value(record: Mapping[str, Any]) -> str:
    entry: str = record["entry"]
    start = entry.index("\nvalue ") + 1
    return entry[entry.index("\n", start) + 1 :]


Forgery = Callable[[dict[str, dict[str, Any]], str, Random], bool]
"""Changes events, by id, given the decision's id; false if there is nothing of the kind."""


def _decision(change: Callable[[dict[str, Any], Random], bool]) -> Forgery:
    return lambda events, decision_id, random: change(events[decision_id], random)


def _answer(decision: dict[str, Any], random: Random) -> bool:
    others = [answer for answer in decision["tally"] if answer != decision["answer"]]
    if not others or decision["answer"] is None:
        return False
    decision["answer"] = random.choice(others)
    decision["agreement"]["agreeing"] = sum(b["answer"] == decision["answer"] for b in decision["counted"])
    return True


def _number(*path: str) -> Callable[[dict[str, Any], Random], bool]:
    def change(decision: dict[str, Any], random: Random) -> bool:
        place: Any = decision
        for name in path[:-1]:
            if name == "*":
                if not place:
                    return False
                place = random.choice(list(place))
            else:
                place = place[name]
        last = path[-1]
        if last == "*":
            if not place:
                return False
            last = random.choice(sorted(place))
        if not isinstance(place.get(last), int):
            return False
        place[last] += random.choice([1, 7, 100])
        return True

    return change


def _ballot_dropped(decision: dict[str, Any], random: Random) -> bool:
    if not decision["counted"]:
        return False
    dropped = decision["counted"].pop()
    answer = dropped["answer"]
    decision["tally"][answer] -= dropped["weight"]
    if not any(ballot["answer"] == answer for ballot in decision["counted"]):
        del decision["tally"][answer]
    return True


def _reason(decision: dict[str, Any], random: Random) -> bool:
    decision["reason"] = random.choice(
        [r for r in ("panel complete", "early exit", "deadline", "quorum", "merge agent") if r != decision["reason"]]
    )
    return True


def _excluded(decision: dict[str, Any], random: Random) -> bool:
    for seat in decision["excluded"]:
        seat["reason"] = "failed" if seat["reason"] != "failed" else "refused"
        return True
    return False


def _undecided(decision: dict[str, Any], random: Random) -> bool:
    if decision["answer"] is None:
        return False
    decision.update(answer=None, status="undecided", tie_break=None)
    decision.pop("answer_text", None)
    return True


def _trace(decision: dict[str, Any], random: Random) -> bool:
    step = random.choice(decision["trace"])
    step["outcome"] = "decide" if step["outcome"] != "decide" else "fall back"
    return True


def _tie(decision: dict[str, Any], random: Random) -> bool:
    if decision["tie_break"] is None:
        return False
    decision["tie_break"]["tied"] = decision["tie_break"]["tied"][:1]
    return True


def _time(decision: dict[str, Any], random: Random) -> bool:
    decision["occurred_at"] = "2030" + decision["occurred_at"][4:]
    return True


def _cause_dropped(decision: dict[str, Any], random: Random) -> bool:
    if len(decision["causes"]) < 2:
        return False
    decision["causes"].pop()
    return True


def _quorum(events: dict[str, dict[str, Any]], decision_id: str, random: Random) -> bool:
    panel = events[events[decision_id]["causes"][0]]
    panel["merge"]["quorum"] += 1
    return True


def _text(events: dict[str, dict[str, Any]], decision_id: str, random: Random) -> bool:
    for ballot in events[decision_id]["counted"]:
        analysis = events[ballot["analysis_id"]]
        analysis.update(text="I cannot tell.", answer=None)
        return True
    return False


def _places(value: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """Find the whole numbers at a path, each as its container and its name there; `*` stands for any member."""
    names: list[Any] = [path[0]] if path[0] != "*" else list(range(len(value)) if isinstance(value, list) else value)
    for name in names:
        below = value.get(name) if isinstance(value, dict) else value[name]
        if len(path) > 1 and isinstance(below, dict | list):
            yield from _places(below, path[1:])
        elif len(path) == 1 and type(below) is int:
            yield value, name


def _raised(fields: dict[str, Any], random: Random, *path: str) -> bool:
    """Raise one of the numbers at a path."""
    places = list(_places(fields, path))
    if not places:
        return False
    holder, name = random.choice(places)
    holder[name] += random.choice([1, 7, 100])
    return True


def _of_decision(*path: str) -> Forgery:
    return lambda events, decision_id, random: _raised(events[decision_id], random, *path)


def _of_panel(*path: str) -> Forgery:
    return lambda events, decision_id, random: _raised(events[events[decision_id]["causes"][0]], random, *path)


def _entry_weight(events: dict[str, dict[str, Any]], decision_id: str, random: Random) -> bool:
    """Change a shared weight in the table, of those that the panel carries."""
    carried = events[events[decision_id]["causes"][0]]["odds"]
    entry = events.get(carried["entry_id"])
    if entry is None or not carried["shared"]:
        return False
    entry["shared"][random.choice(sorted(carried["shared"]))][0] += 1
    return True


def _working(events: dict[str, dict[str, Any]], decision_id: str, random: Random) -> bool:
    """Let a counted answer rest on something else: take the working before it away, or write a false one."""
    panel, decision = events[events[decision_id]["causes"][0]], events[decision_id]
    found = decision["odds"]["evidence"]
    for ballot, evidence in zip(decision["counted"], found, strict=True):
        analysis = events[ballot["analysis_id"]]
        if panel["odds"]["facts"]["kind"] == "texts" or analysis["text"].count("\n") != 2:
            continue
        false = "" if evidence["grounds"] in ("bad", "derived", "stated", "absent") else "1 + 1 = 3.\n"
        analysis["text"] = false + analysis["text"].partition("\n")[2]
        return True
    return False


def _negated(events: dict[str, dict[str, Any]], decision_id: str, random: Random) -> bool:
    facts = events[events[decision_id]["causes"][0]]["odds"]["facts"]
    facts["negated"] = not facts["negated"]
    return True


WITH_KEY: Mapping[str, Forgery] = {
    "answer": _decision(_answer),
    "tally": _decision(_number("tally", "*")),
    "weight": _decision(_number("counted", "*", "weight")),
    "calls": _decision(_number("calls")),
    "cost": _decision(_number("cost_nusd")),
    "agreement": _decision(_number("agreement", "counted")),
    "latency": _decision(_number("counted", "*", "conduct", "latency_ms")),
    "ballot-dropped": _decision(_ballot_dropped),
    "reason": _decision(_reason),
    "exclusion": _decision(_excluded),
    "undecided": _decision(_undecided),
    "trace": _decision(_trace),
    "tie": _decision(_tie),
    "time": _decision(_time),
    "cause-dropped": _decision(_cause_dropped),
    "quorum": _quorum,
}
"""Forgeries of who holds the key, by name: ids, trees and signatures are made anew."""

ODDS_WITH_KEY: Mapping[str, Forgery] = {
    "odds-score": _of_decision("odds", "lines", "*", "score_unats"),
    "odds-posterior": _of_decision("odds", "lines", "*", "posterior_ppb"),
    "odds-term": _of_decision("odds", "lines", "*", "terms", "*", "weight"),
    "odds-times": _of_decision("odds", "lines", "*", "terms", "*", "times"),
    "odds-trace": _of_decision("trace", "*", "posterior_ppb"),
    "odds-gain": _of_decision("trace", "*", "gain", "expected_ppb"),
    "odds-wanted": _of_decision("trace", "*", "gain", "wanted_ppb"),
    "odds-agent-weight": _of_panel("odds", "members", "*", "weights", "*"),
    "odds-skill": _of_panel("odds", "members", "*", "skill"),
    "odds-mean": _of_panel("odds", "members", "*", "mean"),
    "odds-shared-weight": _of_panel("odds", "shared", "*"),
    "odds-settings": _of_panel("odds", "settings", "gain_per_call_ppb"),
    "odds-lessons": _of_panel("odds", "lessons"),
    "odds-negated": _negated,
    "odds-entry": _entry_weight,
}
"""Forgeries of who holds the key, of decisions under a policy whose merge rule is `odds`."""

READING: Mapping[str, Forgery] = {"text": _text}
"""Forgeries that only a verifier which reads the answers again can tell."""

ODDS_READING: Mapping[str, Forgery] = {"odds-working": _working}
"""The same under `odds`: the answers stay, and what they rest on does not."""


def forged(receipt: Receipt, forgery: Forgery, key: SigningKey, random: Random) -> Receipt | None:
    """Change events of a receipt, and make ids, trees and signatures anew; None if there is nothing to change."""
    events = {record["event_id"]: json.loads(_value(record)) for record in receipt["records"]}
    if not forgery(events, receipt["decision_id"], random):
        return None
    new_ids: dict[str, str] = {}
    order = [record["event_id"] for record in receipt["records"]]
    for event_id in order:
        text = json.dumps(events[event_id])
        for old, new in new_ids.items():
            text = text.replace(old, new)
        events[event_id] = json.loads(text)
        body = {name: value for name, value in events[event_id].items() if name != "event_id"}
        new_ids[event_id] = events[event_id]["event_id"] = content_id(canonical_json(body))
    made = copy.deepcopy(receipt)
    made["decision_id"] = new_ids[receipt["decision_id"]]
    for record in made["records"]:
        value = canonical_json(events[record["event_id"]]).decode()
        head = record["entry"][: record["entry"].index("\nvalue ")]
        record["entry"] = f"{head}\nvalue {len(value.encode())}\n{value}"
        record["event_id"] = new_ids[record["event_id"]]
    return sealed_again(made, key)


def sealed_again(receipt: Receipt, key: SigningKey) -> Receipt:
    """Put the records of a receipt into trees of their own, and sign them."""
    entries: dict[TopicPartition, list[bytes]] = {}
    place_of: list[tuple[TopicPartition, int]] = []
    for record in receipt["records"]:
        topic, partition, _ = record["entry"].split("\n", 2)[1].split(" ", 2)
        held = entries.setdefault((topic, int(partition)), [])
        place_of.append(((topic, int(partition)), len(held)))
        held.append(leaf_hash(record["entry"].encode()))
    roots = sign_roots(key, {place: Head(len(leaves), root_of(leaves)) for place, leaves in entries.items()})
    for record, (place, index) in zip(receipt["records"], place_of, strict=True):
        path = fill_spans(inclusion_spans(index, len(entries[place])), entries[place])
        record["proof"] = str(InclusionProof(index, tuple(path), roots.notes[place]))
    texts = bodies(roots.origin, roots.heads)
    leaves = [leaf_hash(text.encode()) for text in texts]
    receipt["partitions"] = [
        {
            "entry": text,
            "proof": str(
                InclusionProof(index, tuple(fill_spans(inclusion_spans(index, len(leaves)), leaves)), roots.note)
            ),
        }
        for index, text in enumerate(texts)
    ]
    receipt["checkpoint"], receipt["origin"] = roots.note, roots.origin
    return receipt
