# cython: language_level=3
# cython: binding=False, embedsignature=True, embedsignature.format=clinic, autotestdict=False
# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: freethreading_compatible=True
"""The same as `pure_meaning`, faster. A matcher turns its rule set into C arrays, once."""

from array import array

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from cpython.object cimport PyObject
from libc.stdint cimport (
    INT32_MIN,
    int8_t,
    int16_t,
    int32_t,
    int64_t,
    uint8_t,
    uint16_t,
    uint32_t,
    uint64_t,
)

from ..enhanced import EnhancedStatusCode
from ..errors import SmtpFastError
from ..meaning import Diagnoses
from ..reasons import Diagnosis, Disposition, Reason
from ..reply import ReplyLine, ReplyLines
from ..rules import COMMANDS, HINT_LEVEL
from ..rules.words import FOLD, FOLDED_RANGES
from ..status import Severity
from . import pure_meaning
from .compiled import classify_lines
from .records cimport PyMethodDef, PyMethodDescrObject, allocate, decode, put

cdef extern from "meaning.h" nogil:
    enum:
        MEANING_SHORT
        MEANING_MEMO
        MEANING_SHAPE_BITS
        MEANING_HOSTS
        MEANING_ROOTS
    ctypedef struct scan_line:
        int64_t text
        int32_t code
        int32_t enhanced
    scan_line scan_one(const uint8_t *data, int64_t start, int64_t end)
    void scan_prefer_large_pages(void *memory, int64_t size)
    ctypedef struct meaning_word:
        uint64_t low, high
    ctypedef struct meaning_node:
        uint32_t gap
        uint16_t edge_count, end_count, hint_mask, words, followers, ends
    ctypedef struct meaning_pattern:
        int32_t class_, subject, first, last
    ctypedef struct meaning_rule:
        int32_t reason, transient, permanent, codes, patterns, pattern_count
        uint32_t commands
        int32_t provider, _with "with", with_count, without, without_count, group
    ctypedef struct meaning_rules:
        const meaning_word *words
        const uint16_t *shifts
        uint32_t word_mask, shift_mask
        const uint8_t *letters
        const uint8_t (*fold)[2]
        const uint32_t *long_words
        const uint32_t *first[5]
        const uint64_t *nodes
        int32_t hosts_may_be_numbers
        uint32_t number
        int32_t group_count
        int32_t first_provider, first_blocklist, first_delay, first_condition, first_rule
        const int32_t *command_numbers
        const int32_t *delay_seconds
        const int32_t *rule_of_group
        const meaning_rule *rules
        const meaning_pattern *patterns
        const int32_t *conditions
        const uint64_t *code_sets
        const int32_t *code_rules
        int32_t code_rule_count, rule_count, first_hint
        int32_t unknown, unknown_transient, unknown_permanent
        int32_t accepted, delivered, intermediate, continue_
    ctypedef struct meaning_hit:
        int32_t group
    ctypedef struct meaning_memo:
        int32_t code
    ctypedef struct meaning_shape:
        int32_t code
    ctypedef struct meaning_scratch:
        meaning_memo memo[1024]
        meaning_shape shapes[4096]
        meaning_hit *hits
        uint64_t *is_hit
    ctypedef struct meaning_decision:
        int32_t reason, disposition, retry_after, provider, rule
        int32_t blocklist, blocklist_start, blocklist_end
        int32_t start, end, code, enhanced, uses_enhanced
    void meaning_key(const uint8_t *data, int64_t length, uint64_t *low, uint64_t *high)
    uint64_t meaning_hash(uint64_t low, uint64_t high)
    int meaning_arrange(
        const uint64_t *hashes, const uint32_t *order, int32_t count, uint32_t shift_mask,
        uint16_t *shifts, uint32_t mask, uint8_t *is_taken, uint32_t *places,
    )
    void meaning_put_edge(meaning_node *node, uint32_t index, uint32_t word, uint32_t follower)
    void meaning_put_end(int32_t *ends, uint32_t index, int32_t end)
    int64_t meaning_inner_reply(const uint8_t *text, int64_t size)
    void *meaning_swap(void **place, void *value)
    ctypedef struct meaning_lines:
        const int16_t *code
        const int32_t *enhanced
        const int64_t *text_start
        const int64_t *text_end
    ctypedef struct meaning_columns:
        int64_t *evidence_start
        int64_t *evidence_end
        int32_t *retry_after
        int32_t *blocklist
        int32_t *provider
        int32_t *rule
        int8_t *reason
        int8_t *disposition
    meaning_decision meaning_line(
        const meaning_rules *rules, meaning_scratch *scratch, const uint8_t *data, int64_t size,
        const meaning_lines *lines, int64_t row, int64_t *text,
    )
    void meaning_fill(
        const meaning_rules *rules, meaning_scratch *scratch, const uint8_t *data, int64_t size,
        const meaning_lines *lines, int64_t rows, const meaning_columns *columns,
    )
    meaning_decision meaning_decide(
        const meaning_rules *rules, meaning_scratch *scratch, int32_t code, int32_t enhanced,
        const uint8_t *text, int64_t size, int64_t readable, int32_t command,
    )

