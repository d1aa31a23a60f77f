"""Plays a recorded device that speaks only when it is asked: each answer of the recording, when its question comes.

A daemon asks again and again, and never as often as the one that was recorded. What happened (a chip in the field, a card,
a key) is told when its time has come and it is asked, in its order, and none of it is left out; that nothing happened is
told as often as is asked. A state (a temperature, a contact) is told as it stood at that time. What is asked to set the
device up is answered as it was whenever it is asked. While the recorded device answered nothing, nothing is answered.

What the recording does not know is answered as by a device with which nothing happens, and counted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from .dialects import Dialect, Kind, Question
from .recording import Frame
from .serial_line import SerialLine

LONGEST_DELAY_SECONDS = 0.15  # a daemon gives up a device that takes much longer
EARLY_SECONDS = 0.02


@dataclass
class Saying:
    delay: float  # since the question, or since the word that asks for it again
    content: bytes


@dataclass
class Answer:
    seconds: float  # when its question was recorded
    key: bytes
    sayings: list[list[Saying]] = field(default_factory=lambda: [[]])  # a list more for each time it was asked for again

    @property
    def content(self) -> bytes:
        return b"".join(saying.content for sayings in self.sayings for saying in sayings)


class Script:
    """The answers of one device's recording, by question."""

    def __init__(self, frames: list[Frame], dialect: Dialect) -> None:
        self.answers: dict[bytes, list[Answer]] = {}
        self.events: set[bytes] = set()  # the questions after what happened
        self.silences: list[tuple[float, float]] = []  # from a question that was not answered to the next answer
        self._dialect = dialect
        self._read(frames)

    def is_silent(self, seconds: float) -> bool:
        return any(begin <= seconds < end for begin, end in self.silences)

    def _read(self, frames: list[Frame]) -> None:
        asked: Question | None = None
        answer: Answer | None = None
        asked_at = 0.0
        silent_since: float | None = None
        early: list[bytes] = []  # what answered a question from before the recording
        for frame in frames:
            if not frame.is_from_device:
                for question in self._dialect.questions(frame.data):
                    before, asked_at = asked_at, frame.seconds
                    if question.kind == Kind.AGAIN:
                        if answer is not None:
                            answer.sayings.append([])
                        continue
                    if asked is not None and not (answer and answer.content):
                        silent_since = before if silent_since is None else silent_since
                    if question.raw and asked is not None and question.raw == asked.raw:
                        continue  # the same once more, since no answer came
                    asked = question
                    answer = Answer(asked_at, question.key)
                    if question.kind == Kind.EVENT:
                        self.events.add(question.key)
                    if early and question.kind == Kind.EVENT:
                        for content in early:
                            self._keep(Answer(0.0, question.key, [[Saying(0.0, content)]]))
                        early = []
            elif content := self._dialect.same(frame.data):
                if answer is None:
                    early.append(content)
                    continue
                if not answer.content:
                    self._keep(answer)
                    if silent_since is not None:
                        self.silences.append((silent_since, frame.seconds))
                        silent_since = None
                delay = min(max(0.0, frame.seconds - asked_at), LONGEST_DELAY_SECONDS)
                answer.sayings[-1].append(Saying(delay, content))

    def _keep(self, answer: Answer) -> None:
        self.answers.setdefault(answer.key, []).append(answer)


