"""Second opinion on receipts, and the trials of both verifiers."""

import ast
import json
import sys
from functools import cache
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.verifier import derive_odds, read_answers, verify
from infra.verifier.bundle_answers import TARGET, bundle
from infra.verifier.corpus import corpus, read_corpus
from infra.verifier.forgeries import ODDS_READING, ODDS_WITH_KEY, forged
from infra.verifier.mutate import MUTATIONS, mutate
from infra.verifier.mutate_export import FILES, mutate_export
from infra.verifier.trial import BareInterpreter, key_of, sealed, try_both
from infra.verifier.worlds import write_world
from schemas.odds import GROUNDS, MOST_WEIGHT, ONE, Evidence, Odds, PanelOdds
from schemas.questions import LETTERS
from streams.audit.proof.notes import PublicKey
from streams.audit.proof.receipt import receipt_of
from streams.audit.proof.receipt_check import check_receipt
from streams.processors.odds.verdict import verdict_of
from streams.runtimes.embedded.reader import EmbeddedReader

from ...conftest import ROOT

HERE = ROOT / "infra" / "verifier"
ODDS_SEED = 14
"""A seed whose first logs have every kind of step of the rule `odds`."""


@cache
def expected() -> dict[str, Any]:
    """Read what is expected of each receipt of the corpus."""
    return read_corpus()[1]


@cache
def files() -> dict[str, bytes]:
    """Read the files of the corpus."""
    return read_corpus()[0]


every_receipt = pytest.mark.parametrize("name", sorted(expected()))


@every_receipt
def test_second_opinion_judges_as_expected(name: str) -> None:
    """verify.py accepts the sound receipts of the corpus, and refuses the damaged ones."""
    key, content = files()["orch-seal.pub"].decode(), files()[name]
    wanted = expected()[name]["verdict"]
    for reader, refused in ((None, wanted == "refuse"), (read_answers, wanted != "accept")):
        if refused:
            with pytest.raises(verify.Refused):
                verify.verify(content, key, reader)
        else:
            assert "derived from its ballots" in " ".join(verify.verify(content, key, reader))


@every_receipt
def test_program_judges_as_expected(name: str) -> None:
    """`orch verify` accepts the sound receipts of the corpus, and refuses the damaged ones."""
    key = PublicKey.parse(files()["orch-seal.pub"].decode())
    found = check_receipt(json.loads(files()[name]), key)
    assert (not found.problems) == (expected()[name]["verdict"] == "accept"), found.problems
    assert not found.derived or not found.problems


def test_corpus_has_two_hundred_damaged_receipts() -> None:
    """The corpus has 200 damaged receipts, in every way that there is, and 50 sound ones."""
    verdicts = [one["verdict"] for one in expected().values()]
    assert (verdicts.count("accept"), len(verdicts) - verdicts.count("accept")) == (50, 200)


@pytest.mark.slow
def test_corpus_is_what_the_command_writes() -> None:
    """The published corpus is the one that `python -m infra.verifier.corpus` writes."""
    assert corpus() == files()


def test_bundle_is_the_code_of_the_readers() -> None:
    """read_answers.py is what the script bundles from the readers of answers."""
    assert TARGET.read_text("utf-8") == bundle()


@pytest.mark.parametrize(
    ("name", "lines", "libraries"), [("verify", 500, {"cryptography"}), ("derive_odds", 300, set())]
)
def test_second_opinion_shares_no_code(name: str, lines: int, libraries: set[str]) -> None:
    """verify.py and derive_odds.py are short, and import the standard library and at most `cryptography`."""
    text = (HERE / f"{name}.py").read_text("utf-8")
    assert len(text.splitlines()) < lines
    imported = [
        module
        for node in ast.walk(ast.parse(text, feature_version=(3, 9)))
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    others = {module.partition(".")[0] for module in imported} - set(sys.stdlib_module_names)
    assert others == libraries


VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246"
        "55141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb"
        "00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc"
        "027beceea1ec40a",
    ),
]
"""Public key, message and signature: RFC 8032, section 7.1, tests 1 to 3."""


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_ed25519_by_hand(key: str, message: str, signature: str) -> None:
    """The arithmetic of verify.py accepts the vectors of RFC 8032, and nothing near them."""
    raw, said, signed = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
    assert verify.ed25519_by_hand(raw, signed, said)
    assert not verify.ed25519_by_hand(raw, signed, said + b"x")
    assert not verify.ed25519_by_hand(raw, signed[:-1] + b"\x0f", said)
    assert not verify.ed25519_by_hand(
        raw, signed[:32] + (int.from_bytes(signed[32:], "little") + verify.L).to_bytes(32, "little"), said
    )
    assert not verify.ed25519_by_hand(raw[::-1], signed, said)


def test_both_verifiers_on_receipts_of_every_kind() -> None:
    """A sample of the trial: both accept sound receipts and refuse damaged ones."""
    outcome = try_both(seed=1, wanted=40, damaged=45)
    assert not outcome.wrong
    assert (outcome.accepted, outcome.refused) == (40, 45)


