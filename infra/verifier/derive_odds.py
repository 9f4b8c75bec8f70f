"""
Derivation of decisions under `odds`, for verify.py.

Written from schemas/RECEIPT.md, section "The rule odds"; it shares no code with the program that writes receipts, and
needs CPython 3.9 or newer and nothing else. All numbers are integers; // and >> round down.
"""

import hashlib
import re
from math import isqrt

ONE, FINE, PPB, MICRO = 1 << 16, 1 << 32, 10**9, 10**6
LOG2_E, PROBIT, FOLLOWS, NOMINAL, LEADS_AT_FIRST = 6_196_328_019, 111_543, 3 * ONE // 10, 100, 26_573
CHOICES = {"choices/3": 45_426, "choices/4": 71_999}
SHARED, LETTERS = "", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST_LINES, MOST_TERMS, LONGEST_TEXT, WHOLE = 16, 400, 20_000, re.compile("[0-9]{1,40}")

DEFAULTS = {"learn_from": "feedback", "cascade": True, "gain_per_call_ppb": 6_000_000, "audit_every": 25}
DEFAULTS.update(warm_up_lessons=50, warm_up_panels=100, option_shapes=False)
GROUNDS = {"texts": ["text"], "values": ["bare", "derived", "stated", "absent"], "number": ["good", "bad", "none"]}
NEGATED = re.compile(r"\b(?:not|except|least|incorrect|false|never|cannot|without)\b", re.ASCII | re.IGNORECASE)

EVIDENCE = "evidence: not proved; what question and answers rest on is as the program read it in their texts"
AGAIN = "evidence: again, by code that is shared with the writer"
WEIGHTS = "weights: not proved; the entry of the table that the panel names is not in the receipt"


def half_even(numerator, denominator):
    """Divide, and round half to even; the denominator is positive."""
    down, rest = divmod(numerator, denominator)
    return down + (2 * rest > denominator or (2 * rest == denominator and down % 2 == 1))


def unats(weight):
    """Give a weight in micro-nats."""
    return half_even(weight * MICRO, ONE)