cdef extern from "Python.h":
    bint PyUnicode_CheckExact(object)
    bint PyUnicode_IS_COMPACT_ASCII(object)
    void *PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    PyObject *PyTuple_GET_ITEM(object, Py_ssize_t)
    long PyLong_AsLong(object)
    long PyLong_AsLongAndOverflow(object, int *)
    const char *PyUnicode_AsUTF8AndSize(PyObject *, Py_ssize_t *)
    void PyErr_Clear()

cdef enum:
    ROW_BYTES = 2 * 8 + 4 * 4 + 2

cdef object line_type = ReplyLine, enhanced_type = EnhancedStatusCode
cdef object diagnosis_type = Diagnosis
cdef list reasons = list(Reason), dispositions = list(Disposition)
cdef list code_words = [f"{code:03}" for code in range(1000)]
cdef bytes fold_pairs = b"".join(
    [
        # No letter has the bytes FF FF: it stays as it is.
        FOLD[code].encode().ljust(2, b"\0") if code in FOLD else b"\xff\xff"
        for some in FOLDED_RANGES
        for code in some
    ]
)


cdef enum:
    MOST_CODES = 4096

cdef dict known_codes = {}


cdef object codes_as_evidence(int32_t code, int32_t enhanced):
    """As in pure, but servers say the same few codes over and over."""
    both = <int64_t>code * 1000000000 + enhanced
    words = known_codes.get(both)
    if words is None:
        words = pure_meaning.codes_as_evidence(code, enhanced)
        if len(known_codes) < MOST_CODES:
            known_codes[both] = words
    return words


