#!/usr/bin/env python3
"""
Second opinion on receipts.

    python3 verify.py [--key FILE] RECEIPT

Written from schemas/RECEIPT.md, it shares no code with what writes receipts. Exit code 0: accepted; 4: refused.
"""

import argparse
import base64
import hashlib
import importlib.util
import json
import re
import sys
from datetime import datetime, timezone
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path

try:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    Ed25519PublicKey = None

FORMAT, PROOF, KEY_CHANGE = "orch.receipt.v1", "c2sp.org/tlog-proof@v1", "orch.key.v1"
TRACE, COMPACTED = ("stage", "rule", "leader", "posterior_ppb", "outcome", "gain"), ("orch.router", "orch.weights")
TOPICS = {"panel": "assignments", "stage": "assignments", "analysis": "analyses", "policy": "policies", "log": "policies"}
TOPICS.update(question="questions", deadline="deadlines", decision="decisions", router="router", weights="weights")
NUMBER, EPOCH = re.compile("0|[1-9][0-9]{0,15}"), datetime(1970, 1, 1, tzinfo=timezone.utc)
RULES = {"vote": "vote.v1", "weighted": "weighted.v1", "agent": "agent.v1", "cascade": "cascade.v1", "odds": "odds.v1"}
UNREAD, NOT_PROVED = "reading: not proved", (
    "that the models were right, or that a provider gave these answers",
    "that who holds the key rewrote nothing before signing, unless a checkpoint was anchored elsewhere before",
    "how the panel was chosen, what else the log holds about the question, and when the checkpoint was signed",
)

class Refused(Exception):
    """The receipt does not prove what it claims."""

def require(holds, problem):
    if not holds:
        raise Refused(problem)

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)

def _add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    g, h = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P

def _times(number, point):
    result = (0, 1, 1, 0)
    while number:
        result = _add(result, point) if number & 1 else result
        point, number = _add(point, point), number >> 1
    return result

