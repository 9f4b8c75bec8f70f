"""Page of an evaluation."""

from html.parser import HTMLParser

from streams.evaluation.page import report_page
from streams.evaluation.report import (
    ArmResult,
    Calibration,
    CallsPoint,
    Comparison,
    ConfusionCell,
    Curve,
    ErrorPair,
    EvalReport,
    Range,
    Source,
    SubjectResult,
)

HOSTILE = "<script>alert('x')</script>"


def arm(name: str, kind: str, accuracy: float, calls: float, rule: str | None = None) -> ArmResult:
    """Make the result of one arm."""
    around = Range(low=accuracy - 0.02, high=accuracy + 0.02)
    return ArmResult(
        panel="all 2",
        name=name,
        kind=kind,  # type: ignore[arg-type]  # one of them
        rule=rule,
        routing=None,
        agents=("ada", "bo"),
        orders=2,
        questions=100,
        accuracy=accuracy,
        interval=around,
        by_order=around,
        undecided=0,
        calls=calls,
        input_tokens=None,
        output_tokens=None,
        cost_usd=None,
        unpriced_calls=calls,
        latency_ms=None,
        subjects=tuple(SubjectResult(subject=s, questions=50, accuracy=accuracy, interval=around) for s in ("a", "b")),
        calibration=Calibration(ece=0.031, answers=200, bins=((0.4, 0.5, 80), (0.8, 0.7, 120))) if rule else None,
        calls_taken=(CallsPoint(calls=1, answers=60, accuracy=0.9), CallsPoint(calls=2, answers=40, accuracy=0.5)),
        vote_at_equal_calls=None,
    )


def report(name: str = "ada") -> EvalReport:
    """Make a report on two agents, one of them under a given name."""
    comparison = Comparison(
        family="rules against the vote",
        panel="all 2",
        first="weighted",
        second="vote of all",
        questions=100,
        orders=2,
        difference=0.0123,
        interval=Range(low=-0.01, high=0.03),
        interval_by_subject=None,
        only_first=4,
        only_second=2,
        mcnemar_p=0.6,
        mcnemar_mid_p=0.5,
        p=0.6,
        test="bootstrap by question",
        p_holm=0.7,
        smallest_difference=0.05,
        extra_right=12.3,
        calls_per_extra_right=None,
        usd_per_extra_right=None,
        flips_to_right=0.04,
        flips_to_wrong=0.02,
        sentence=f"weighted and the vote with {name} are not distinguishable at n = 100.",
    )
    return EvalReport(
        version="0",
        command=f"orch eval '{name}'",
        seed=1,
        orders=2,
        window=1,
        resamples=200,
        source=Source(files=(name,), forms={}, sha256="00", questions=100, ungraded=3, refused_rows=0, sampling=None),
        panels={"all 2": (name, "bo")},
        arms=(
            arm(name, "single", 0.611, 1),
            arm("vote of all", "vote", 0.622, 2),
            arm("vote of the best 1", "vote", 0.611, 1),
            arm("weighted", "rule", 0.633, 1.4, "weighted"),
            arm("oracle", "oracle", 0.8, 2),
        ),
        comparisons=(comparison,),
        errors=(ErrorPair(panel="all 2", first=name, second="bo", correlation=0.4, both_wrong=0.2, same_wrong=None),),
        confusion=tuple(
            ConfusionCell(panel="all 2", arm="weighted", gold=gold, answer=answer, answers=5)
            for gold in "AB"
            for answer in ("A", "B", None)
        ),
        curves=(Curve(panel="all 2", arm="weighted", agent=name, quantity="quality", points=((1, 0.5), (2, 0.6))),),
        logs=2,
        replayed=2,
        different=0,
        not_run={"self-consistency": f"no second sample of {name}"},
    )


def test_every_figure_has_its_numbers() -> None:
    """Each picture has a table beneath, and each arm's accuracy is written."""
    page = report_page(report())
    assert page.count("<figure>") == page.count("The numbers</summary>") + 1, (
        "the picture of prices has the arms' table"
    )
    # A picture that is drawn for a telephone, too, is there twice.
    assert page.count("<svg") - page.count('class="narrow"') == page.count("<figure>") > 7
    for accuracy in ("61.1 %", "62.2 %", "63.3 %", "80.0 %"):
        assert accuracy in page


def test_page_says_how_to_make_it_again() -> None:
    """The command, the files, the seed and what was not measured are on the page."""
    page = report_page(report())
    for said in ("orch eval 'ada'", "seed 1", "3 questions without a right answer", "no second sample of ada"):
        assert said in page


def test_names_of_strangers_stay_text() -> None:
    """A file or agent named like markup makes no element."""
    hostile, harmless = (_Tags(report_page(report(name))).names for name in (HOSTILE, "y" * len(HOSTILE)))
    assert "script" not in hostile
    assert hostile == harmless


class _Tags(HTMLParser):
    """Collects the names of a page's elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)


def test_page_without_comparisons_is_drawn() -> None:
    """One agent alone has nothing to be compared with."""
    alone = report().model_copy(update={"comparisons": (), "errors": (), "confusion": (), "curves": ()})
    assert "What can be told apart" not in report_page(alone)