@cython.no_gc_clear  # what _rules points into must stay as long as the matcher
cdef class RuleMatcher:
    cdef readonly object ruleset
    cdef meaning_rules _rules
    cdef list _kept  # what the pointers in _rules point into
    cdef list _rule_names, _provider_names, _blocklist_names
    cdef void *_spare  # a scratch that nobody uses

    def __init__(self, ruleset):
        if self._kept is not None:
            raise TypeError("a matcher never changes")
        self.ruleset = ruleset
        self._kept = []
        self._rule_names = list(ruleset.rule_names)
        self._provider_names = list(ruleset.provider_names)
        self._blocklist_names = [blocklist.name for blocklist in ruleset.blocklists]
        self.keep_phrases(ruleset)
        self.keep_groups(ruleset)
        self.keep_rules(ruleset)

    def __dealloc__(self):
        PyMem_RawFree(self._spare)

    cdef const void *keep(self, memory):
        data = bytes(memory) or bytes(8)
        self._kept.append(data)
        return PyBytes_AS_STRING(data)

    cdef bytearray keep_words(self, list words):
        """The words of all phrases in their table; answers with their numbers, as uint32_t."""
        cdef uint32_t bits, count = len(words), index, shift_mask
        cdef uint64_t low, high
        cdef bytes encoded, padded
        cdef list all_encoded = [word.encode("utf-8", "surrogateescape") for word in words]
        cdef bytearray hashes = bytearray(8 * count), numbers = bytearray(4 * count)
        cdef uint64_t *hash_ = <uint64_t *>PyByteArray_AS_STRING(hashes)
        for index in range(count):
            encoded = all_encoded[index]
            padded = encoded.ljust(MEANING_SHORT, b"\0")
            meaning_key(<const uint8_t *>PyBytes_AS_STRING(padded), len(encoded), &low, &high)
            hash_[index] = meaning_hash(low, high)
        bits = max(4, min(16, (count + count // 3).bit_length()))
        while True:
            if bits > 16:
                raise SmtpFastError("the phrases have too many different words")
            shift_mask = max(1, (1 << bits) // 4) - 1
            shifts, taken = bytearray(2 * (shift_mask + 1)), bytearray(1 << bits)
            order = in_buckets(hash_, count, shift_mask)
            if meaning_arrange(
                hash_,
                <const uint32_t *>PyBytes_AS_STRING(order),
                count,
                shift_mask,
                <uint16_t *>PyByteArray_AS_STRING(shifts),
                (1 << bits) - 1,
                <uint8_t *>PyByteArray_AS_STRING(taken),
                <uint32_t *>PyByteArray_AS_STRING(numbers),
            ):
                break
            bits += 1
        cdef uint32_t *number = <uint32_t *>PyByteArray_AS_STRING(numbers)
        table = bytearray(sizeof(meaning_word) << bits)
        cdef meaning_word *entry = <meaning_word *>PyByteArray_AS_STRING(table)
        letters, long_words = bytearray(), bytearray(8 << bits)
        cdef uint32_t *long_word = <uint32_t *>PyByteArray_AS_STRING(long_words)
        for index in range(count):
            encoded = all_encoded[index]
            padded = encoded.ljust(MEANING_SHORT, b"\0")
            meaning_key(<const uint8_t *>PyBytes_AS_STRING(padded), len(encoded), &low, &high)
            entry[number[index]].low = low
            entry[number[index]].high = high
            if len(encoded) > MEANING_SHORT:
                long_word[2 * number[index]] = len(letters)
                long_word[2 * number[index] + 1] = len(encoded)
                letters += encoded
        self._rules.words = <const meaning_word *>self.keep(table)
        self._rules.long_words = <const uint32_t *>self.keep(long_words)
        self._rules.letters = <const uint8_t *>self.keep(letters)
        self._rules.shifts = <const uint16_t *>self.keep(shifts)
        self._rules.word_mask = (1 << bits) - 1
        self._rules.shift_mask = shift_mask
        self._rules.fold = <const uint8_t (*)[2]>self.keep(fold_pairs)
        self._rules.number = number[0]  # of "#"
        return numbers

    cdef keep_phrases(self, ruleset):
        """The automaton, each node in one piece."""
        phrases = ruleset.phrases
        cdef bytearray numbers = self.keep_words(phrases.words)
        cdef const uint32_t *number = <const uint32_t *>PyByteArray_AS_STRING(numbers)
        cdef bytes gaps, edge_counts, edge_words, edge_nodes, group_counts, groups
        gaps, edge_counts, edge_words, edge_nodes, group_counts, groups = phrases.columns
        cdef const uint32_t *gap = <const uint32_t *>PyBytes_AS_STRING(gaps)
        cdef const uint32_t *edge_count = <const uint32_t *>PyBytes_AS_STRING(edge_counts)
        cdef const uint32_t *edge_word = <const uint32_t *>PyBytes_AS_STRING(edge_words)
        cdef const uint32_t *edge_node = <const uint32_t *>PyBytes_AS_STRING(edge_nodes)
        cdef const uint32_t *group_count = <const uint32_t *>PyBytes_AS_STRING(group_counts)
        cdef const uint32_t *group = <const uint32_t *>PyBytes_AS_STRING(groups)
        cdef int32_t[::1] end_of_group = array("i", ends_of_groups(ruleset))
        cdef uint32_t node, nodes = len(gaps) // 4, index, hints
        cdef uint64_t size = 1  # in 8 bytes; number 0 stays unused
        cdef bytearray places = bytearray(4 * nodes), first
        cdef uint32_t *place = <uint32_t *>PyByteArray_AS_STRING(places)
        cdef uint32_t *starts
        for node in range(MEANING_ROOTS, nodes):
            if edge_count[node] > 0xFFFF // 8 or group_count[node] > 0xFFFF // 8:
                raise SmtpFastError("the phrases have too much in common")
            place[node] = size
            hints = hints_for(edge_count[node])
            size += 2 + hints + (edge_count[node] + 3) // 4
            size += (edge_count[node] + group_count[node] + 1) // 2
        cdef bytearray memory = bytearray(8 * size)
        cdef uint64_t *units = <uint64_t *>PyByteArray_AS_STRING(memory)
        cdef meaning_node *one
        cdef int32_t *ends
        for node in range(nodes):
            if node < MEANING_ROOTS:
                first = bytearray(4 * (self._rules.word_mask + 1))
                starts = <uint32_t *>PyByteArray_AS_STRING(first)
                for index in range(edge_count[node]):
                    starts[number[edge_word[index]]] = place[edge_node[index]]
                self._rules.first[node] = <const uint32_t *>self.keep(first)
            else:
                one = <meaning_node *>(units + place[node])
                hints = hints_for(edge_count[node])
                one.gap = place[gap[node]] if gap[node] else 0
                one.edge_count = edge_count[node]
                one.end_count = group_count[node]
                one.hint_mask = hints - 1
                one.words = 2 + hints
                one.followers = 2 * (one.words + (edge_count[node] + 3) // 4)
                one.ends = one.followers + edge_count[node]
                for index in range(edge_count[node]):
                    meaning_put_edge(
                        one, index, number[edge_word[index]], place[edge_node[index]]
                    )
                ends = <int32_t *>one + one.ends
                for index in range(group_count[node]):
                    meaning_put_end(ends, index, end_of_group[group[index]])
            edge_word += edge_count[node]
            edge_node += edge_count[node]
            group += group_count[node]
        self._rules.nodes = <const uint64_t *>self.keep(memory)
        host_words = phrases.edge_words[edge_count[0] : edge_count[0] + edge_count[MEANING_HOSTS]]
        self._rules.hosts_may_be_numbers = any(
            [phrases.words[word][0] in "#0123456789" for word in host_words]
        )

    cdef keep_groups(self, ruleset):
        self._rules.first_provider = ruleset.first_provider_group
        self._rules.first_blocklist = ruleset.first_blocklist_group
        self._rules.first_delay = ruleset.first_delay_group
        self._rules.first_condition = ruleset.first_condition_group
        self._rules.first_rule = ruleset.first_rule_group
        self._rules.group_count = ruleset.first_rule_group + len(ruleset.rule_of_group)
        seconds = array("i", [delay.seconds for delay in ruleset.delays])
        self._rules.delay_seconds = <const int32_t *>self.keep(seconds)
        numbers = array("i", ruleset.command_numbers)
        self._rules.command_numbers = <const int32_t *>self.keep(numbers)
        numbers = array("i", ruleset.rule_of_group)
        self._rules.rule_of_group = <const int32_t *>self.keep(numbers)

    cdef keep_rules(self, ruleset):
        cdef int32_t number, pattern_number = 0
        cdef dict code_sets = {}
        cdef uint32_t commands
        count = sum([len(rule.enhanced) for rule in ruleset.rules])
        rules = bytearray(sizeof(meaning_rule) * len(ruleset.rules))
        patterns = bytearray(sizeof(meaning_pattern) * count)
        cdef meaning_rule *one = <meaning_rule *>PyByteArray_AS_STRING(rules)
        cdef meaning_pattern *pattern = <meaning_pattern *>PyByteArray_AS_STRING(patterns)
        code_rules, conditions = array("i"), array("i")
        for number, rule in enumerate(ruleset.rules):
            one[number].reason = reasons.index(rule.reason)
            one[number].transient = disposition_of(rule.reason, rule.disposition, 4)
            one[number].permanent = disposition_of(rule.reason, rule.disposition, 5)
            one[number].codes = -1
            if rule.codes:
                one[number].codes = code_sets.setdefault(rule.codes, len(code_sets))
            one[number].patterns = pattern_number
            one[number].pattern_count = len(rule.enhanced)
            for written in rule.enhanced:
                found = ruleset.enhanced[written]
                pattern[pattern_number].class_ = found.class_
                pattern[pattern_number].subject = found.subject
                pattern[pattern_number].first = found.first
                pattern[pattern_number].last = found.last
                pattern_number += 1
            commands = 0
            for command in rule.commands:
                commands |= <uint32_t>1 << <int>COMMANDS.index(command)
            one[number].commands = commands
            one[number].provider = ruleset.rule_providers[number]
            one[number]._with = len(conditions)
            one[number].with_count = len(ruleset.with_groups[number])
            conditions.extend(ruleset.with_groups[number])
            one[number].without = len(conditions)
            one[number].without_count = len(ruleset.without_groups[number])
            conditions.extend(ruleset.without_groups[number])
            one[number].group = ruleset.rule_groups[number]
            if ruleset.rule_groups[number] < 0:
                code_rules.append(number)
        self._rules.rules = <const meaning_rule *>self.keep(rules)
        self._rules.patterns = <const meaning_pattern *>self.keep(patterns)
        self._rules.conditions = <const int32_t *>self.keep(conditions)
        self._rules.code_rules = <const int32_t *>self.keep(code_rules)
        self._rules.code_rule_count = len(code_rules)
        self._rules.rule_count = len(ruleset.rules)
        self._rules.first_hint = len([rule for rule in ruleset.rules if rule.level < HINT_LEVEL])
        sets = bytearray(128 * len(code_sets))
        cdef uint64_t *bit = <uint64_t *>PyByteArray_AS_STRING(sets)
        for written, number in code_sets.items():
            for each in written:
                for code in ruleset.codes[each]:
                    bit[number * 16 + (<int>code >> 6)] |= <uint64_t>1 << (<int>code & 63)
        self._rules.code_sets = <const uint64_t *>self.keep(sets)
        self._rules.unknown = reasons.index(Reason.UNKNOWN)
        self._rules.unknown_transient = disposition_of(Reason.UNKNOWN, None, 4)
        self._rules.unknown_permanent = disposition_of(Reason.UNKNOWN, None, 5)
        self._rules.accepted = reasons.index(Reason.ACCEPTED)
        self._rules.delivered = dispositions.index(Disposition.DELIVERED)
        self._rules.intermediate = reasons.index(Reason.INTERMEDIATE)
        self._rules.continue_ = dispositions.index(Disposition.CONTINUE)

    cdef meaning_scratch *take_scratch(self) except NULL:
        cdef meaning_scratch *scratch = <meaning_scratch *>meaning_swap(&self._spare, NULL)
        cdef int64_t hits = self._rules.group_count * sizeof(meaning_hit) + 8 & ~7
        cdef int64_t bits = (self._rules.group_count // 64 + 1) * sizeof(uint64_t)
        cdef int index
        if self._rules.code_sets is NULL:  # the last one that __init__ sets
            PyMem_RawFree(scratch)
            raise TypeError("the matcher has no rules: its __init__ has not run")
        if scratch is NULL:
            scratch = <meaning_scratch *>PyMem_RawCalloc(1, sizeof(meaning_scratch) + hits + bits)
            if scratch is NULL:
                raise MemoryError
            scratch.hits = <meaning_hit *>(scratch + 1)
            scratch.is_hit = <uint64_t *>(<char *>scratch.hits + hits)
            for index in range(MEANING_MEMO):
                scratch.memo[index].code = INT32_MIN
            for index in range(1 << MEANING_SHAPE_BITS):
                scratch.shapes[index].code = INT32_MIN
        return scratch

    cdef void leave_scratch(self, meaning_scratch *scratch) noexcept:
        PyMem_RawFree(meaning_swap(&self._spare, scratch))

    cdef inline object record(self, meaning_decision *found, const uint8_t *text, int64_t size):
        """The `Diagnosis` of a decision about `text`."""
        if found.end:
            evidence = decode(text + found.start, found.end - found.start)
        elif found.enhanced == 0 or not found.uses_enhanced:
            evidence = code_words[found.code] if found.code >= 0 else ""
        else:
            evidence = codes_as_evidence(found.code, found.enhanced)
        blocklist = None
        if found.blocklist >= 0:
            blocklist = self._blocklist_names[found.blocklist] or self.list_named(found, text, size)
        retry_after = None if found.retry_after < 0 else found.retry_after
        record = allocate(diagnosis_type, 7)
        put(record, 0, reasons[found.reason])
        put(record, 1, dispositions[found.disposition])
        put(record, 2, retry_after)
        put(record, 3, blocklist)
        put(record, 4, None if found.provider < 0 else self._provider_names[found.provider])
        put(record, 5, self._rule_names[found.rule])
        put(record, 6, evidence)
        return record

    cdef list_named(self, meaning_decision *found, const uint8_t *text, int64_t size):
        cdef bytes data = text[: min(size, pure_meaning.MAX_TEXT_BYTES)]
        seen = data.decode("utf-8", "surrogateescape")
        start = len(data[: found.blocklist_start].decode("utf-8", "surrogateescape"))
        end = len(data[: found.blocklist_end].decode("utf-8", "surrogateescape"))
        return pure_meaning.list_named_at(seen, start, end)

    cdef object decide(
        self, int32_t code, int32_t enhanced, const uint8_t *text, int64_t size, int64_t readable,
        int32_t command,
    ):
        cdef meaning_scratch *scratch = self.take_scratch()
        cdef meaning_decision found = meaning_decide(
            &self._rules, scratch, code, enhanced, text, size, readable, command
        )
        self.leave_scratch(scratch)
        return self.record(&found, text, size)

    cdef object decide_parts(self, tuple parts, int32_t command):
        cdef bytes text = parts[2]
        cdef Py_ssize_t size = len(text)
        return self.decide(
            parts[0], parts[1], <const uint8_t *>PyBytes_AS_STRING(text), size, size, command
        )

    cdef object decide_raw(self, const uint8_t *data, Py_ssize_t size, int32_t command):
        """The text of a reply, with or without line ends."""
        cdef Py_ssize_t end = size
        while end and (data[end - 1] == 10 or data[end - 1] == 13):
            end -= 1
        cdef scan_line line = scan_one(data, 0, end)
        cdef int64_t inner
        if line.code < 0:
            inner = meaning_inner_reply(data, end)
            if inner >= 0:
                line = scan_one(data, inner, end)
        return self.decide(
            line.code, line.enhanced, data + line.text, end - line.text, size - line.text, command
        )

    def diagnose(self, reply, /, command=None):
        cdef int32_t number = -1, code, enhanced
        if command is not None:
            number = pure_meaning.command_number(command)
        cdef Py_ssize_t size
        cdef const uint8_t *data
        if type(reply) is line_type:
            code = code_of(<object>PyTuple_GET_ITEM(reply, 0))
            enhanced = packed(<object>PyTuple_GET_ITEM(reply, 3))
            data = utf8_of(<object>PyTuple_GET_ITEM(reply, 4), &size)
            if code >= 0 and enhanced >= 0 and data is not NULL:
                return self.decide(code, enhanced, data, size, size, number)
        elif PyBytes_CheckExact(reply):
            return self.decide_raw(
                <const uint8_t *>PyBytes_AS_STRING(reply), PyBytes_GET_SIZE(reply), number
            )
        elif PyUnicode_CheckExact(reply):
            data = utf8_of(reply, &size)
            if data is not NULL:
                return self.decide_raw(data, size, number)
        elif isinstance(reply, BaseException):
            return pure_meaning.diagnosis_of_exception(self, reply, command)
        return self.decide_parts(pure_meaning.parts_of(reply), number)

    def diagnose_lines(self, lines, /):
        if not isinstance(lines, ReplyLines):
            lines = classify_lines(lines)
        cdef Py_buffer buffers[5]
        cdef int held = 0
        cdef meaning_scratch *scratch
        cdef meaning_lines given
        cdef meaning_columns columns
        cdef int64_t rows = len(lines), room = rows + 7 & ~7
        cdef bytearray memory = bytearray()
        PyByteArray_Resize(memory, room * ROW_BYTES)
        scan_prefer_large_pages(PyByteArray_AS_STRING(memory), room * ROW_BYTES)
        lay_out(&columns, PyByteArray_AS_STRING(memory), room)
        scratch = self.take_scratch()
        try:
            wanted = lines.data, lines.code, lines.enhanced, lines.text_start, lines.text_end
            for column in wanted:
                whole = column if column.c_contiguous else memoryview(bytes(column))
                PyObject_GetBuffer(whole, &buffers[held], PyBUF_SIMPLE)
                held += 1
            if (
                buffers[1].len < 2 * rows
                or buffers[2].len < 4 * rows
                or min(buffers[3].len, buffers[4].len) < 8 * rows
            ):
                raise IndexError("the columns of the lines are not equally long")
            given.code = <const int16_t *>buffers[1].buf
            given.enhanced = <const int32_t *>buffers[2].buf
            given.text_start = <const int64_t *>buffers[3].buf
            given.text_end = <const int64_t *>buffers[4].buf
            with nogil:
                meaning_fill(
                    &self._rules, scratch, <const uint8_t *>buffers[0].buf, buffers[0].len,
                    &given, rows, &columns,
                )
            blocklists = self.name_lists(
                scratch, <const uint8_t *>buffers[0].buf, buffers[0].len, &given, rows,
                columns.blocklist,
            )
        finally:
            self.leave_scratch(scratch)
            while held:
                held -= 1
                PyBuffer_Release(&buffers[held])
        return Diagnoses(lines, self, blocklists, cells_of(memory, rows, room))

    cdef tuple name_lists(
        self, meaning_scratch *scratch, const uint8_t *data, int64_t size,
        const meaning_lines *lines, int64_t rows, int32_t *column,
    ):
        """Turn the column's numbers of tables into numbers of names, which are returned."""
        cdef dict numbers = {}
        cdef int64_t row, text
        cdef int32_t number
        cdef meaning_decision found
        cdef list of_table = []
        for name in self._blocklist_names:
            of_table.append(numbers.setdefault(name, len(numbers)) if name else -1)
        names = array("i", of_table or [0])
        cdef Py_buffer buffer
        PyObject_GetBuffer(names, &buffer, PyBUF_SIMPLE)
        try:
            for row in range(rows):
                if column[row] < 0:
                    continue
                number = (<const int32_t *>buffer.buf)[column[row]]
                if number < 0:  # a list that names itself
                    found = meaning_line(&self._rules, scratch, data, size, lines, row, &text)
                    name = self.list_named(&found, data + text, lines.text_end[row] - text)
                    if name is not None:
                        number = numbers.setdefault(name, len(numbers))
                column[row] = number
        finally:
            PyBuffer_Release(&buffer)
        return tuple(numbers)


cdef inline uint32_t hints_for(uint32_t edge_count) noexcept:
    """So many times 64 bits that at most an eighth of them are set."""
    cdef uint32_t hints = 1
    while hints * 8 < edge_count and hints < 1024:
        hints *= 2
    return hints


cdef bytes in_buckets(const uint64_t *hashes, uint32_t count, uint32_t shift_mask):
    """The words by bucket of the perfect hash, the largest bucket first, as uint32_t."""
    cdef dict buckets = {}
    cdef uint32_t index, bucket
    for index in range(count):
        bucket = <uint32_t>(hashes[index] >> 40) & shift_mask
        if bucket in buckets:
            (<list>buckets[bucket]).append(index)
        else:
            buckets[bucket] = [index]
    order = array("I")
    for some in sorted(buckets.values(), key=len, reverse=True):
        order.extend(some)
    return order.tobytes()


cdef list ends_of_groups(ruleset):
    """What a node says where a phrase of a group ends: see meaning_node."""
    cdef list ends = [~group for group in range(ruleset.first_rule_group)]
    for number in ruleset.rule_of_group:
        rule = ruleset.rules[number]
        asks_codes = 2 if rule.codes or rule.enhanced else 0
        asks_more = 1 if rule.commands or rule.provider or rule.with_ or rule.without else 0
        ends.append(4 * number + asks_codes + asks_more)
    return ends


cdef int disposition_of(reason, own, int severity) except -1:
    severity_ = Severity(severity)
    if own is None or pure_meaning.severity_forbids(own, severity_):
        own = reason.disposition(severity_)
    return dispositions.index(own)


cdef inline int32_t code_of(object code) except? -2:
    """A reply code; -1 for any other int."""
    cdef int overflow
    cdef long value = PyLong_AsLongAndOverflow(code, &overflow)
    return value if 0 <= value <= 999 else -1


cdef inline const uint8_t *utf8_of(object text, Py_ssize_t *size) noexcept:
    """The bytes of a str; NULL where a surrogate stands for a byte, which pure has to see to."""
    if not PyUnicode_CheckExact(text):
        return NULL
    if PyUnicode_IS_COMPACT_ASCII(text):
        size[0] = PyUnicode_GET_LENGTH(text)
        return <const uint8_t *>PyUnicode_DATA(text)
    cdef const char *data = PyUnicode_AsUTF8AndSize(<PyObject *>text, size)
    if data is NULL:
        PyErr_Clear()
    return <const uint8_t *>data


cdef inline int32_t packed(object enhanced) except? -2:
    """An enhanced code as an int, 0 for none; -1 for what is no such code."""
    if enhanced is None:
        return 0
    if type(enhanced) is not enhanced_type:
        return -1
    return (
        PyLong_AsLong(<object>PyTuple_GET_ITEM(enhanced, 0)) * 1000000
        + PyLong_AsLong(<object>PyTuple_GET_ITEM(enhanced, 1)) * 1000
        + PyLong_AsLong(<object>PyTuple_GET_ITEM(enhanced, 2))
    )


cdef void lay_out(meaning_columns *columns, char *memory, int64_t room) noexcept:
    """The columns stand one behind the other, the widest first; `room` is a multiple of 8."""
    columns.evidence_start = <int64_t *>memory
    columns.evidence_end = columns.evidence_start + room
    columns.retry_after = <int32_t *>(columns.evidence_end + room)
    columns.blocklist = columns.retry_after + room
    columns.provider = columns.blocklist + room
    columns.rule = columns.provider + room
    columns.reason = <int8_t *>(columns.rule + room)
    columns.disposition = columns.reason + room


cdef list cells_of(bytearray memory, int64_t rows, int64_t room):
    """The columns in the order of `Diagnoses`."""
    cells = memoryview(memory)
    return [
        cells[room * start : room * start + rows * width]
        for start, width in ((32, 1), (33, 1), (16, 4), (20, 4), (24, 4), (28, 4), (0, 8), (8, 8))
    ]


cdef adopt_documentation():
    cdef PyMethodDef *method
    for name in ("diagnose", "diagnose_lines"):
        method = (<PyMethodDescrObject *><PyObject *>RuleMatcher.__dict__[name]).d_method
        text = method.ml_doc + getattr(pure_meaning.RuleMatcher, name).__doc__.encode()
        _documentation.append(text)
        method.ml_doc = PyBytes_AS_STRING(text)


cdef list _documentation = []
adopt_documentation()
