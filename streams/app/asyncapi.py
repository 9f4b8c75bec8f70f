"""AsyncAPI 3 document of all topics and events."""

from typing import Any

from schemas.event import MAX_EVENT_BYTES, Event
from schemas.registry import INPUTS, KINDS, KINDS_OF_TOPIC, kind_of
from streams.app.event_schemas import all_schemas
from streams.topology import TOPICS

VERSION = "3.0.0"
"""Of AsyncAPI: the first with operations of their own, and read by every tool that reads a later 3."""

_ABOUT = """\
Questions, decisions and all that leads from one to the other. The operations are those of a program outside: it may
send the kinds that are inputs, and receive all. An input needs only the fields that its schema requires; on the topic
it stands as its producer wrote it. Every other kind is canonical JSON with all its fields."""

_SERVER = (
    "A log named in the URL, as in kafka://HOST:PORT/NAME, has NAME and a dot before the address of every channel."
)

_ABOUT_TOPICS = {
    "orch.questions": "Questions to be decided",
    "orch.assignments": "Who is asked each question, stage by stage",
    "orch.analyses": "What each agent answered, with every attempt",
    "orch.deadlines": "Questions that are overdue",
    "orch.decisions": "The decision of each question, once",
    "orch.feedback": "Right answers, verdicts on decisions, and their retraction",
    "orch.observations": "How each agent did on each question",
    "orch.router": "Moving averages of each agent, by scope",
    "orch.lessons": "What a known answer teaches the merge rule odds",
    "orch.weights": "Weights of the merge rule odds, by policy",
    "orch.policies": "Configurations, each in force until the next",
    "orch.dead-letters": "Records that were rejected, with the reason",
    "orch.checkpoints": "Signed Merkle roots of partitions",
    "orch.spending": "Reservations and costs of calls under a budget",
}

_EXAMPLES: dict[str, tuple[dict[str, Any], ...]] = {
    "question.asked.v1": (
        {"question_id": "q1", "text": "Which gas do plants take in?", "options": ["Oxygen", "Carbon dioxide"]},
        {"question_id": "q2", "text": "How many legs has a spider?", "answer_type": "number", "subject": "biology"},
    ),
    "feedback.given.v1": (
        {"question_id": "q1", "source": "gold", "answer": "B"},
        {"question_id": "q2", "source": "human", "author": "mara", "verdict": "wrong"},
    ),
    "feedback.retracted.v1": (
        {"kind": "feedback.retracted.v1", "question_id": "q1", "feedback_id": "0123456789abcdef" * 4},
    ),
}


def asyncapi() -> dict[str, Any]:
    """Describe all topics and their events as an AsyncAPI 3 document."""
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "ORCH",
            "version": "1",
            "description": _ABOUT.replace("\n", " "),
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {name: _channel(name) for name in TOPICS},
        "operations": {key: operation for name in TOPICS for key, operation in _operations(name).items()},
        "components": {
            "messages": {kind: _message(model) for kind, model in KINDS.items()},
            "schemas": all_schemas("#/components/schemas/{model}"),
            "securitySchemes": {
                "plain": {"type": "plain", "description": "SASL PLAIN"},
                "scramSha256": {"type": "scramSha256", "description": "SASL SCRAM-SHA-256"},
                "scramSha512": {"type": "scramSha512", "description": "SASL SCRAM-SHA-512"},
                "certificate": {"type": "X509", "description": "A certificate of the client"},
            },
        },
    }


def _servers() -> dict[str, Any]:
    host = {"default": "localhost:9092", "description": "Host and port of a broker of the cluster."}
    schemes = ("plain", "scramSha256", "scramSha512", "certificate")
    return {
        "kafka": {
            "host": "{host}",
            "protocol": "kafka",
            "title": "A Kafka cluster",
            "description": _SERVER,
            "variables": {"host": host},
        },
        "kafkaOverTls": {
            "host": "{host}",
            "protocol": "kafka-secure",
            "title": "A Kafka cluster, over TLS",
            "description": _SERVER,
            "variables": {"host": host},
            "security": [{"$ref": f"#/components/securitySchemes/{scheme}"} for scheme in schemes],
        },
    }


def _channel(name: str) -> dict[str, Any]:
    topic = TOPICS[name]
    return {
        "address": name,
        "title": name,
        "summary": _ABOUT_TOPICS[name],
        "description": (
            f"Written by {_listed(topic.writers)}; read by {_listed(topic.readers)}. The key is {topic.key}. A record"
            f" of more than {MAX_EVENT_BYTES:,} bytes is refused."
        ),
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in topic.kinds},
        "bindings": {
            "kafka": {
                "topic": name,
                "partitions": topic.partitions,
                "topicConfiguration": {"cleanup.policy": ["compact" if topic.cleanup == "compact" else "delete"]},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _operations(name: str) -> dict[str, Any]:
    """Make what a program outside may do on a topic: receive, and send if the topic has inputs."""
    # Names that any language can make a function of: receiveDeadLetters.
    words = "".join(word.title() for word in name.removeprefix("orch.").split("-"))
    channel = {"$ref": f"#/channels/{name}"}
    models = KINDS_OF_TOPIC[name]
    operations = {
        f"receive{words}": {
            "action": "receive",
            "channel": channel,
            "summary": f"Receive from {name}: {_kinds(models)}.",
            "messages": [_on(name, model) for model in models],
        }
    }
    inputs = tuple(model for model in models if model in INPUTS)
    if inputs:
        operations[f"send{words}"] = {
            "action": "send",
            "channel": channel,
            "summary": f"Send to {name}: {_kinds(inputs)}.",
            "messages": [_on(name, model) for model in inputs],
        }
    return operations


def _kinds(models: tuple[type[Event], ...]) -> str:
    return " or ".join(map(kind_of, models))


def _on(name: str, model: type[Event]) -> dict[str, str]:
    return {"$ref": f"#/channels/{name}/messages/{kind_of(model)}"}


def _message(model: type[Event]) -> dict[str, Any]:
    kind = kind_of(model)
    about = (model.__doc__ or "").strip()
    message = {
        "name": kind,
        "title": model.__name__,
        "summary": about.splitlines()[0],
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": TOPICS[model.topic].key}, "bindingVersion": "0.5.0"}
        },
    }
    examples = _EXAMPLES.get(kind)
    return message | ({"examples": [{"payload": payload} for payload in examples]} if examples else {})