def _point(raw):
    """Decode a point; None if the bytes are none."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * ROOT_OF_MINUS_ONE % P
    if y >= P or x * x % P != square or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P

BASE = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def ed25519_by_hand(key, signature, message):
    a, r = _point(key), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = _times(s, BASE), _add(r, _times(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0

def ed25519(key, signature, message):
    if Ed25519PublicKey is None:
        return ed25519_by_hand(key, signature, message)
    try:
        return Ed25519PublicKey.from_public_bytes(key).verify(signature, message) is None
    except Exception:  # of `cryptography`, which need not be there to be named
        return False

def from_base64(text):
    raw = base64.b64decode(text)
    require(base64.b64encode(raw).decode() == text, f"{text:.40} is not canonical base64")
    return raw

def key_id(name, key):
    return hashlib.sha256(name.encode() + b"\n\x01" + key).digest()[:4]

def read_key(text):
    name, given, encoded = (*text.strip().split("+", 2), "", "")[:3]
    raw = from_base64(encoded)
    require(len(raw) == 33 and raw[0] == 1 and name, "no Ed25519 key of the form NAME+ID+KEY")
    require(key_id(name, raw[1:]).hex() == given, "the key has another id than it says")
    return name, raw[1:]

def signed(note, name, keys):
    """Give the text of a note that one of the keys signed under a name; None if none of them did."""
    text, blank, lines = note.rpartition("\n\n")
    require(blank and lines.endswith("\n"), "no signed note")
    for line in lines[:-1].split("\n"):
        found = re.fullmatch("\u2014 ([^ +]+) (\\S+)", line)
        require(found, "a signature line is malformed")
        text, raw = note[: -len(lines) - 1], from_base64(found[2])
        for key in keys if found[1] == name else ():
            if raw[:4] == key_id(name, key):
                require(ed25519(key, raw[4:], text.encode()), f"the signature of {name} is wrong")
                return text
    return None

def read_checkpoint(text):
    lines = text.split("\n")
    require(len(lines) == 4 and lines[3] == "" and NUMBER.fullmatch(lines[1]), "no checkpoint of a trusted key")
    return lines[0], int(lines[1]), from_base64(lines[2])

def climb(leaf, index, size, path):
    """Give the root above a leaf, by recursion as in RFC 6962, section 2.1.1."""
    if size == 1:
        require(not path, "the proof is too long")
        return leaf
    require(path, "the proof is too short")
    half, (*below, last) = 1 << (size - 1).bit_length() - 1, path
    left = climb(leaf, index, half, below) if index < half else last
    right = last if index < half else climb(leaf, index - half, size - half, below)
    return hashlib.sha256(b"\x01" + left + right).digest()

def included(entry, proof, keys, origin):
    """Check a proof; give the text of its checkpoint."""
    head, _, note = proof.partition("\n\n")
    lines = head.split("\n")
    index = re.fullmatch(r"index (0|[1-9][0-9]{0,15})", lines[1]) if len(lines) > 1 else None
    require(lines[0] == PROOF and index and len(lines) < 70, "no proof of the form tlog-proof")
    path, text = [from_base64(line) for line in lines[2:]], signed(note, origin, keys)
    named, size, root = read_checkpoint(text or "")
    require(named == origin, f"the checkpoint of {named} is signed as {origin}")
    require(int(index[1]) < size, "the proof's index is outside the tree")
    leaf = hashlib.sha256(b"\x00" + entry.encode()).digest()
    require(all(len(hashed) == 32 for hashed in (root, *path)), "a hash has 32 bytes")
    require(climb(leaf, int(index[1]), size, path) == root, f"an entry is not in the tree of {origin}")
    return text

def _once(pairs):
    fields = dict(pairs)
    require(len(fields) == len(pairs), "a member is there twice")
    return fields

def _number(text):
    require(re.fullmatch("-?[0-9]{1,16}", text) and abs(int(text)) < 2**53, "a number that no event holds")
    return int(text)

def parse(text):
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_int=_number, parse_float=_number, parse_constant=_number)
    except (ValueError, RecursionError) as error:
        raise Refused(f"no JSON: {error}") from None
    require(isinstance(value, dict) and canonical(value), "no JSON object")
    return value

def canonical(fields):
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

ENTRY = re.compile(
    r"orch\.record\.v1\n(\S+) (0|[1-9][0-9]*) (?:0|[1-9][0-9]*) (0|-?[1-9][0-9]*)\nkey (?:[0-9a-f]*|-)\n"
    r"(?:header [0-9a-f]* (?:[0-9a-f]*|-)\n)*value (0|[1-9][0-9]*)\n"
)

def read_record(record, origin, keys, bodies):
    """Check inclusion and id of one record; give topic and event."""
    entry, named = record["entry"], record["event_id"]
    head = ENTRY.match(entry)
    require(head, "an entry has another form")
    topic, partition, value = head[1], head[2], entry[head.end() :]
    require(len(value.encode()) == int(head[4]), "a value has another length than its entry says")
    if record["proof"] is None:
        require(topic in COMPACTED, f"there is no proof for a record of {topic}")
    else:
        body = included(entry, record["proof"], keys, f"{origin}/{topic}/{partition}")
        require(body in bodies, f"the checkpoint of {topic}/{partition} is not under that of the log")
    if "event" in record:
        event = parse(record["event"])
        require(canonical(event) == record["event"].encode(), "an event is not in canonical form")
        same_input(parse(value), event, int(head[3]))
    else:
        event = parse(value)
        require(canonical(event) == value.encode(), "a record is not in canonical form")
    hashed = hashlib.sha256(canonical({n: v for n, v in event.items() if n != "event_id"})).hexdigest()
    require(hashed == named == event.get("event_id"), f"event {named[:12]}: the id is not the hash of the content")
    require(topic == "orch." + TOPICS.get(event["kind"].split(".")[0], ""), f"{topic} holds no {event['kind']}")
    return topic, event

def same_input(given, event, timestamp_ms):
    """Check that an event is what a producer's record stands for."""
    def milliseconds(at):
        at = datetime.fromisoformat(at.replace("Z", "+00:00")) - EPOCH if isinstance(at, str) else at
        return at if isinstance(at, int) else at // (datetime.resolution * 1000)
    defaults = {"causes": [], "options": [], "answer_type": "choice", "subject": None, "occurred_at": timestamp_ms}
    for name, value in event.items():
        known = given.get(name, defaults.get(name, value if name in ("kind", "event_id") else None))
        if name == "occurred_at":
            known = timestamp_ms if known is None else known
            require(milliseconds(known) == milliseconds(value), "an input has another time than its record")
        elif event["kind"].startswith("question."):
            require(known == value, f"an input's {name} is not that of its record")
    require(set(given) <= set(event), "a record has members that its event lacks")
DECIMAL, PPB, MICRO = Context(prec=18, rounding=ROUND_HALF_EVEN), 10**9, 10**6