class AnsweringDevice:
    def __init__(self, line: SerialLine, dialect: type[Dialect], frames: list[Frame]) -> None:
        self.line = line
        self.script = Script(frames, dialect())
        self.sent = 0
        self.unheard = 0  # that nobody listened to
        self.unknown: dict[str, int] = {}  # questions that the recording does not know, and how often they were asked
        self.was_polled = False  # the daemon has gone through what it asks at first
        self._dialect = dialect()
        self._next: dict[bytes, int] = {}  # how many answers to this question were given
        self._asked: Question | None = None
        self._given: Answer | None = None
        self._again = 0
        self._last: bytes = b""
        self._outbox: list[tuple[float, bytes]] = []  # when, what

    def serve(self, seconds: float) -> None:
        """Hears and says what is due; `seconds` since the beginning of the recording, negative before it."""
        now = time.monotonic()
        for question in self._dialect.questions(self.line.receive()):
            self._outbox = []  # whoever asks anew waits for no older answer
            if not self.script.is_silent(seconds):
                self._answer(question, seconds, now)
        while self._outbox and self._outbox[0][0] <= now:
            if self.line.send(self._outbox.pop(0)[1]):
                self.sent += 1
            else:
                self.unheard += 1

    def left(self) -> int:
        """Answers that tell of something, and that nobody has asked for yet."""
        return sum(
            answer.content not in self._dialect.quiet
            for key, answers in self.script.answers.items()
            if key in self.script.events
            for answer in answers[self._next.get(key, 0) :]
        )

    # What is answered.

    def _answer(self, question: Question, seconds: float, now: float) -> None:
        if question.kind == Kind.AGAIN:
            self._say_again(now)
            return
        if question.raw and self._asked is not None and question.raw == self._asked.raw and self._last:
            self._say([Saying(0.0, self._last)], question, now)  # our answer did not reach it
            return
        self._asked, self._again = question, 0
        self._given = self._choose(question, seconds)
        if question.kind != Kind.SETUP:
            self.was_polled = True
        if self._given is not None:
            self._say(self._given.sayings[0], question, now)
            return
        if question.key not in self.script.answers:
            self.unknown[question.name] = self.unknown.get(question.name, 0) + 1
        self._say([Saying(0.0, self._dialect.without_recording(question))], question, now)

    def _choose(self, question: Question, seconds: float) -> Answer | None:
        """None for what is answered without the recording."""
        answers = self.script.answers.get(question.key, [])
        given = self._next.get(question.key, 0)
        due = given
        while due < len(answers) and answers[due].seconds <= seconds + EARLY_SECONDS:
            due += 1
        if question.kind == Kind.SETUP:
            chosen = min(given, len(answers) - 1)
        elif question.kind == Kind.STATE:
            chosen = max(due - 1, 0) if answers else -1
        elif due > given:
            chosen = self._newest_due(answers, given, due)
        else:
            return self._meanwhile(answers, given)
        if chosen < 0:
            return None
        self._next[question.key] = max(given, chosen + 1)
        return answers[chosen]

    def _newest_due(self, answers: list[Answer], given: int, due: int) -> int:
        """Asked more rarely than then: that nothing happened, or that a chip is still there, need not be told as often.
        Nothing that happened is left out, nor that it ended."""
        quiet = self._dialect.quiet
        chosen = given
        if answers[chosen].content in quiet and (given == 0 or answers[given - 1].content in quiet):
            while chosen + 1 < due and answers[chosen].content in quiet:
                chosen += 1
        told = answers[chosen].content
        if self._dialect.lasts or told in quiet:
            while chosen + 1 < due and answers[chosen + 1].content == told:
                chosen += 1
        return chosen

    def _meanwhile(self, answers: list[Answer], given: int) -> Answer | None:
        """Asked more often than then: a chip that is in the field before and after is there meanwhile too."""
        if 0 < given < len(answers) and self._dialect.lasts and answers[given - 1].content == answers[given].content:
            return answers[given - 1]
        return None

    def _say_again(self, now: float) -> None:
        if self._asked is None:
            return
        self._again += 1
        sayings = self._given.sayings if self._given is not None else []
        if self._again < len(sayings) and sayings[self._again]:
            self._say(sayings[self._again], self._asked, now)
        elif self._last:
            self._say([Saying(0.0, self._last[self._dialect.prompt(self._last) :])], self._asked, now)

    def _say(self, sayings: list[Saying], question: Question, now: float) -> None:
        self._last = b"".join(saying.content for saying in sayings)
        for saying in sayings:
            whole = self._dialect.answer(question, saying.content)
            prompt = self._dialect.prompt(whole)
            for delay, data in (0.0, whole[:prompt]), (saying.delay, whole[prompt:]):
                if data:
                    self._outbox.append((now + delay, data))
