"""The `orch` command: subcommand lookup, error messages, exit codes."""

import difflib
import gc
import importlib
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from streams.cli.command import SharedOptions, shared_options
from streams.errors import OrchError
from streams.version import installed_version

EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_INTERRUPTED = 130

GC_THRESHOLDS = (100_000, 50, 100)
"""Objects (net) between collections of the youngest generation, then collections between those of the next two."""

REPORT = "This is a bug in orch. Please report it with the command you ran and this message"


class Entry(NamedTuple):
    """Import path of a command, and its line in the list of commands."""

    target: str
    help: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("streams.cli.demo:demo", "Run the whole pipeline on generated questions and simulated agents."),
    "init": Entry("streams.cli.init:init", "Write a commented configuration file, orch.toml."),
    "run": Entry("streams.cli.run:run", "Ask, decide and learn until every question has its decision."),
    "eval": Entry("streams.cli.eval:evaluation", "Measure single agents, votes and merge rules on known answers."),
    "ask": Entry("streams.cli.ask:ask", "Ask one question and print the decision with its reasons."),
    "produce": Entry("streams.cli.produce:produce", "Append questions from JSON Lines to the log."),
    "feedback": Entry("streams.cli.produce:feedback", "Append feedback from JSON Lines, and learn from it."),
    "consume": Entry("streams.cli.consume:consume", "Print the events of a topic as JSON Lines, each once."),
    "list": Entry("streams.cli.list:list_", "List the questions of the log by state."),
    "retry": Entry("streams.cli.retry:retry", "Ask undecided questions again, under new ids."),
    "worker": Entry("streams.cli.worker:worker", "Run stages of a log on Kafka until told to stop."),
    "ui": Entry("streams.cli.ui:ui", "Serve pages over the log: decisions as they are made, why, what it costs."),
    "serve": Entry("streams.cli.serve:serve", "Serve the log over HTTP until told to stop."),
    "status": Entry("streams.cli.status:status", "Show questions, lag, and the calls of the last minutes."),
    "router": Entry("streams.cli.router:router", "Show the router's table, or the history of one agent."),
    "explain": Entry("streams.cli.explain:explain", "Show everything behind one decision, and what came after it."),
    "replay": Entry("streams.cli.replay:replay", "Derive every derived event again and compare it with the log."),
    "whatif": Entry("streams.cli.whatif:whatif", "Decide the log's questions again under another policy."),
    "backup": Entry("streams.cli.backup:backup", "Copy a log file while it is in use."),
    "export": Entry("streams.cli.export:export", "Export the log as Parquet files, for an auditor."),
    "sql": Entry("streams.cli.sql:sql", "Query the log in SQL, with views of decisions, ballots, costs."),
    "seal": Entry("streams.cli.seal:seal", "Sign the roots of all partitions of the log, as a checkpoint."),
    "receipt": Entry("streams.cli.receipt:receipt", "Write everything that proves one decision, as one document."),
    "verify": Entry("streams.cli.verify:verify", "Check a receipt, an archive or a log under its public key."),
    "policy": Entry("streams.cli.policy:policy", "Show the policy in force, or adopt the configured one."),
    "log": Entry("streams.cli.log:log", "Start a log from the archive of an earlier one."),
    "topics": Entry("streams.cli.topics:topics", "List, create or check the topics of the log."),
    "schemas": Entry("streams.cli.schemas:schemas", "Print the JSON Schema of each kind of event."),
    "dead-letters": Entry("streams.cli.dead_letters:dead_letters", "List the rejected records, or retry them."),
    "doctor": Entry("streams.cli.doctor:doctor", "Check this machine, the configuration and the log."),
    "broker": Entry("streams.cli.broker:broker", "Run a Kafka broker on this machine, without docker."),
    "models": Entry("streams.cli.models:models", "Serve recorded model outputs over HTTP until told to stop."),
    "bench": Entry("streams.cli.bench:bench", "Measure speed and added latency on this machine."),
    "completion": Entry("streams.cli.completion:completion", "Print the completion script of a shell."),
}
"""Every command; imported when it is called, so that help and completion load none of them."""


