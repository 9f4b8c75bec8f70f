"""Claims of seals and receipts, with their limits."""

RECEIPT_PROVES = (
    "each record stood at its place in the log when the checkpoint was signed",
    "no byte of a record differs from what its id, and the ids that name it, commit to",
    "the decision follows from the panel, the analyses and the deadline that it names, by its rule",
)


def receipt_proves(without_proof: int) -> tuple[str, ...]:
    """Give what a receipt proves; *without_proof* entries of compacted topics stand in it as the panel names them."""
    if not without_proof:
        return RECEIPT_PROVES
    named = f"{without_proof} entries of compacted topics, which the panel names by their ids,"
    return (RECEIPT_PROVES[0].replace("each record", f"each record except {named}"), *RECEIPT_PROVES[1:])


RECEIPT_DOES_NOT_PROVE = (
    "that the models were right, or that a provider gave these answers",
    "that the holder of the key rewrote nothing before signing, unless a checkpoint was anchored elsewhere before",
    "how the router's entries came about: `orch replay` of the whole log derives them again",
    "that the log holds nothing else about the question, such as feedback or a later correction",
    "when the checkpoint was signed: a signature carries no time",
)
LOG_PROVES = (
    "the records that the newest checkpoint covers are those that were sealed, each in its place, none left out",
    "every event has the id of its content",
)
LOG_DOES_NOT_PROVE = (
    "that the models were right, or that a provider gave these answers",
    "that the holder of the key rewrote nothing before signing, or did not cut the log back to an earlier checkpoint,"
    " unless a checkpoint was anchored elsewhere before: hold the log to it with --against",
    "when a checkpoint was signed: a signature carries no time",
)