def _powers():
    """Give 2^(-j/256) for j = 0 to 256, in units of 2^-32."""
    scale = 1 << 64
    roots = [isqrt((scale >> 1) * scale)]
    while len(roots) < 8:
        roots.append(isqrt(roots[-1] * scale))
    table = []
    for place in range(256):
        power = scale
        for bit in range(8):
            power = power * roots[bit] // scale if place & 128 >> bit else power
        table.append(power + (1 << 31) >> 32)
    return [*table, FINE // 2]


POWERS = _powers()


def exp_minus(exponent):
    """Give e^-x in units of 2^-32, for x >= 0 in units of 2^-16."""
    halvings, rest = divmod(exponent * LOG2_E >> 16, FINE)
    if halvings >= 48:
        return 0
    place, between = divmod(rest, 1 << 24)
    fall = (POWERS[place] - POWERS[place + 1]) * between >> 24
    return (POWERS[place] - fall) >> halvings


def logistic(value):
    """Give 1 / (1 + e^-x), all in units of 2^-16."""
    share = FINE * ONE // (FINE + exp_minus(abs(value)))
    return share if value >= 0 else ONE - share


def _share_problem(panel, policy, question, entry):
    """Say what of the panel's share of the table does not follow from its entry; None if everything does."""
    carried, named = panel["odds"], panel["odds"]["entry_id"]
    settings, facts = policy.get("odds", DEFAULTS), carried["facts"]
    kinds = ["texts", "values"] if panel["option_count"] else ["number"]
    shapes = None if not settings["option_shapes"] else panel["option_count"]
    negated = bool(question["options"]) and NEGATED.search(question["text"][:LONGEST_TEXT]) is not None
    fixed = policy["routing"]["priority"]
    order = [*fixed, *(one["name"] for one in policy["agents"] if one["name"] not in fixed)]
    follows = {
        "settings": (carried["settings"], settings),
        "scope": (carried["scope"], policy["policy_id"]),
        "kind": (facts["kind"] in kinds, True),
        "negated": (facts["negated"], negated),
        "shapes": (None if facts["shapes"] is None else len(facts["shapes"]), shapes),
        "members": ([member["agent"] for member in carried["members"]], order),
        "mode": (carried["mode"] in _modes(settings, carried["lessons"], panel["question_id"]), True),
    }
    if named is None or entry is not None:
        table = entry or {"scope": carried["scope"], "sequence": 0, "lessons": 0, "agents": [], "shared": {}}
        lines = {line["agent"]: line for line in table["agents"]}
        members = [_member(agent, lines.get(agent), facts, settings, order[0]) for agent in order]
        place = ("scope", "sequence", "lessons")
        follows["place in the table"] = ([carried[name] for name in place], [table[name] for name in place])
        follows["weights, skills and means"] = (carried["members"], members)
        follows["shared weights"] = (carried["shared"], _chosen(table["shared"], _shared_names(facts, panel)))
    for name, (said, derived) in follows.items():
        if said != derived:
            return f"the panel's share of the table of weights does not follow: {name}"
    return None


def _modes(settings, lessons, question_id):
    """List the modes of asking that are possible; between two of them the router's table decides."""
    if not settings["cascade"] or settings["learn_from"] != "feedback":
        return ["whole panel"]
    if not lessons:
        return ["untaught"]
    every, hashed = settings["audit_every"], int(hashlib.sha256(question_id.encode()).hexdigest(), 16)
    settled = "audit" if every and hashed % every == 0 else "by gain"
    return [settled, "warm-up"] if lessons < settings["warm_up_lessons"] else [settled]


def _member(agent, line, facts, settings, first):
    """Give what the panel carries of one agent."""
    line = line or {"standing": {}, "weights": {}}
    standing = line["standing"].get(facts["kind"], {"right": ONE // 2, "asked": 0, "mean": ONE})
    skill = (standing["right"] * standing["asked"] + ONE // 2 * 10) // (standing["asked"] + 10)
    grounds = GROUNDS[facts["kind"]]
    leads = settings["learn_from"] == "agreement" and agent == first
    weights = dict.fromkeys(grounds, LEADS_AT_FIRST) if leads else {}
    weights.update(_chosen(line["weights"], ["agent", *["negated"][: facts["negated"]], *grounds]))
    return {"agent": agent, "skill": skill, "mean": standing["mean"], "weights": weights}


def _shared_names(facts, panel):
    """List the shared weights that answers to the question can switch on."""
    names = [f"supporters/{count}" for count in range(1, 7)]
    names += [f"letter/{letter}" for letter in LETTERS[: panel["option_count"]]]
    names += facts["shapes"] or []
    names += [] if facts["kind"] == "texts" else ["uses/true", "uses/false"]
    if facts["kind"] != "number":
        return names
    names += [f"repeats/{count}" for count in range(4)]
    return names + ([] if facts["shapes"] is None else ["value/positive whole", "value/other"])


def _chosen(weights, names):
    return {name: weights[name][0] for name in names if name in weights}


class OddsCase:
    """
    The rule `odds` on one question.

    Args:
        panel, policy, question, decision: The events; the evidence of each ballot is taken from the decision.
        events: All events of the receipt with their topics, by id.
        reader: Reads evidence again, if it can. `problem` says what is wrong, `claims` what is not proved.
    """

    def __init__(self, panel, policy, question, decision, events, reader):
        carried = panel["odds"]
        topic, entry = events.get(carried["entry_id"], ("orch.weights", None))
        named = "the entry that the panel names is none of weights" if topic != "orch.weights" else None
        self.problem = named or _share_problem(panel, policy, question, entry)
        self.claims = [EVIDENCE, WEIGHTS][: 1 + (entry is None and carried["entry_id"] is not None)]
        if self.problem is None and hasattr(reader, "evidence_problem"):
            self.problem, self.claims[0] = reader.evidence_problem(question, carried, decision, events), AGAIN
        self.carried, self.facts, self.settings = carried, carried["facts"], carried["settings"]
        self.options, self.choices = panel["option_count"], panel["option_count"] or NOMINAL
        self.evidence = {found["agent"]: self._possible(found) for found in decision["odds"]["evidence"]}
        self.agreement = self.settings["learn_from"] == "agreement"
        self.weights = {(SHARED, name): weight for name, weight in carried["shared"].items()}
        for member in carried["members"]:
            self.weights.update({(member["agent"], name): value for name, value in member["weights"].items()})

    @property
    def rule(self):
        """Name the rule that decides: without a lesson, and for numbers without feedback, it is another one."""
        if self.carried["mode"] == "untaught":
            return "cascade"
        return "vote" if self.agreement and self.facts["kind"] == "number" else "odds"

    def _possible(self, found):
        """Refuse evidence that no answer to the question can have."""
        kind, given = self.facts["kind"], self.facts["given"]
        nothing = given is None or kind == "texts" or (kind == "values" and not given)
        uses, repeats = found["uses"], found["repeats"]
        fits = found["grounds"] in GROUNDS[kind] and (uses is None if nothing else type(uses) is bool)
        fits = fits and (type(repeats) is int and 0 <= repeats <= 3 if kind == "number" else repeats is None)
        if not fits or sorted(found) != ["agent", "grounds", "repeats", "uses"]:
            raise ValueError(f"the answer of {found['agent']} cannot have this evidence")
        return found

    def weight(self, switch):
        """Give a weight in units of 2^-16."""
        start = CHOICES.get(switch[1], 0) if switch[0] == SHARED else ONE * (switch[1] == "agent")
        return self.weights.get(switch, start)

    def _switches(self, ballot):
        """List the weights that a ballot switches on by itself."""
        agent, found = ballot["agent"], self.evidence[ballot["agent"]]
        if self.agreement:
            return [(agent, found["grounds"]), (SHARED, f"choices/{min(self.choices, 4)}")]
        on = [(agent, "agent"), (agent, found["grounds"])]
        on += [(agent, "negated")] if self.facts["negated"] else []
        on += [] if found["uses"] is None else [(SHARED, "uses/true" if found["uses"] else "uses/false")]
        on += [] if found["repeats"] is None else [(SHARED, f"repeats/{found['repeats']}")]
        return on + ([(SHARED, f"letter/{ballot['answer']}")] if self.options else [])

    def weigh(self, ballots):
        """Score the answers, and give the ballots their weights; give the tally."""
        rows, given = {}, [ballot["answer"] for ballot in ballots]
        for ballot in ballots:
            on = self._switches(ballot)
            ballot["weight"] = unats(sum(map(self.weight, on)))
            row = rows.setdefault(ballot["answer"], {})
            for switch in on:
                row[switch] = row.get(switch, 0) + 1
        for answer, row in [] if self.agreement else rows.items():
            row[SHARED, f"supporters/{min(given.count(answer), 6)}"] = 1
        for answer, shape in self._shapes(rows):
            rows.setdefault(answer, {})[SHARED, shape] = 1
        self.rows, self.given = rows, given
        self.scores = {a: sum(self.weight(on) * times for on, times in row.items()) for a, row in rows.items()}
        # Spread the posterior over all choices; `unseen` is that of each answer without a row.
        self.others = max(self.choices - len(rows), 0)
        top = max([*self.scores.values(), *[0][: self.others]], default=0)
        powers = {answer: exp_minus(top - score) for answer, score in self.scores.items()}
        unseen = exp_minus(top) if self.others else 0
        whole = max(sum(powers.values()) + self.others * unseen, 1)
        self.posteriors = {answer: power * ONE // whole for answer, power in powers.items()}
        self.unseen = unseen * ONE // whole
        return {answer: unats(self.scores[answer]) for answer in given}

    def _shapes(self, rows):
        if self.agreement or self.facts["shapes"] is None:
            return []
        if self.options:
            return zip(LETTERS, self.facts["shapes"])
        return [(a, "value/positive whole" if WHOLE.fullmatch(a) else "value/other") for a in list(rows)]

    def posterior_ppb(self, answer):
        """Give a posterior; None where agreement teaches."""
        return None if self.agreement else half_even(self.posteriors[answer] * PPB, ONE)

    def after(self, leader, later):
        """Give posterior and outcome of a step, and its gain if agents of the panel are left."""
        share, gain = self.posterior_ppb(leader), self._gain(leader, later)
        goes_on = later and gain["expected_ppb"] >= gain["wanted_ppb"]
        return (share, "next stage" if goes_on else "decide", *[gain][: len(later)])

    def _gain(self, leader, later):
        left = [member for member in self.carried["members"] if member["agent"] in later]
        sure, top = self.posteriors[leader], self.scores[leader]
        rivals = [(self.posteriors[a], top - s, a in self.given, 1) for a, s in self.scores.items() if a != leader]
        if self.others and self.choices == NOMINAL:
            rivals.append((self.unseen * self.others, top, False, 1))
        elif self.others:
            rivals.append((self.unseen, top, False, self.others))
        gain = 0
        for posterior, gap, is_given, alike in rivals:
            if_right, if_wrong = self._overtakes(left, gap, is_given)
            gain += max(0, posterior * if_right - sure * if_wrong) * alike
        expected, wanted = half_even(gain * PPB, ONE * ONE), self.settings["gain_per_call_ppb"] * len(left)
        return {"left": len(left), "expected_ppb": expected, "wanted_ppb": wanted}

    def _overtakes(self, left, gap, is_given):
        """Give how probably a rival overtakes the leader, if it is right and if the leader is."""
        sums = [0, 0, 0, 0]
        for member in left:
            weight, skill = max(member["mean"], 0), member["skill"]
            square, follows = weight * weight // ONE, (ONE - skill) * FOLLOWS // ONE
            joins = follows if is_given else (ONE - skill) // (self.choices - 1)
            for place, (won, lost) in enumerate([(skill, follows), (joins, skill)]):
                mean = weight * (won - lost) // ONE
                sums[place] += mean
                sums[place + 2] += square * (won + lost) // ONE - mean * mean // ONE
        deviations = [isqrt(max(variance, 0) << 16) for variance in sums[2:]]
        return [logistic((m - gap) * PROBIT // d) if d else 0 for m, d in zip(sums, deviations)]

    def told(self, ballots, scored):
        """Give the decision's member `odds`; `scored` says that the decision was counted by this rule."""
        told = {name: self.facts[name] for name in ("kind", "negated", "shapes")}
        told.update(scope=self.carried["scope"], learn_from=self.settings["learn_from"])
        told.update(first=self.carried["members"][0]["agent"], lines=self._lines() if scored else [])
        return {**told, "evidence": [self.evidence[ballot["agent"]] for ballot in ballots]}

    def _lines(self):
        lines, room, tally = [], MOST_TERMS, {answer: unats(self.scores[answer]) for answer in self.given}
        for answer in sorted(tally, key=lambda answer: (-tally[answer], answer))[:MOST_LINES]:
            named = [(self.weight(on), self._name(*on), times) for on, times in self.rows[answer].items()]
            named.sort(key=lambda term: (-abs(term[0] * term[2]), term[1]))
            room -= len(named)
            if room < 0:
                break
            terms = [{"name": name, "weight": weight, "times": times} for weight, name, times in named]
            line = {"answer": answer, "score_unats": tally[answer], "posterior_ppb": self.posterior_ppb(answer)}
            lines.append({**line, "terms": terms})
        return lines

    @staticmethod
    def _name(owner, name):
        if owner == SHARED:
            return name
        return {"agent": f"agent/{owner}", "negated": f"agent+negated/{owner}"}.get(name, f"agent+class/{owner}/{name}")
