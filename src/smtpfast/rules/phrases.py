"""Phrases: how they are written, and all of them in one automaton for both cores."""

from __future__ import annotations

import re
from array import array
from itertools import islice, pairwise

from ..records import TYPE_CHECKING, NamedTuple
from .words import WORD, fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

# `*` stands for so many words at most.
MAX_GAP: Final = 3
# More ways to read one phrase than this is a mistake of its author.
MAX_WAYS: Final = 512
MAX_WORDS: Final = 16
MAX_GAPS: Final = 3
MAX_WORD_BYTES: Final = 200
MAX_UNIT: Final = 12

GAP: Final = "*"
_TOKEN: Final = re.compile(rf"\((?P<ways>[^()]*)\)|[()|]|\*|#[a-z]*|{WORD.pattern}")

# A sequence of words, "#" classes and gaps.
Way = tuple[str, ...]
# A phrase is a sequence of alternatives.
Phrase = tuple[tuple[Way, ...], ...]

_GAP_PART: Final = ((GAP,),)


class PhraseError(ValueError):
    """A phrase that cannot be read; the message says which and why."""


def parse_phrase(written: str) -> Phrase:
    """The alternatives of a phrase, in order; each is one or more ways of zero or more words."""
    phrase: list[tuple[Way, ...]] = []
    for token in _TOKEN.finditer(written):
        if token["ways"] is not None:
            phrase.append(tuple(_way(way, written) for way in token["ways"].split("|")))
        elif token[0] in "()|":
            raise PhraseError(f"{written!r}: a parenthesis or | that does not fit")
        elif key := _key(token[0]):
            phrase.append(((key,),))
    if not phrase:
        raise PhraseError(f"{written!r}: no word in it")
    ways = 1
    for part in phrase:
        ways *= len(part)
    if ways > MAX_WAYS:
        raise PhraseError(f"{written!r}: {ways} ways to read it, at most {MAX_WAYS} are allowed")
    needed = [part for part in phrase if () not in part]
    is_gap = [part == _GAP_PART for part in needed]
    if not needed or is_gap[0] or is_gap[-1] or (True, True) in pairwise(is_gap):
        raise PhraseError(f"{written!r}: it needs a word at each end, and on both sides of a *")
    if phrase.count(_GAP_PART) > MAX_GAPS:
        raise PhraseError(f"{written!r}: more than {MAX_GAPS} times *")
    words = [word for part in phrase for way in part for word in way]
    if any(len(word.encode("utf-8", "surrogateescape")) > MAX_WORD_BYTES for word in words):
        raise PhraseError(f"{written!r}: a word of more than {MAX_WORD_BYTES} bytes")
    if any(word[0] == "#" and len(word) > MAX_UNIT for word in words):
        raise PhraseError(f"{written!r}: a # with more than {MAX_UNIT - 1} letters")
    if sum(max(map(len, part)) for part in phrase) > MAX_WORDS:
        raise PhraseError(f"{written!r}: longer than {MAX_WORDS} words")
    return tuple(phrase)


def numbers_in(written: str) -> int:
    """How many numbers stand in each way to read a phrase, at least; none in a bad one."""
    try:
        phrase = parse_phrase(written)
    except PhraseError:
        return 0
    return sum(min(sum(word[0] == "#" for word in way) for way in part) for part in phrase)


def _way(written: str, phrase: str) -> Way:
    words = tuple(filter(None, (_key(token[0]) for token in _TOKEN.finditer(written))))
    if GAP in words:
        raise PhraseError(f"{phrase!r}: * inside a parenthesis")
    return words


def _key(token: str) -> str:
    return token if token[0] in "*#" else fold(token)


class Phrases:
    """All phrases of a rule set in one automaton of words, which both cores follow.

    A node is a number; the first five are where the words of sentences, names and URLs begin, and
    those of sentences once more for what is seldom asked: hints, and conditions of other rules.

    words: all words, "#" first, its kin among them. gaps: for each node, the next one behind a
    gap; 0 for none. edge_counts: for each node, how many of `edge_words` (places in `words`) and
    `edge_nodes` (the next nodes) are its own. group_counts: how many of `groups`, the groups of
    the phrases that end there. All but the words are arrays of unsigned ints ("I").
    """

    PLAIN: Final = 0
    HOSTS: Final = 1
    URLS: Final = 2
    HINTS: Final = 3
    CONDITIONS: Final = 4
    ROOTS: Final = 5

    def __init__(self, words: list[str], *columns: bytes) -> None:
        self.words = words
        self.columns = columns
        self.gaps, self.edge_counts, self.edge_words, self.edge_nodes, *more = (
            array("I", column) for column in columns
        )
        self.group_counts, self.groups = more

    @classmethod
    def of(cls, groups: Iterable[Group]) -> Phrases:
        """The automaton of these groups, which are numbered in this order."""
        steps = _Steps()
        starts: list[set[int]] = [set() for _ in range(cls.ROOTS)]
        for number, group in enumerate(groups):
            for root, phrases in enumerate(group):
                starts[root].update([steps.add(phrase, number) for phrase in phrases])
        nodes = _minimal(steps.determine(starts))
        words = list(dict.fromkeys(["#", *(word for node in nodes for word in node.edges)]))
        places = {word: place for place, word in enumerate(words)}
        columns = (
            [node.gap for node in nodes],
            [len(node.edges) for node in nodes],
            [places[word] for node in nodes for word in node.edges],
            [follower for node in nodes for follower in node.edges.values()],
            [len(node.groups) for node in nodes],
            [group for node in nodes for group in node.groups],
        )
        return cls(words, *(array("I", column).tobytes() for column in columns))

    def nodes(self) -> list[Node]:
        """The nodes one by one."""
        edges = zip(map(self.words.__getitem__, self.edge_words), self.edge_nodes, strict=True)
        groups = iter(self.groups)
        return [
            Node(gap, dict(islice(edges, edge_count)), list(islice(groups, group_count)))
            for gap, edge_count, group_count in zip(
                self.gaps, self.edge_counts, self.group_counts, strict=True
            )
        ]


