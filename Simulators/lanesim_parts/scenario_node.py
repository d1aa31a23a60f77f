"""A scenario's YAML as it was written, with the line of every part: what cannot be understood is refused by its line.

Scalars stay text: a technician who writes `on` or `12:30` means these words, and no YAML 1.1 truth or number.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml  # the one package that a simulator uses: Tests/check-arrows

LONGEST_FILE = 64 * 1024

Value = TypeVar("Value")


class ScenarioRefused(Exception):
    """A scenario file that cannot be played: where, and what to write instead."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}")

# A part of a file or of a configuration, as YAML was composed.
Node = yaml.Node


class Part:
    """One node of the file. The readers below refuse what is not of their shape."""

    def __init__(self, path: Path, node: yaml.Node) -> None:
        self.path = path
        self.node = node

    @property
    def line(self) -> int:
        return self.node.start_mark.line + 1

    def refuse(self, problem: str) -> ScenarioRefused:
        return ScenarioRefused(self.path, self.line, problem)

    @property
    def is_text(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_empty(self) -> bool:
        return self.is_text and self.node.value == "" and self.node.style is None

    def text(self, what: str) -> str:
        if not self.is_text or self.is_empty:
            raise self.refuse(f"{what} is missing here: one line of text is wanted")
        return self.node.value.strip()

    def read(self, what: str, parse: Callable[[str], Value]) -> Value:
        """What `parse` makes of the text; its ValueError says what was expected."""
        text = self.text(what)
        try:
            return parse(text)
        except ValueError as problem:
            raise self.refuse(f"{what}: {problem}") from None

    def whole(self, what: str, lowest: int, highest: int) -> int:
        def parse(text: str) -> int:
            if not text.isdecimal() or not lowest <= int(text) <= highest:
                raise ValueError(f"a whole number {lowest}…{highest} is wanted, not `{text}`")
            return int(text)

        return self.read(what, parse)

    def choice(self, what: str, words: Iterable[str]) -> str:
        words = list(words)
        text = self.text(what)
        if text not in words:
            raise self.refuse(unknown(what, text, words))
        return text

    def items(self, what: str) -> list[Part]:
        """A list; one thing alone is a list of one."""
        if isinstance(self.node, yaml.SequenceNode):
            return [Part(self.path, item) for item in self.node.value]
        if self.is_empty:
            raise self.refuse(f"{what} is missing here")
        return [self]

    def fields(self, what: str) -> dict[str, Part]:
        """A group's keys with their values; a key that stands twice is refused."""
        if not is_group(self.node):
            raise self.refuse(f"{what} is a group of `key: value`")
        fields: dict[str, Part] = {}
        for key, value in self.node.value:
            name = Part(self.path, key).text(f"a key of {what}")
            if name in fields:  # YAML itself would take the last one
                raise Part(self.path, key).refuse(f"`{name}` stands here a second time")
            fields[name] = Part(self.path, value)
        return fields

    def known_fields(self, what: str, words: Iterable[str]) -> dict[str, Part]:
        words = list(words)
        fields = self.fields(what)
        for key, _ in self.node.value:
            if key.value not in words:
                raise Part(self.path, key).refuse(unknown(what, key.value, words))
        return fields


def unknown(what: str, text: str, words: Iterable[str]) -> str:
    words = list(words)
    near = difflib.get_close_matches(text, words, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"one of {', '.join(words)}"
    return f"{what} knows no `{text}`; {hint}"


def load(path: Path) -> Part:
    """The file's one document."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ScenarioRefused(path, 1, f"cannot be read: {error.strerror}") from None
    if len(data) > LONGEST_FILE:
        raise ScenarioRefused(path, 1, f"longer than {LONGEST_FILE} bytes: no scenario")
    try:
        node = yaml.compose(data.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ScenarioRefused(path, line, "not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ScenarioRefused(path, mark.line + 1 if mark else 1, f"not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ScenarioRefused(path, 1, f"not YAML: {error}") from None
    if node is None:
        raise ScenarioRefused(path, 1, "is empty")
    return Part(path, node)


def composed(text: str) -> yaml.Node:
    return yaml.compose(text, Loader=yaml.SafeLoader)


def is_group(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode)


def merged(base: yaml.Node, over: yaml.Node) -> yaml.Node:
    """`base` with the keys of `over` put over it, group by group; lists and values are replaced whole."""
    if not (is_group(base) and is_group(over)):
        return over
    result = {key.value: (key, value) for key, value in base.value}
    for key, value in over.value:
        known = result.get(key.value)
        result[key.value] = (key, merged(known[1], value) if known else value)
    return yaml.MappingNode(base.tag, list(result.values()))


def written(node: yaml.Node) -> str:
    """The node as YAML text, scalars as they were written."""
    return yaml.serialize(node, allow_unicode=True, width=100)

def plain_values(node: yaml.Node) -> Any:
    """Groups, lists and texts; numbers stay text."""
    return yaml.load(yaml.serialize(node), Loader=yaml.BaseLoader)