def test_both_verifiers_on_receipts_under_odds() -> None:
    """A sample of the trial under `odds`: both accept sound receipts and refuse every kind of forgery of that rule."""
    outcome = try_both(seed=ODDS_SEED, wanted=40, damaged=60, odds=True)
    assert not outcome.wrong
    assert (outcome.accepted, outcome.refused) == (40, 60)
    assert {*ODDS_WITH_KEY, *ODDS_READING} <= set(outcome.kinds)
    assert {f"v2 odds.v1, {reason}" for reason in ("early exit", "panel complete", "quorum")} <= set(outcome.kinds)


@pytest.fixture(scope="module")
def receipts_under_odds(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Receipts of a log whose policy has the rule `odds`."""
    path = tmp_path_factory.mktemp("odds") / "log.db"
    ids = write_world(path, Random(4), 8, odds=True)
    with EmbeddedReader(path) as reader:
        roots = sealed(reader, key_of(4))
        return [json.loads(orjson.dumps(receipt_of(reader, question_id, roots))) for question_id in ids]


def claims_of(receipt: dict[str, Any], odds: Any, reader: Any = None) -> list[str]:
    """Give what verify.py proves of a receipt of these."""
    claims: list[str] = verify.verify(orjson.dumps(receipt), str(key_of(4).public), reader, odds)
    return claims


def test_second_opinion_without_the_rule_odds(receipts_under_odds: list[dict[str, Any]]) -> None:
    """Without derive_odds.py beside it verify.py proves the inclusion alone, and says which file is missing."""
    for receipt in receipts_under_odds:
        said = "not proved: the decision, not derived: derive_odds.py is missing beside verify.py"
        assert claims_of(receipt, None)[-1] == said


def test_what_is_not_proved_under_odds(receipts_under_odds: list[dict[str, Any]]) -> None:
    """The second opinion says how evidence was read, and where a panel's weights stand on no entry."""
    seen = 0
    for receipt in receipts_under_odds:
        assert claims_of(receipt, derive_odds)[3:] == [derive_odds.EVIDENCE, "reading: not proved"]
        again = "reading: again, by code that is shared with the writer"
        assert claims_of(receipt, derive_odds, read_answers)[3:] == [derive_odds.AGAIN, again]
        without = [one for one in receipt["records"] if "\norch.weights " not in one["entry"]]
        if len(without) < len(receipt["records"]):
            found = claims_of({**receipt, "records": without}, derive_odds)
            assert found[3:-1] == [derive_odds.EVIDENCE, derive_odds.WEIGHTS]
            seen += 1
    assert seen, "no panel rests on a table of weights"


def test_entry_of_weights_is_no_other_record(receipts_under_odds: list[dict[str, Any]]) -> None:
    """A panel that names another record as its entry of weights is refused."""

    def name_the_policy(events: dict[str, Any], decision_id: str, random: Random) -> bool:
        panel = events[events[decision_id]["causes"][0]]
        panel["odds"]["entry_id"] = panel["causes"][1]
        return True

    made = forged(receipts_under_odds[-1], name_the_policy, key_of(4), Random(1))
    with pytest.raises(verify.Refused):
        claims_of(made or {}, derive_odds)


EVIDENCE_OF = {
    "texts": st.fixed_dictionaries({"grounds": st.just("text"), "uses": st.none(), "repeats": st.none()}),
    "values": st.fixed_dictionaries(
        {"grounds": st.sampled_from(GROUNDS["values"]), "uses": st.booleans(), "repeats": st.none()}
    ),
    "number": st.fixed_dictionaries(
        {"grounds": st.sampled_from(GROUNDS["number"]), "uses": st.booleans(), "repeats": st.integers(0, 3)}
    ),
}
WEIGHTS = st.one_of(st.integers(-MOST_WEIGHT, MOST_WEIGHT), st.integers(-ONE, ONE))


@st.composite
def counts(draw: st.DrawFn) -> tuple[dict[str, Any], int, list[dict[str, Any]], list[str]]:
    """A panel's share of a table with any weights, the number of options, evidence and answers."""
    kind = draw(st.sampled_from(sorted(EVIDENCE_OF)))
    options = 0 if kind == "number" else draw(st.integers(2, 26))
    answers_there = st.sampled_from(LETTERS[:options] or ["42", "-3", "1.5", "1/3", "7" * 41])
    names = [f"agent-{number}" for number in range(draw(st.integers(1, 12)))]
    own = ["agent", "negated", *GROUNDS[kind]]
    shared = [*(f"supporters/{n}" for n in range(1, 7)), "uses/true", "repeats/3", "letter/A", "value/0", "value/other"]
    shapes = draw(st.sampled_from([None, [f"value/{place % 9}" for place in range(options)]]))
    given = {"texts": [], "values": ["12"], "number": ["3"]}[kind]
    carried = {
        "scope": "policy",
        "settings": {**Odds().model_dump(), "learn_from": draw(st.sampled_from(["feedback", "agreement"]))},
        "mode": "by gain",
        "entry_id": None,
        "sequence": 0,
        "lessons": 0,
        "facts": {
            "kind": kind,
            "negated": draw(st.booleans()),
            "given": given,
            "values": ["12"] * options if kind == "values" else [],
            "shapes": shapes,
        },
        "members": [
            {
                "agent": name,
                "skill": draw(st.integers(0, ONE)),
                "mean": draw(WEIGHTS),
                "weights": draw(st.dictionaries(st.sampled_from(own), WEIGHTS)),
            }
            for name in names
        ],
        "shared": draw(st.dictionaries(st.sampled_from(shared), WEIGHTS)),
    }
    heard = names[: draw(st.integers(1, len(names)))]
    evidence = [{"agent": name, **draw(EVIDENCE_OF[kind])} for name in heard]
    return carried, options, evidence, [draw(answers_there) for _ in heard]


@settings(max_examples=50)
@given(counts())
def test_arithmetic_of_odds(counted: tuple[dict[str, Any], int, list[dict[str, Any]], list[str]]) -> None:
    """Both programs give the same tally, weights, lines, posterior and gain under any weights."""
    carried, options, evidence, answers = counted
    agents = [member["agent"] for member in carried["members"]]
    panel = {"odds": carried, "option_count": options, "question_id": "q"}
    policy = {"policy_id": "policy", "routing": {"priority": []}, "agents": [{"name": name} for name in agents]}
    question = {"options": [], "text": ""}
    second = derive_odds.OddsCase(panel, policy, question, {"odds": {"evidence": evidence}}, {}, None)
    ballots = [{"agent": one["agent"], "answer": answer} for one, answer in zip(evidence, answers, strict=True)]
    tally = second.weigh(ballots)
    read = [Evidence.model_validate(one) for one in evidence]
    first = verdict_of(PanelOdds.model_validate_json(json.dumps(carried)), options, read, answers)
    assert tally == first.tally()
    assert tuple(ballot["weight"] for ballot in ballots) == first.ballot_weights()
    later = agents[len(ballots) :]
    gain = first.gain(answers[0], later)
    share, _, *told = second.after(answers[0], later)
    assert (share, told) == (first.posterior_ppb(answers[0]), [] if gain is None else [gain.model_dump()])
    assert second.told(ballots, True)["lines"] == [line.model_dump(mode="json") for line in first.lines()]


@pytest.mark.process
def test_second_opinion_on_a_bare_interpreter() -> None:
    """verify.py needs no installed package."""
    with BareInterpreter() as judge:
        outcome = try_both(seed=2, wanted=3, damaged=3, judge=judge)
    assert not outcome.wrong


def test_every_mutation_is_found() -> None:
    """A sample of the mutations: each is found at its partition; one that is signed again under an anchor alone."""
    outcome = mutate(seed=3, wanted=20 * len(MUTATIONS))
    assert not outcome.missed
    assert set(outcome.found) == set(MUTATIONS)
    assert outcome.resigned


def test_every_mutation_of_an_export_is_found() -> None:
    """A sample of the mutations of records and files in Parquet: each is found and named."""
    outcome = mutate_export(seed=3, wanted=len(FILES) + 4)
    assert not outcome.missed
    assert set(FILES) <= set(outcome.found)
    assert outcome.resigned


JUNK = (None, True, 0, -1, 2**60, 1.5, "", "x", "\n\n", "\ud800", [], [None], [[]], {}, {"a": 1})


def spoiled(receipt: Any, random: Random) -> Any:
    """Put junk in the place of some value of a receipt, or leave it out; entries of the router may be left out."""
    place: Any = receipt
    while True:
        names = list(place) if isinstance(place, dict) else list(range(len(place)))
        name = random.choice([name for name in names if name not in ("proves", "does_not_prove")])
        below = place[name]
        if isinstance(below, dict) and below["entry"].startswith("orch.record.v1\norch.router "):
            continue
        if isinstance(below, dict | list) and below and random.random() < 0.8:
            place = below
            continue
        if random.random() < 0.2:
            del place[name]
        else:
            place[name] = random.choice([junk for junk in JUNK if junk != below])
        return receipt


@pytest.mark.parametrize("seed", range(150))
def test_junk_is_refused(seed: int) -> None:
    """A receipt with junk anywhere is refused by both verifiers, which never fail otherwise."""
    random, key = Random(seed), files()["orch-seal.pub"].decode()
    name = random.choice([name for name, wanted in expected().items() if wanted["verdict"] == "accept"])
    receipt = spoiled(json.loads(files()[name]), random)
    assert check_receipt(receipt, PublicKey.parse(key)).problems
    with pytest.raises(verify.Refused):
        verify.verify(json.dumps(receipt).encode(), key)


@pytest.mark.parametrize("content", [b"", b"[]", b"1", b"\xff", b"[" * 10_000, b'{"a":' * 10_000, b"1" * 5_000, b"{}"])
def test_what_is_no_receipt(content: bytes) -> None:
    """A file that is no receipt is refused, and no error."""
    with pytest.raises(verify.Refused):
        verify.verify(content, files()["orch-seal.pub"].decode())
