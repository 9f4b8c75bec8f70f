"""Growth of export, replay and query times."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from infra.bench.elsewhere import elsewhere, report
from infra.bench.figures import Figure, Sizes
from infra.bench.scale import MOST_GROWTH
from infra.bench.workload import STATED
from streams.app.sql import views_of
from streams.app.workspace import Workspace
from streams.audit.views import catalog
from streams.errors import InvariantError

MOST_S = 1.0
"""Longest time of a view's example on its archive."""

Advance = Callable[[int], None]


def measure(directory: Path, sizes: Sizes, advance: Advance) -> list[Figure]:
    """Make two logs, export and replay each in a process of its own, and run every view's example on the larger."""
    figures: list[Figure] = []
    peaks: dict[str, list[float]] = {"exporting": [], "replaying": []}
    for events in (sizes.small, sizes.large):
        log, archive = directory / f"archived-{events}.db", directory / f"archive-{events}"
        made = elsewhere("scale", "make", f"{log}:{events}")
        advance(1)
        exported = elsewhere("archived", "export_log_file", f"{log}:{archive}")
        advance(1)
        replayed = elsewhere("archived", "replay_archive", str(archive))
        advance(1)
        note = (
            f"{made['events']:,} events: a log of {log.stat().st_size / 2**20:,.0f} MiB, an archive of"
            f" {exported['mib']:,.0f}"
        )
        for name, found in (("export", exported), ("replay of the archive", replayed)):
            figures.append(_figure(f"{name} of {events:,}", "1/s", made["events"] / found["seconds"], note))
        for name, found in (("exporting", exported), ("replaying", replayed)):
            figures.append(_figure(f"peak memory {name} {events:,}", "MiB", found["peak_mib"], note))
            peaks[name].append(found["peak_mib"])
        log.unlink()
    for name, (small, large) in peaks.items():
        figures.append(_figure(f"memory {name}, large over small", "x", large / small, STATED, target=MOST_GROWTH))
    figures += _queries(directory / f"archive-{sizes.large}", sizes.runs)
    advance(1)
    return figures


def _queries(archive: Path, runs: int) -> list[Figure]:
    """Time the example of each view, from opening the archive to the last row."""
    return [
        Figure(
            bench="archive",
            name=f"sql {view.name}",
            unit="s",
            values=tuple(_query(archive, view.example) for _ in range(runs)),
            target=MOST_S,
            more_is_better=False,
            note=view.example,
        )
        for view in catalog.VIEWS.values()
    ]


def _query(archive: Path, query: str) -> float:
    started = perf_counter()
    with views_of(Workspace(f"parquet:{archive}"), query) as views:
        for _ in views.run(query).rows:
            pass
    return perf_counter() - started


def _figure(name: str, unit: str, value: float, note: str, target: float | None = None) -> Figure:
    return Figure(
        bench="archive", name=name, unit=unit, values=(value,), note=note, target=target, more_is_better=unit == "1/s"
    )


def export_log_file(argument: str) -> None:
    """Export a log, `PATH:DIR`, and report."""
    from streams.app.export import export

    log, _, folder = argument.rpartition(":")
    done = export(Workspace(log), Path(folder))
    report(seconds=done.seconds, mib=done.bytes / 2**20)


def replay_archive(folder: str) -> None:
    """Replay an archive, and report."""
    from streams.audit.replay.replay import replay

    with Workspace(f"parquet:{folder}").open_reader() as reader:
        found = replay(reader)
    if found.different:
        raise InvariantError(f"replay of the benchmark's own archive differs: {found.first_difference}")
    report(seconds=found.seconds)
