"""Event envelope: kind, content id, causes and event time."""

from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict

from schemas.canonical import canonical_json, content_id, written_fields
from schemas.quantities import EventId, Instant

MAX_EVENT_BYTES = 900_000
"""Default limit of one event: below Kafka's default of 1 MiB a record, with room for headers."""


_NO_ID = "0" * 64
_ID_PLACE = b'"event_id":"%b",' % _NO_ID.encode()


class Added:
    """Type of the mark `ADDED`."""


ADDED = Added()
"""
Mark of an optional field from the second version of a kind on, as in `Annotated[str | None, ADDED] = None`: while it is
unset it is neither written nor hashed, so it can be added without a new version. Kinds of v1 have none.
"""


class Fact(BaseModel):
    """A frozen, strict value inside an event: unknown fields and lossy conversions are errors."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        # Most processes meet few kinds; a validator is built when its model is first used.
        defer_build=True,
    )

    added_fields: ClassVar[tuple[str, ...]] = ()
    """Fields marked `ADDED`, here or in a base class; canonical JSON holds them only where they are set."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        cls.added_fields = tuple(name for name, field in cls.model_fields.items() if ADDED in field.metadata)


class Event(Fact):
    """
    One fact in the log.

    The id is computed when the event is built. A given id must equal the computed one, so an altered event cannot be
    built.

    Raises:
        ValidationError: A field breaks its rule, or the given `event_id` is not the hash of the content.
    """

    __slots__ = ("_encoded",)
    if TYPE_CHECKING:
        # At run time pydantic would make a private attribute of it, which costs a tenth of building an event.
        _encoded: bytes

    topic: ClassVar[str]
    later_versions: ClassVar[tuple[type["Event"], ...]] = ()
    """Kinds that stand beside this one with more fields; each is a subclass."""
    adds_inside: ClassVar[bool] = False
    """Whether models inside the event have fields marked `ADDED`."""
    mark: ClassVar[bytes] = b""
    """The member of an event's canonical JSON that tells its kind."""

    kind: str
    event_id: EventId = ""
    """SHA-256 (64 hex digits) over the canonical JSON of the event without this field."""
    causes: tuple[EventId, ...] = ()
    """Ids of the events this one follows from; they make the log a Merkle DAG."""
    occurred_at: Instant
    """Event time, UTC with milliseconds. Of a derived event: the latest of its causes."""

    def model_post_init(self, context: Any, /) -> None:
        fields = self.__dict__
        given = fields["event_id"]
        # The event is encoded once, with zeros as its id. Without that member the bytes are what the id hashes. Another
        # member follows in every event, so a comma ends it; quotes inside a string are escaped, so there is one such
        # member.
        fields["event_id"] = _NO_ID
        before, _, after = canonical_json(written_fields(self), added=self.adds_inside).partition(_ID_PLACE)
        fields["event_id"] = computed = content_id(before + after)
        if given and given != computed:
            raise ValueError(f"event_id {given} is not the hash of the content, which is {computed}")
        object.__setattr__(self, "_encoded", b'%b"event_id":"%b",%b' % (before, computed.encode(), after))

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.later_versions = ()
        cls.mark = f'"kind":"{cls.model_fields["kind"].default}"'.encode()
        for base in cls.__mro__[1:]:
            if issubclass(base, Event) and base is not Event:
                base.later_versions = (*base.later_versions, cls)

    @property
    def key(self) -> str:
        """Record key: events of one key keep their order."""
        raise NotImplementedError

    @property
    def correlation(self) -> str:
        """What the event is about: the question, or else the key."""
        return getattr(self, "question_id", None) or self.key

    def encode(self) -> bytes:
        """Give the event's bytes in the log: canonical JSON, id included."""
        try:
            return self._encoded
        except AttributeError:
            # A copy or an unpickled event has the fields alone.
            return canonical_json(written_fields(self), added=self.adds_inside)

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """
        Read an event of this kind, or of a later version of it, from canonical bytes.

        Raises:
            ValidationError: Not JSON, or not this kind, or the id is not the hash of the content.
        """
        for version in cls.later_versions:
            # In canonical JSON a quote inside a string is escaped, so this text can only be the member itself.
            if version.mark in raw:
                return cast(Self, version.model_validate_json(raw))
        return cls.model_validate_json(raw)


def latest(first: str, *others: str) -> str:
    """Give the latest of several instants: the time of an event that follows from all of them."""
    return max((first, *others))