def log_odds(quality, choices):
    quality = min(max(quality, 10**7), PPB - 10**7)
    nats = DECIMAL.ln(DECIMAL.divide(Decimal(quality * (choices - 1)), Decimal(PPB - quality)))
    return int(DECIMAL.multiply(nats, Decimal(MICRO)).to_integral_value(ROUND_HALF_EVEN))

def posterior(tally, leader, choices):
    total = Decimal(1)
    terms = [(tally[answer], 1) for answer in sorted(tally) if answer != leader]
    for evidence, options in (*terms, (0, max(choices - len(tally), 0))):
        power = DECIMAL.exp(DECIMAL.divide(Decimal(evidence - tally[leader]), Decimal(MICRO)))
        total = DECIMAL.add(total, DECIMAL.multiply(power, Decimal(options)))
    return int(DECIMAL.divide(Decimal(PPB), total).to_integral_value(ROUND_HALF_EVEN))

def conduct(analysis):
    analysis = analysis or {"attempts": [], "latency_ms": None}
    made = [attempt for attempt in analysis["attempts"] if attempt["outcome"] != "refused"]
    cost = sum(attempt["cost_nusd"] or 0 for attempt in analysis["attempts"])
    unpriced = sum(attempt["cost_nusd"] is None for attempt in made)
    return {"attempts": len(made), "latency_ms": analysis["latency_ms"], "cost_nusd": cost, "unpriced_calls": unpriced}

def outcome(analysis):
    said = "failed" if conduct(analysis)["attempts"] else "refused"
    return "no_reply" if analysis is None else "answered" if analysis["status"] == "ok" else said