class Node(NamedTuple):
    """A node: the next one behind a gap (0: none) and by each word, and what ends there."""

    gap: int
    edges: dict[str, int]
    groups: list[int]


class Group(NamedTuple):
    """Phrases that count as one, by the roots of `Phrases`."""

    plain: tuple[Phrase, ...]
    hosts: tuple[Phrase, ...]
    urls: tuple[Phrase, ...]
    hints: tuple[Phrase, ...]
    conditions: tuple[Phrase, ...]


class _Steps:
    """The phrases as a nondeterministic automaton: a state stands before a word of a phrase."""

    def __init__(self) -> None:
        self._edges: list[list[tuple[str, int]]] = []
        self._skips: list[int] = []  # the state that is reached without a word; 0 for none
        self._group: list[int] = []  # -1 where no phrase ends
        self._state()  # number 0 stays unused

    def _state(self) -> int:
        self._edges.append([])
        self._skips.append(0)
        self._group.append(-1)
        return len(self._edges) - 1

    def add(self, phrase: Phrase, group: int) -> int:
        """The state in which `phrase` begins."""
        start = here = self._state()
        for ways in phrase:
            behind = self._state()
            for way in ways:
                if not way:
                    self._skips[here] = behind
                    continue
                at = here
                for word in way[:-1]:
                    between = self._state()
                    self._edges[at].append((word, between))
                    at = between
                self._edges[at].append((way[-1], behind))
            here = behind
        self._group[here] = group
        return start

    def determine(self, starts: Iterable[Iterable[int]]) -> list[Node]:
        """The deterministic automaton: its nodes are sets of states, the first ones `starts`."""
        numbers: dict[object, int] = {}
        members: list[frozenset[int]] = []
        nodes: list[Node] = []

        def number_of(states: Iterable[int], name: object = None) -> int:
            closed = set()
            for state in states:
                while state:
                    closed.add(state)
                    state = self._skips[state]
            key = frozenset(closed) if name is None else name
            if key not in numbers:
                numbers[key] = len(members)
                members.append(frozenset(closed))
            return numbers[key]

        for root, states in enumerate(starts):
            number_of(states, root)
        while len(nodes) < len(members):
            followers: dict[str, list[int]] = {}
            for state in members[len(nodes)]:
                for word, follower in self._edges[state]:
                    followers.setdefault(word, []).append(follower)
            behind_gap = followers.pop(GAP, None)
            ends = {self._group[state] for state in members[len(nodes)]} - {-1}
            nodes.append(
                Node(
                    number_of(behind_gap) if behind_gap else 0,
                    {word: number_of(followers[word]) for word in sorted(followers)},
                    sorted(ends),
                )
            )
        return nodes


def _minimal(nodes: list[Node]) -> list[Node]:
    """The same automaton with nodes that cannot be told apart made one; the roots stay."""
    same: dict[object, int] = {}
    new = [*range(Phrases.ROOTS), *[0] * (len(nodes) - Phrases.ROOTS)]
    kept = nodes[: Phrases.ROOTS]
    for number in _leaves_first(nodes):
        gap, edges, groups = nodes[number]
        node = Node(new[gap], {word: new[follower] for word, follower in edges.items()}, groups)
        if number < Phrases.ROOTS:
            kept[number] = node
            continue
        key = node.gap, tuple(node.edges.items()), tuple(groups)
        new[number] = same.setdefault(key, len(kept))
        if new[number] == len(kept):
            kept.append(node)
    return kept


def _leaves_first(nodes: list[Node]) -> Iterator[int]:
    """All nodes, each behind those that follow it; phrases make no circles."""
    seen = [False] * len(nodes)
    for root in range(Phrases.ROOTS):
        waiting = [(root, False)]
        while waiting:
            number, are_followers_done = waiting.pop()
            if are_followers_done:
                yield number
            elif not seen[number]:
                seen[number] = True
                gap, edges, _ = nodes[number]
                waiting.append((number, True))
                waiting += [(follower, False) for follower in edges.values()]
                if gap:
                    waiting.append((gap, False))
