"""Merge rules of other distributions, found by their entry points."""

import hashlib
import importlib
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from schemas.own_rules import OwnRule
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.registry import describe
from streams.errors import DifferenceError, OperatorError, UsageError
from streams.log import LogReader, read_event
from streams.processors import processors_with
from streams.processors.ballot import RULES
from streams.processors.fold import Processor
from streams.processors.own_rules import MergeRule, Rules
from streams.topology import POLICIES

GROUP = "orch.merge_rules"
"""Group of entry points, each of which names a `MergeRule`."""

_OF_THE_INSTALLER = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
"""Files in a distribution's metadata that say how it was installed, and not what it is."""
_COMPILED = (".pyc", ".pyo")


class Installed(NamedTuple):
    """The rules of the group that can be used, and why others cannot."""

    rules: Rules
    broken: Mapping[str, str]
    """Reason by the name of the entry point."""

    def named(self, name: str) -> OwnRule | None:
        """
        Give the rule of a name; None if no distribution has one.

        Raises:
            OperatorError: There is one, and it cannot be used.
        """
        if name in self.broken:
            raise OperatorError(
                f"merge rule {name!r}: {self.broken[name]}", remedy="Correct or reinstall its distribution"
            )
        return next((rule for rule in self.rules if rule.name == name), None)

    def require(self, policies: Iterable[PolicyAdopted]) -> None:
        """
        Check that the rules that policies name are installed, as they were when the policies were adopted.

        Raises:
            OperatorError: One is not installed, or another version or other files of it are.
        """
        for policy in policies:
            wanted = policy.own_rule if isinstance(policy, PolicyAdoptedV2) else None
            if wanted is not None and wanted not in self.rules:
                raise missing(wanted, self)


def missing(wanted: OwnRule, installed: Installed) -> OperatorError:
    """Say which rule is needed, and what is installed instead."""
    here = next((rule for rule in installed.rules if rule.name == wanted.name), None)
    if here is not None:
        found = f"installed is {here}"
        if (here.version, here.distribution_version) == (wanted.version, wanted.distribution_version):
            found += ", whose files were changed"
    else:
        found = installed.broken.get(wanted.name, "it is not installed")
    remedy = f"Install {wanted.distribution}=={wanted.distribution_version} as it was; for another rule begin a new log"
    return OperatorError(f"the log needs the merge rule {wanted}; {found}", remedy=remedy)


@cache
def installed_rules() -> Installed:
    """
    Find and load the merge rules of all installed distributions; our own names are refused.

    Once in a process: files that change later are not those of the code that was loaded.
    """
    rules: dict[OwnRule, MergeRule] = {}
    broken: dict[str, str] = {}
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda each: (each.name, each.value)):
        taken = entry.name in RULES or any(rule.name == entry.name for rule in rules)
        try:
            if taken:
                raise UsageError("the name is that of another rule")
            named, rule = _loaded(entry)
        except UsageError as error:
            broken[entry.name] = f"{entry.value}: {error}"
        else:
            rules[named] = rule
    return Installed(rules, broken)


def processors() -> tuple[Processor, ...]:
    """Give the processors with the installed merge rules."""
    return processors_with(installed_rules().rules)


def merge_for(reader: LogReader) -> Processor:
    """
    Give the processor `merge` with all rules that the policies of a log name.

    Raises:
        OperatorError: One of them is not installed, or another version or other files of it are.
    """
    installed = installed_rules()
    installed.require(_policies(reader))
    return next(each for each in processors_with(installed.rules) if each.name == "merge")


def _policies(reader: LogReader) -> Iterator[PolicyAdopted]:
    """Read the policies up to one that was changed after it was written: who reads the whole log names its place."""
    with suppress(DifferenceError):
        for record in reader.records((POLICIES,)):
            event = read_event(record)
            if isinstance(event, PolicyAdopted):
                yield event


def require_rule(policy: PolicyAdopted) -> None:
    """
    Check that the merge rule of a policy is installed.

    Raises:
        OperatorError: It is not, or another version or other files of it are.
    """
    if isinstance(policy, PolicyAdoptedV2) and policy.own_rule is not None:
        installed_rules().require((policy,))


def _loaded(entry: EntryPoint) -> tuple[OwnRule, MergeRule]:
    """
    Load one rule.

    Raises:
        UsageError: It cannot be loaded, or is no rule.
    """
    try:
        rule = entry.load()
    except Exception as error:
        raise UsageError(f"it cannot be loaded ({type(error).__name__}: {error})") from error
    if not isinstance(rule, MergeRule):
        raise UsageError(f"it is a {type(rule).__name__}, and no streams.processors.own_rules.MergeRule")
    of = entry.dist
    if of is None:
        raise UsageError("its distribution is not known")
    try:
        named = OwnRule(
            name=entry.name,
            version=rule.version,
            distribution=of.metadata["Name"],
            distribution_version=of.version,
            files_sha256=files_sha256(of, entry.module),
        )
    except ValidationError as error:
        raise UsageError(describe(error)) from error
    return named, rule


def files_sha256(of: Distribution, module: str) -> str:
    """
    Hash all files of a distribution, and those of the package that a module is in.

    The package counts beside the list of files, because an editable installation lists none of its sources.

    Args:
        of: The distribution.
        module: Dotted name of a module that was imported.
    """
    found: dict[str, Path] = {}
    for file in of.files or ():
        if file.name not in _OF_THE_INSTALLER and file.suffix not in _COMPILED and not file.name.endswith(".pth"):
            found[file.as_posix()] = Path(str(file.locate()))
    top = importlib.import_module(module.partition(".")[0])
    for folder in getattr(top, "__path__", ()):
        for path in Path(folder).rglob("*"):
            if path.is_file() and path.suffix not in _COMPILED:
                found[f"{top.__name__}/{path.relative_to(folder).as_posix()}"] = path
    if not hasattr(top, "__path__") and top.__file__ is not None:
        found[Path(top.__file__).name] = Path(top.__file__)
    whole = hashlib.sha256()
    for name, path in sorted(found.items()):
        if path.is_file():
            whole.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()} {name}\n".encode())
    return whole.hexdigest()