class Case:
    """One question: its panel, stages and analyses, and the way in which answers are read."""
    def __init__(self, panel, decision, reader, odds):
        self.panel, self.reader, self.odds = panel, reader, odds
        self.as_read = {decision["verdict_id"]: (decision["answer"], "")}
        self.as_read.update((seat["analysis_id"], (None, seat["reason"])) for seat in decision["excluded"])
        self.as_read.update((seat["analysis_id"], (seat["answer"], seat["read_as"])) for seat in decision["counted"])
        self.merge, self.v2 = panel["merge"], panel.get("rules", {}).get("merge") == "merge.v2"
        self.kind_v2 = panel["kind"] == "panel.assigned.v2"
        self.extractor = panel["rules"]["extractor"] if self.kind_v2 else "answers.v1"
        self.choices = panel["option_count"] or self.merge["number_choices"]
        self.openers, self.heard, self.used, self.deadline, self.trace = [panel], {}, [panel], None, []

    def read(self, analysis):
        """Read the answer of an analysis: again, or as the decision says it was read."""
        if self.reader is not None:
            number = self.panel["answer_type"] == "number"
            options = None if number else self.panel.get("options", [None] * self.panel["option_count"])
            return self.reader.read(self.extractor, analysis["text"], options, analysis["answer"])
        return self.as_read.get(analysis["event_id"], (None, "unreadable"))

    def hear(self, event):
        """Take the next cause of the decision."""
        opener, stage, kind = self.openers[-1], self.openers[-1]["stage"], event["kind"].rpartition(".")[0]
        require(event["question_id"] == self.panel["question_id"], "a cause is about another question")
        if kind == "analysis.published":
            seats = [seat["agent"] for seat in stage["seats"]]
            mine = [event["stage"], event["role"], event["causes"]]
            fits = mine == [stage["number"], stage["role"], [opener["event_id"]]] and event["agent"] in seats
            places = [seats.index(agent) for number, agent in self.heard if number == stage["number"]]
            fits = fits and self.deadline is None and all(place < seats.index(event["agent"]) for place in places)
            require(fits, f"the analysis of {event['agent']} fits no seat")
            self.heard[stage["number"], event["agent"]] = event
        elif kind == "stage.opened":
            require(self.complete() and self.deadline is None, "a stage was opened before the one before was complete")
            follows = self.conclude()
            said = {**event, **event["stage"], "agents": [seat["agent"] for seat in event["stage"]["seats"]]}
            require(all(said[name] == value for name, value in follows.items()), "a stage does not follow")
            self.openers.append(event)
        else:
            require(kind == "deadline.passed", f"a decision does not rest on {event['kind']}")
            require(not self.v2 or self.panel["event_id"] in event["causes"], "the deadline is of another panel")
            self.deadline = event
        self.used.append(event)

    def complete(self):
        stage = self.openers[-1]["stage"]
        return all((stage["number"], seat["agent"]) in self.heard for seat in stage["seats"])

    def count(self, rule):
        quality = {one["agent"]: one["quality_ppb"] for one in self.panel["candidates"]}
        ballots, excluded, tally = [], [], {}
        stages = [opener["stage"] for opener in self.openers if opener["stage"]["role"] == "analyst"]
        for number, agent in ((stage["number"], seat["agent"]) for stage in stages for seat in stage["seats"]):
            analysis = self.heard.get((number, agent))
            reason = outcome(analysis)
            answer, source = self.read(analysis) if reason == "answered" else (None, "")
            named = None if analysis is None else analysis["event_id"]
            common = {"agent": agent, "stage": number, "conduct": conduct(analysis), "analysis_id": named}
            if answer is None or len(answer) > 200:
                unread = "outside_options" if source == "outside_options" else "unreadable"
                excluded.append({**common, "reason": unread if reason == "answered" else reason})
                continue
            weight = 1 if rule in ("vote", "odds") else log_odds(quality[agent], self.choices)
            tally[answer] = tally.get(answer, 0) + weight
            ballots.append({**common, "answer": answer, "weight": weight, "read_as": source})
        tally = self.odds.weigh(ballots) if rule == "odds" else tally
        return ballots, excluded, tally, *self.lead(ballots, tally)

    def lead(self, ballots, tally):
        """Give the leader, the tie that was broken, and the answers with an even sum."""
        if not tally:
            return None, None, None
        cast = [ballot["answer"] for ballot in ballots]
        best = max((total, cast.count(answer)) for answer, total in tally.items())
        tied = sorted(answer for answer, total in tally.items() if (total, cast.count(answer)) == best)
        even = sorted(answer for answer, total in tally.items() if total == best[0] and answer != tied[0])
        if len(tied) == 1:
            return tied[0], None, even or None
        first = min((b for b in ballots if b["answer"] in tied), key=lambda b: self.panel["priority"].index(b["agent"]))
        return first["answer"], {"tied": tied, "agent": first["agent"]}, None

    def open(self, reason, agents, *trace, ballots=()):
        """Describe the stage that must follow, after a step of the trace."""
        self.trace += [dict(zip(TRACE, (self.openers[-1]["stage"]["number"], *trace)))] if trace else []
        name = self.panel["question_id"]
        order = {b["analysis_id"]: hashlib.sha256(f"{name}\n{b['agent']}".encode()).hexdigest() for b in ballots}
        return {
            "reason": reason, "causes": [event["event_id"] for event in self.used],
            "occurred_at": max(event["occurred_at"] for event in self.used),
            "number": self.openers[-1]["stage"]["number"] + 1, "role": "merger" if reason == "merge" else "analyst",
            "agents": agents, "material": sorted(order, key=order.get),
        }

    def conclude(self):
        """Give the stage or the decision that follows now."""
        stage, late, panel, merge = self.openers[-1]["stage"], self.deadline is not None, self.panel, self.merge
        require(late or self.complete(), "an analysis is missing, and there is no deadline")
        groups = [*panel["later"], *([agent] for agent in panel["reserve"])]
        opened = sum(opener["stage"]["role"] == "analyst" for opener in self.openers[1:])
        if not late and stage["role"] == "dispatcher":
            return self.open("dispatched", groups[0])
        if not late and stage["role"] == "merger":
            verdict = self.heard[stage["number"], stage["seats"][0]["agent"]]
            answer = self.read(verdict)[0] if verdict["status"] == "ok" else None
            if answer is not None and len(answer) <= 200:
                return self.decide(self.count("weighted"), answer, "merge agent", "agent.v1", verdict=verdict)
            counted = self.count("weighted")
            return self.decide(counted, ..., "panel complete", "weighted.v1", "agent.v1", None, None, "fall back")
        rule = self.odds.rule if self.odds else merge["rule"]
        name, counted = RULES[rule], self.count(rule)
        ballots, _, tally, leader, *_ = counted
        complete = "deadline" if late else "panel complete"
        if len(ballots) < merge["quorum"]:
            if not late and opened < len(groups):
                return self.open("quorum", groups[opened], name, leader, None, "ask reserve")
            return self.decide(counted, None, "deadline" if late else "quorum", name, name, leader, None, "undecided")
        if rule == "agent":
            if not late:
                return self.open("merge", [panel["merger"]], name, leader, None, "ask merge agent", ballots=ballots)
            return self.decide(self.count("weighted"), ..., "deadline", "weighted.v1", name, leader, None, "fall back")
        if rule == "odds":
            later = [agent for group in panel["later"][opened:] for agent in group]
            step = (name, leader, *self.odds.after(leader, [] if late else later))
            if step[3] == "next stage":
                return self.open("window", groups[opened], *step)
            return self.decide(counted, ..., "early exit" if later and not late else complete, name, *step)
        if rule != "cascade":
            return self.decide(counted, ..., complete, name)
        share, exhausted = posterior(tally, leader, self.choices), opened >= len(panel["later"])
        decided = (name, leader, share, "decide")
        if late or share >= merge["accept_ppb"]:
            return self.decide(counted, ..., complete if late or exhausted else "early exit", name, *decided)
        if share >= merge["window_ppb"] and not exhausted:
            return self.open("window", groups[opened], name, leader, share, "next stage")
        if panel["merger"] is not None:
            return self.open("merge", [panel["merger"]], name, leader, share, "ask merge agent", ballots=ballots)
        return self.decide(counted, ..., complete if exhausted or not self.v2 else "below window", name, *decided)

    def decide(self, counted, answer, reason, rule, *trace, verdict=None):
        """Write the decision that must follow, without its id; `...` stands for the leader, no trace for `decide`."""
        panel, (ballots, excluded, tally, leader, tie, even) = self.panel, counted
        answer = leader if answer is ... else answer
        step = trace or (rule, answer, None, "decide")
        self.trace.append(dict(zip(TRACE, (self.openers[-1]["stage"]["number"], *step))))
        by_vote = verdict is None and answer is not None
        calls = [conduct(event) for event in self.used if event["kind"].startswith("analysis.")]
        fields = {
            "kind": "decision.made.v2" if self.kind_v2 else "decision.made.v1",
            "causes": [event["event_id"] for event in self.used], "occurred_at": max(e["occurred_at"] for e in self.used),
            **{name: panel[name] for name in ("question_id", "policy_id", "scopes", "learning")},
            "status": "undecided" if answer is None else "decided", "answer": answer, "reason": reason, "rule": rule,
            "extractor": self.extractor, "tally": tally,
            "agreement": {"agreeing": sum(b["answer"] == answer for b in ballots), "counted": len(ballots)},
            "counted": ballots, "excluded": excluded, "tie_break": tie if by_vote else None,
            "verdict_id": None if verdict is None else verdict["event_id"], "trace": self.trace,
            **{name: sum(one[name] for one in calls) for name in ("cost_nusd", "unpriced_calls")},
            "calls": sum(one["attempts"] for one in calls),
        }
        if self.kind_v2:
            fields["rules"], fields["options"] = panel["rules"], panel["options"]
            option = panel["options"][ord(answer) - ord("A")] if answer and panel["options"] else None
            beside = {"answer_text": option if isinstance(option, str) else None}
            if self.odds:
                fields["odds"] = self.odds.told(ballots, rule == "odds.v1")
            if self.v2:
                beside.update(even_sums=even if by_vote else None, posts=self.posts() or None)
            fields.update({name: value for name, value in beside.items() if value is not None})
        return fields

    def posts(self):
        stages = [opener["stage"] for opener in self.openers if opener["stage"]["role"] != "analyst"]
        posts = [{"agent": s["seats"][0]["agent"], "stage": s["number"], "role": s["role"]} for s in stages]
        heard = [self.heard.get((post["stage"], post["agent"])) for post in posts]
        return [{**post, "outcome": outcome(a), "conduct": conduct(a)} for post, a in zip(posts, heard)]