class Commands(click.Group):
    """The commands of `COMMANDS`, loaded one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands, first those that a new user needs first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        _import_structlog_alone()
        module, _, name = entry.target.partition(":")
        found = getattr(importlib.import_module(module), name)
        assert isinstance(found, click.Command), f"{entry.target} is no command"
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a name; for an unknown name, suggest a similar one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else " `orch --help` lists them."
            ctx.fail(f"No such command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete the name of a command without loading any, or an option."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


def _import_structlog_alone() -> None:
    """
    Import structlog without rich, which it loads for tracebacks wherever it is installed.

    `logs` formats tracebacks itself, and without rich every command starts some 50 ms sooner.
    """
    if "structlog" not in sys.modules and "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it fails, as if it were not there
        try:
            importlib.import_module("structlog")
        finally:
            del sys.modules["rich"]


def _print_version(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"orch {_version()}")
        context.exit()


def _version() -> str:
    return installed_version() or "(not installed)"


orch = Commands(
    name="orch",
    params=[
        *shared_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Print the version and end.",
        ),
    ],
    help=(
        "Put questions to a panel of language models and decide by fixed rules. Every fact is an event in a log, and"
        " every decision can be derived again from it."
    ),
    epilog="Start with `orch demo`. `orch COMMAND --help` shows options and examples.",
    context_settings={"help_option_names": ["--help", "-h"]},
)


def main() -> None:
    """Run the command line of this process and end it."""
    # Loading, folding and replaying make a great many objects and hardly a cycle. At the default threshold of 700 the
    # cyclic collector takes a tenth of the start and of a run; at this one it still finds cycles and costs nothing.
    gc.set_threshold(*GC_THRESHOLDS)
    for stream in (sys.stdout, sys.stderr):
        # Text that the terminal's encoding cannot show must not end a command; JSON is written as bytes.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    instruction = os.environ.get("_ORCH_COMPLETE")
    if instruction:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(orch, {}, "orch", "_ORCH_COMPLETE", instruction))
    code = run(sys.argv[1:])
    _settle_stdout()
    sys.exit(code)


def _settle_stdout() -> None:
    """Flush stdout; if that fails, redirect it to the null device, or Python's last flush would set the exit code."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(arguments: Sequence[str]) -> int:
    """Run one command line, and give its exit code."""
    given = SharedOptions()
    try:
        with orch.make_context("orch", list(arguments), obj=given) as context:
            code = orch.invoke(context)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"\nInterrupted. {given.interrupted}".rstrip(), err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of the output closed the pipe.
        return 0
    except Exception as error:
        return _report(error, verbose=given.verbose)


def _report(error: Exception, *, verbose: bool) -> int:
    """Print an error with its remedy, and return its exit code."""
    if verbose:
        _say("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, OrchError) and error.exit_code != EXIT_BUG:
        _say(f"Error: {error.message}")
        if error.remedy:
            _say(error.remedy)
        return error.exit_code
    if isinstance(error, OSError) and error.strerror:
        _say(f"Error: {error.filename or 'output'}: {error.strerror}")
        return EXIT_ENVIRONMENT
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    system = f"orch {_version()}, Python {platform.python_version()}, {platform.system()}"
    _say(f"Error: {said}\n{REPORT} ({system}).")
    if not verbose:
        _say("With --verbose it shows where it happened.")
    return EXIT_BUG


def _say(text: str) -> None:
    """Print to stderr with keys masked: a library's error may quote the key it was given."""
    # A process that has read no key has none to mask, and need not load the module that masks them.
    keys = sys.modules.get("streams.agents.api_keys")
    click.echo(text if keys is None else keys.mask(text), err=True)
