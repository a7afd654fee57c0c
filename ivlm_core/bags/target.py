"""The bag that is written: what was recorded, and after each image what was found in it."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinitionFormat,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg
from tqdm import tqdm

from ivlm_core.bags.answers import AnswerFiles
from ivlm_core.bags.source import BagSource, Question, Topics
from ivlm_core.messages.results import DEPTH, TYPES

OUR_TYPES = ("AffordanceSamples", "ContactMesh")
"""Messages of `ivlm_msgs` that a bag may hold."""


def write_bag(
    folder: Path,
    source: BagSource,
    topics: Topics,
    questions: Sequence[Question],
    answers: AnswerFiles,
    name: str,
    storage: str,
    only_results: bool,
) -> int:
    """Write a bag and return the number of its messages.

    Args:
        folder: of the bag; it must not exist.
        source: the bag that was answered.
        topics: where its images are.
        questions: images that have an answer.
        answers: to them.
        name: the topics' first part: results are on `NAME/human_contact` and so on.
        storage: `sqlite3` or `mcap`.
        only_results: leave out what was recorded.
    """
    for kind in OUR_TYPES:
        source.types.register(get_types_from_msg(definition(kind), f"ivlm_msgs/msg/{kind}"))
    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    answered = {question.number for question in questions}
    results: dict[str, Connection] = {}
    count = number = 0
    with Writer(folder, version=Writer.VERSION_LATEST, storage_plugin=plugin) as writer:
        copies = {} if only_results else _copied(writer, source, f"{name}/")
        recorded = source.messages([topics.images] if only_results else ())
        for connection, time_ns, data in tqdm(recorded, desc="writing", unit="message"):
            if connection.id in copies:
                writer.write(copies[connection.id], time_ns, data)
                count += 1
            if connection.topic != topics.images:
                continue
            found = answers.read(number).messages if number in answered else []
            for topic, message in found:
                if topic not in results:
                    results[topic] = writer.add_connection(
                        f"{name}/{topic}",
                        TYPES[topic],
                        typestore=source.types,
                        offered_qos_profiles=[_qos(latched=topic == "markers")],
                    )
                writer.write(results[topic], time_ns, message)
                count += 1
            number += 1
    return count


def definition(kind: str) -> str:
    """Return the text of a message file of `ivlm_msgs`."""
    file = resources.files("ivlm_core.messages") / f"{kind}.msg"
    return file.read_text(encoding="utf-8")


def _copied(writer: Writer, source: BagSource, ours: str) -> dict[int, Connection]:
    """Return the new connection of every old one; results of an earlier run are left out."""
    copies = {}
    for old in source.connections:
        if old.topic.startswith(ours):
            continue
        assert isinstance(old.ext, ConnectionExtRosbag2)
        known = old.msgdef.format is not MessageDefinitionFormat.NONE
        if not known and old.msgtype not in source.types.fielddefs:
            continue  # a type that neither the bag nor Jazzy describes: nobody could read it
        copies[old.id] = writer.add_connection(
            old.topic,
            old.msgtype,
            typestore=source.types,
            msgdef=old.msgdef.data if known else None,
            rihs01=old.digest if known else None,
            serialization_format=old.ext.serialization_format,
            offered_qos_profiles=old.ext.offered_qos_profiles,
        )
    return copies


def _qos(latched: bool) -> Qos:
    """Return the node's quality of service, so that `ros2 bag play` offers the same."""
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    unset = QosTime(0, 0)
    return Qos(
        QosHistory.KEEP_LAST,
        1 if latched else DEPTH,
        QosReliability.RELIABLE,
        durability,
        unset,
        unset,
        QosLiveliness.AUTOMATIC,
        unset,
        avoid_ros_namespace_conventions=False,
    )