def verify(content, key, reader=None, odds=None):
    """Check a receipt (bytes) under a public key (text); give what is proved, or raise Refused."""
    try:
        return _verify(parse(content.decode()), key, reader, odds)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise Refused(f"malformed ({type(error).__name__}: {error})") from None

def _verify(receipt, key, reader, odds):
    require(receipt["format"] == FORMAT and isinstance(receipt["key_changes"], list), "another format")
    origin, *keys = read_key(key)
    for note in receipt["key_changes"]:
        lines = note.split("\n")
        # A change of keys that nobody here trusts says nothing.
        if lines[:2] == [KEY_CHANGE, origin] and signed(note, origin, keys) is not None:
            keys.append(read_key(lines[2])[1])
    whole = signed(receipt["checkpoint"], origin, keys) or ""
    require(read_checkpoint(whole)[0] == origin == receipt["origin"], "the receipt is of another log")
    bodies = [part["entry"] for part in receipt["partitions"]]
    for part in receipt["partitions"]:
        require(part["proof"].partition("\n\n")[2] == receipt["checkpoint"], "a partition stands on another checkpoint")
        included(part["entry"], part["proof"], keys, origin)
    events = {}
    for record in receipt["records"]:
        require(record["event_id"] not in events, "a record is there twice")
        events[record["event_id"]] = read_record(record, origin, keys, bodies)
    topic, decision = events[receipt["decision_id"]]
    require((topic, decision["question_id"]) == ("orch.decisions", receipt["question_id"]), "another decision")
    require(all(cause in events for cause in decision["causes"]), "a cause of the decision is missing")
    panel, *causes = (events[cause][1] for cause in decision["causes"])
    begun = [n for n, (t, e) in events.items() if (t, e["kind"]) == ("orch.policies", "log.started.v1")][:1]
    require(set(events) <= {decision["event_id"], *decision["causes"], *panel["causes"], *begun}, "a record is too many")
    question, policy = (events[cause][1] for cause in panel["causes"][:2])
    require(question["question_id"] == panel["question_id"] == decision["question_id"], "the panel is of another one")
    require(policy["policy_id"] == panel["policy_id"] and policy["merge"] == panel["merge"], "another policy")
    bare = sum(record["proof"] is None for record in receipt["records"])
    proved = [f"signature of {origin}", f"inclusion and ids of {len(events) - bare} records"]
    proved += [f"not proved: the inclusion of {bare} more, which the panel names by their ids"] * bool(bare)
    proved += [f"not proved: the entries that began with {events[n][1]['log']}, {events[n][1]['root']}" for n in begun]
    under = panel["merge"]["rule"] + " with shadow seats" * ("shadows" in panel)
    alone = "derive_odds.py is missing beside verify.py" if (under, odds) == ("odds", None) else ""
    if alone or decision["rule"] not in RULES.values() or under not in RULES:
        return [*proved, f"not proved: the decision, not derived: {alone or under + ' is a rule unknown here'}"]
    rule = odds.OddsCase(panel, policy, question, decision, events, reader) if under == "odds" else None
    require(rule is None or rule.problem is None, rule and rule.problem)
    case = Case(panel, decision, reader, rule)
    for event in causes:
        case.hear(event)
    follows = case.conclude()
    require("status" in follows, "a further stage follows, and no decision")
    said = {name: value for name, value in decision.items() if name != "event_id"}
    for name in {**follows, **said}:
        same = name in follows and name in said and canonical([follows[name]]) == canonical([said[name]])
        require(same, f"another decision follows: {name} is {follows.get(name)!r:.80}, not {said.get(name)!r:.80}")
    read = UNREAD if reader is None else "reading: again, by code that is shared with the writer"
    proved.append(f"decision: {decision['answer']} by {decision['rule']}, derived from its ballots")
    return [*proved, *(rule.claims if rule else []), read]

def main():
    asked = argparse.ArgumentParser(description="Check a receipt: signature, inclusion, ids, and the decision again.")
    asked.add_argument("receipt", type=Path)
    asked.add_argument("--key", type=Path, default=Path("orch-seal.pub"), help="default: orch-seal.pub")
    given = asked.parse_args()
    try:
        content, key = given.receipt.read_bytes(), given.key.read_text("utf-8")
    except OSError as error:
        asked.error(f"{error.filename}: {error.strerror}")
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    beside = (importlib.util.find_spec(name) for name in ("read_answers", "derive_odds"))
    reader, odds = (spec and importlib.import_module(spec.name) for spec in beside)
    old = getattr(reader, "TOO_OLD", "")
    try:
        proved = [f"{one}{old * (one == UNREAD)}" for one in verify(content, key, None if old else reader, odds)]
    except Refused as problem:
        print(f"REFUSED {given.receipt}: {problem}")
        return 4
    without = " WITHOUT ITS DECISION" * any(claim.startswith("not proved: the decision") for claim in proved)
    print("\n".join([f"ACCEPTED{without} {given.receipt}", *proved, *(f"not proved: {claim}" for claim in NOT_PROVED)]))
    return 0

if __name__ == "__main__":
    sys.exit(main())
