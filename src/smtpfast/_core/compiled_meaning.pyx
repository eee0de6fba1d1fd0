# cython: language_level=3
# cython: binding=False, embedsignature=True, embedsignature.format=clinic, autotestdict=False
# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: freethreading_compatible=True
"""The same as `pure_meaning`, faster. A matcher turns its rule set into C arrays, once."""

from array import array
from itertools import product

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport (
    int8_t,
    int16_t,
    int32_t,
    int64_t,
    intptr_t,
    uint8_t,
    uint16_t,
    uint32_t,
    uint64_t,
)
from libc.string cimport memcpy, memset

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
    SPARES = 4

cdef int[3] SENTENCES = [MEANING_PLAIN, MEANING_HINTS, MEANING_CONDITIONS]
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
    def __init__(self, ruleset):
        if self._kept is not None:
            raise TypeError("a matcher never changes")
        self.ruleset = ruleset
        self._kept = []
        self._rule_names = list(ruleset.rule_names)
        self._provider_names = list(ruleset.provider_names)
        self._blocklist_names = [blocklist.name for blocklist in ruleset.blocklists]
        self.keep_names()
        numbers = self.keep_phrases(ruleset)
        self.keep_groups(ruleset)
        self.keep_rules(ruleset, self.conditions_of(ruleset, numbers))

    def __dealloc__(self):
        cdef int spare
        for spare in range(SPARES):
            meaning_free_scratch(<meaning_scratch *>self._spares[spare])

    cdef const void *keep(self, memory):
        data = bytes(memory) or bytes(8)
        self._kept.append(data)
        return PyBytes_AS_STRING(data)

    cdef const void *keep_in_lines(self, const void *memory, int64_t size):
        """As `keep`, where a line of the cache begins."""
        cdef bytearray kept = bytearray(size + 64)
        cdef char *start = PyByteArray_AS_STRING(kept)
        start += -<intptr_t>start & 63
        memcpy(start, memory, size)
        self._kept.append(kept)
        return start

    cdef tuple words_of(self, list words):
        """The table of the words of all phrases, and their numbers in it, as uint32_t."""
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
        bits = max(4, min(16, (count + count // 8).bit_length()))
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
        self._rules.vocabulary.long_words = <const uint32_t *>self.keep(long_words)
        self._rules.vocabulary.letters = <const uint8_t *>self.keep(letters)
        self._rules.vocabulary.shifts = <const uint16_t *>self.keep(shifts)
        self._rules.vocabulary.word_mask = (1 << bits) - 1
        self._rules.vocabulary.shift_mask = shift_mask
        self._rules.vocabulary.fold = <const uint8_t (*)[2]>self.keep(fold_pairs)
        self._rules.vocabulary.number = number[0]  # of "#"
        return table, numbers

    cdef bytearray keep_phrases(self, ruleset):
        """The words and the automaton; answers with the numbers of the words, as uint32_t."""
        cdef bytearray table, numbers
        table, numbers = self.words_of(ruleset.phrases.words)
        cdef _Automaton all_ = _Automaton(
            ruleset.phrases.columns, numbers, array("i", ends_of_groups(ruleset))
        )
        cdef meaning_word *entry = <meaning_word *>PyByteArray_AS_STRING(table)
        cdef bytearray nodes = all_.as_nodes()
        self._rules.nodes = <const uint64_t *>self.keep_in_lines(
            PyByteArray_AS_STRING(nodes), len(nodes)
        )
        cdef bytearray filters = all_.put_first_words(entry)
        self._rules.filters = <const uint64_t *>self.keep_in_lines(
            PyByteArray_AS_STRING(filters), len(filters)
        )
        self._rules.vocabulary.words = <const meaning_word *>self.keep_in_lines(entry, len(table))
        for root in (MEANING_HOSTS, MEANING_URLS):
            self._rules.first[<int>root] = <const uint32_t *>self.keep(
                all_.first_words(root, self._rules.vocabulary.word_mask + 1)
            )
        phrases = ruleset.phrases
        host_words = phrases.edge_words[
            all_.edge_start[MEANING_HOSTS] : all_.edge_start[MEANING_HOSTS + 1]
        ]
        self._rules.vocabulary.hosts_may_be_numbers = any(
            [phrases.words[word][0] in "#0123456789" for word in host_words]
        )
        return numbers

    cdef dict conditions_of(self, ruleset, bytearray numbers):
        """For each group of a condition, its `meaning_condition`, as bytes."""
        cdef const uint32_t *number = <const uint32_t *>PyByteArray_AS_STRING(numbers)
        cdef meaning_condition condition
        cdef uint32_t place, index
        cdef int32_t group
        places = {word: place for place, word in enumerate(ruleset.phrases.words)}
        conditions = {}
        for group, (words, is_alone) in enumerate(
            ruleset.plan.condition_needs, ruleset.first_condition_group
        ):
            memset(&condition, 0, sizeof(condition))
            # Where there are more words than room: as if one was there.
            for index, word in enumerate(words if len(words) <= 4 else ()):
                place = places[word]
                condition.words[index] = number[place]
            for index in range(len(words), 4):
                condition.words[index] = condition.words[0]
            condition.group = -1 if is_alone else group
            conditions[group] = (<const char *>&condition)[: sizeof(condition)]
        return conditions

    cdef keep_names(self):
        providers = [name.encode() for name in self._provider_names]
        blocklists = [(name or "").encode() for name in self._blocklist_names]
        # With room behind them: who copies one may read on.
        self._names = <const uint8_t *>self.keep(b"".join(providers + blocklists) + bytes(64))
        self._provider_places = self.keep_places(providers, 0)
        self._blocklist_places = self.keep_places(blocklists, sum(map(len, providers)))

    cdef const uint32_t *keep_places(self, list names, uint32_t start) except NULL:
        places = array("I")
        for name in names:
            places.extend((start, len(name)))
            start += len(name)
        return <const uint32_t *>self.keep(places)

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

    cdef keep_rules(self, ruleset, dict all_conditions):
        cdef int32_t number
        cdef dict code_bits = {}
        cdef uint32_t commands
        rules = bytearray(sizeof(meaning_rule) * len(ruleset.rules))
        cdef meaning_rule *one = <meaning_rule *>PyByteArray_AS_STRING(rules)
        code_rules = [number for number, group in enumerate(ruleset.rule_groups) if group < 0]
        first_other = len(code_rules) + 63 & ~63
        conditions = bytearray()
        for number, rule in enumerate(ruleset.rules):
            one[number].reason = reasons.index(rule.reason)
            one[number].transient = disposition_of(rule.reason, rule.disposition, 4)
            one[number].permanent = disposition_of(rule.reason, rule.disposition, 5)
            one[number].asks_enhanced = len(rule.enhanced)
            if ruleset.rule_groups[number] >= 0:
                one[number].codes = code_bits.setdefault(
                    (rule.codes, rule.enhanced), first_other + len(code_bits)
                )
            commands = 0
            for command in rule.commands:
                commands |= <uint32_t>1 << <int>COMMANDS.index(command)
            one[number].commands = commands
            one[number].provider = ruleset.rule_providers[number]
            one[number]._with = len(conditions) // sizeof(meaning_condition)
            one[number].with_count = len(ruleset.with_groups[number])
            one[number].without = one[number]._with + one[number].with_count
            one[number].without_count = len(ruleset.without_groups[number])
            for group in (*ruleset.with_groups[number], *ruleset.without_groups[number]):
                conditions += all_conditions[group]
            one[number].group = ruleset.rule_groups[number]
        self._rules.rules = <const meaning_rule *>self.keep(rules)
        self._rules.conditions = <const meaning_condition *>self.keep(conditions)
        self._rules.code_rules = <const int32_t *>self.keep(array("i", code_rules))
        bits = [
            (bit, rule.codes, rule.enhanced)
            for bit, rule in enumerate([ruleset.rules[number] for number in code_rules])
        ]
        bits += [(bit, *asked) for asked, bit in code_bits.items()]
        self._rules.row_size = (first_other + len(code_bits) + 64) // 64
        self._rules.code_row_size = first_other // 64
        self.keep_rows(ruleset, bits)
        certain = bytearray(8 * self._rules.row_size)
        for bit, number in enumerate(code_rules):
            rule = ruleset.rules[number]
            if not (rule.commands or rule.provider or rule.with_ or rule.without):
                set_bit(certain, 0, bit)
        self._rules.certain_row = <const uint64_t *>self.keep(certain)
        self._rules.rule_count = len(ruleset.rules)
        self._rules.first_hint = len([rule for rule in ruleset.rules if rule.level < HINT_LEVEL])
        self._rules.unknown = reasons.index(Reason.UNKNOWN)
        self._rules.unknown_transient = disposition_of(Reason.UNKNOWN, None, 4)
        self._rules.unknown_permanent = disposition_of(Reason.UNKNOWN, None, 5)
        self._rules.accepted = reasons.index(Reason.ACCEPTED)
        self._rules.delivered = dispositions.index(Disposition.DELIVERED)
        self._rules.intermediate = reasons.index(Reason.INTERMEDIATE)
        self._rules.continue_ = dispositions.index(Disposition.CONTINUE)

    cdef keep_rows(self, ruleset, list bits):
        """For each code, whose conditions hold: of (bit, codes, enhanced codes)."""
        cdef int32_t size = self._rules.row_size, bit, class_, subject, detail, code
        cdef int64_t row
        cdef bytearray codes = bytearray(8 * size * MEANING_CODES), any_ = bytearray(8 * size)
        for bit, written, enhanced in bits:
            if not enhanced:
                set_bit(any_, 0, bit)
            if not written:
                for code in range(MEANING_CODES):
                    set_bit(codes, code * size, bit)
            for each in written:
                for code in ruleset.codes[each]:
                    set_bit(codes, code * size, bit)
        cdef bytearray others = any_ * MEANING_ENHANCED
        for bit, _, enhanced in bits:
            for each in enhanced:
                found = ruleset.enhanced[each]
                classes = (found.class_,) if found.class_ else (4, 5)
                subjects = (found.subject,) if found.subject >= 0 else range(SCAN_SUBJECTS)
                for class_, subject in product(classes, subjects):
                    for detail in range(found.first, found.last + 1):
                        row = meaning_enhanced_row(
                            (class_ * 1000 + subject) * MEANING_DETAILS + detail
                        )
                        set_bit(others, row * size, bit)
        self._rules.code_rows = <const uint64_t *>self.keep(codes)
        self._rules.enhanced_rows = <const uint64_t *>self.keep(others)

    cdef meaning_scratch *take_scratch(self) except NULL:
        cdef meaning_scratch *scratch = NULL
        cdef int spare
        for spare in range(SPARES):
            if scratch is NULL:
                scratch = <meaning_scratch *>scan_swap(&self._spares[spare], NULL)
        if self._rules.certain_row is NULL:  # the last one that __init__ sets
            meaning_free_scratch(scratch)
            raise TypeError("the matcher has no rules: its __init__ has not run")
        if scratch is NULL:
            scratch = meaning_new_scratch(&self._rules)
            if scratch is NULL:
                raise MemoryError
        return scratch

    cdef void leave_scratch(self, meaning_scratch *scratch) noexcept:
        cdef int spare
        for spare in range(SPARES):
            if scratch is not NULL:
                scratch = <meaning_scratch *>scan_swap(&self._spares[spare], scratch)
        meaning_free_scratch(scratch)

    cdef object record(self, meaning_decision *found, const uint8_t *text, int64_t size):
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
        cdef int64_t start, end
        meaning_list_named(text, size, found, &start, &end)
        return text[start:end].decode("ascii").lower() if end else None

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


cdef class _Automaton:
    """The columns of `Phrases`, as they are turned into C arrays."""

    cdef tuple columns
    cdef bytearray numbers, memory
    cdef object kept_ends
    cdef uint32_t nodes
    cdef const uint32_t *gap
    cdef const uint32_t *edge_word
    cdef const uint32_t *edge_node
    cdef const uint32_t *group
    cdef const uint32_t *number  # of a word
    cdef const int32_t *end_of_group
    # For each node, where its edges and groups begin; its place among the C nodes; its `shift`.
    cdef uint32_t *edge_start
    cdef uint32_t *group_start
    cdef uint32_t *place
    cdef uint32_t *shift

    def __init__(self, tuple columns, bytearray numbers, ends):
        cdef uint32_t node
        cdef bytes gaps, edge_counts, edge_words, edge_nodes, group_counts, groups, kept_ends
        gaps, edge_counts, edge_words, edge_nodes, group_counts, groups = columns
        kept_ends = ends.tobytes()
        self.columns, self.numbers, self.kept_ends = columns, numbers, kept_ends
        self.nodes = len(gaps) // 4
        self.gap = <const uint32_t *>PyBytes_AS_STRING(gaps)
        self.edge_word = <const uint32_t *>PyBytes_AS_STRING(edge_words)
        self.edge_node = <const uint32_t *>PyBytes_AS_STRING(edge_nodes)
        self.group = <const uint32_t *>PyBytes_AS_STRING(groups)
        self.number = <const uint32_t *>PyByteArray_AS_STRING(numbers)
        self.end_of_group = <const int32_t *>PyBytes_AS_STRING(kept_ends)
        self.memory = bytearray(16 * (self.nodes + 1))
        self.edge_start = <uint32_t *>PyByteArray_AS_STRING(self.memory)
        self.group_start = self.edge_start + self.nodes + 1
        self.place = self.group_start + self.nodes + 1
        self.shift = self.place + self.nodes + 1
        cdef const uint32_t *edge_count = <const uint32_t *>PyBytes_AS_STRING(edge_counts)
        cdef const uint32_t *group_count = <const uint32_t *>PyBytes_AS_STRING(group_counts)
        for node in range(self.nodes):
            self.edge_start[node + 1] = self.edge_start[node] + edge_count[node]
            self.group_start[node + 1] = self.group_start[node] + group_count[node]

    cdef uint32_t shift_of(self, uint32_t node):
        """The least number of buckets of four in which the edges of a node find room."""
        cdef uint8_t filled[1 << 14]  # so many, and none can be too full: the hash is one to one
        cdef uint32_t bits, edge, bucket
        for bits in range(15):
            memset(filled, 0, 1 << bits)
            for edge in range(self.edge_start[node], self.edge_start[node + 1]):
                bucket = meaning_bucket_of(self.number[self.edge_word[edge]], 16 - bits)
                filled[bucket] += 1
                if filled[bucket] > 4:
                    break
            else:
                return 16 - bits
        raise AssertionError("a hash that is not one to one")

    cdef uint32_t buckets_of(self, uint32_t node):
        if self.edge_start[node] == self.edge_start[node + 1]:
            return 0
        return 1 << (16 - self.shift[node])

    cdef bytearray as_nodes(self):
        """All nodes behind the roots, each in one piece."""
        cdef uint32_t node, edge, group, buckets, count, units_of
        # In 8 bytes. Number 0 stays unused: there stands the bucket of the nodes without edges.
        cdef uint64_t size = 8
        for node in range(MEANING_ROOTS, self.nodes):
            self.shift[node] = self.shift_of(node)
            buckets = self.buckets_of(node)
            count = self.group_start[node + 1] - self.group_start[node]
            units_of = sizeof(meaning_node) // 8 + buckets * sizeof(meaning_bucket) // 8
            units_of += (count + 1) // 2
            if units_of <= 8 < (size & 7) + units_of:
                size = (size + 7) & ~<uint64_t>7
            self.place[node] = size
            size += units_of
            if count > 0xFFFF or size > MEANING_NODE:
                raise SmtpFastError("the phrases have too much in common")
        cdef bytearray memory = bytearray(8 * size)
        cdef uint64_t *units = <uint64_t *>PyByteArray_AS_STRING(memory)
        cdef meaning_node *one
        cdef int32_t *ends
        for node in range(MEANING_ROOTS, self.nodes):
            one = <meaning_node *>(units + self.place[node])
            one.shift = self.shift[node]
            buckets = self.buckets_of(node)
            one.buckets = sizeof(meaning_node) // 8 if buckets else -<int32_t>self.place[node]
            one.ends = (sizeof(meaning_node) + buckets * sizeof(meaning_bucket)) // 4
            one.end_count = self.group_start[node + 1] - self.group_start[node]
            if self.gap[node]:
                one.gap = self.place[self.gap[node]]
                for edge in range(
                    self.edge_start[self.gap[node]], self.edge_start[self.gap[node] + 1]
                ):
                    one.near |= meaning_near(self.number[self.edge_word[edge]])
            for edge in range(self.edge_start[node], self.edge_start[node + 1]):
                meaning_put_edge(
                    one, self.number[self.edge_word[edge]], self.place[self.edge_node[edge]]
                )
            ends = <int32_t *>one + one.ends
            for group in range(one.end_count):
                meaning_put_end(
                    ends, group, self.end_of_group[self.group[self.group_start[node] + group]]
                )
        return memory

    cdef bytearray first_words(self, int root, uint32_t words):
        """For each word, the node that it leads to from this root, as uint32_t."""
        cdef uint32_t edge
        cdef bytearray memory = bytearray(4 * words)
        cdef uint32_t *first = <uint32_t *>PyByteArray_AS_STRING(memory)
        for edge in range(self.edge_start[root], self.edge_start[root + 1]):
            first[self.number[self.edge_word[edge]]] = self.place[self.edge_node[edge]]
        return memory

    cdef bytearray put_first_words(self, meaning_word *words):
        """Put in what the words of sentences begin; answers with the `filters`."""
        cdef uint32_t edge, node, word, filter_size
        cdef uint64_t filters_size = 1
        cdef uint32_t *start
        cdef int root
        for root in SENTENCES:
            for edge in range(self.edge_start[root], self.edge_start[root + 1]):
                word, node = self.number[self.edge_word[edge]], self.edge_node[edge]
                start = &words[word].first[meaning_first_place(root)]
                start[0] = self.place[node]
                if self.gap[node]:
                    start[0] |= MEANING_HAS_GAP
                if self.group_start[node] < self.group_start[node + 1]:
                    start[0] |= MEANING_ENDS_HERE
                if root == MEANING_PLAIN:
                    filter_size = self.filter_size_of(node)
                    words[word].filter = filters_size | filter_size << MEANING_FILTER_SHIFT
                    filters_size += <uint64_t>1 << filter_size
                    if filters_size >> MEANING_FILTER_SHIFT:
                        raise SmtpFastError("the phrases have too much in common")
        cdef bytearray memory = bytearray(8 * filters_size)
        cdef uint64_t *filters = <uint64_t *>PyByteArray_AS_STRING(memory)
        for edge in range(self.edge_start[MEANING_PLAIN], self.edge_start[MEANING_PLAIN + 1]):
            word, node = self.number[self.edge_word[edge]], self.edge_node[edge]
            self.fill_filter(filters, words[word].filter, node)
            if self.gap[node]:
                self.fill_filter(filters, words[word].filter, self.gap[node])
        return memory

    cdef uint32_t filter_size_of(self, uint32_t node):
        """The binary logarithm of so many times 64 bits that at most an eighth of them are set."""
        cdef uint32_t edges = self.edge_start[node + 1] - self.edge_start[node], bits = 0
        if self.gap[node]:
            edges += self.edge_start[self.gap[node] + 1] - self.edge_start[self.gap[node]]
        while 8 << bits < edges and bits < 10:  # there are no more words
            bits += 1
        return bits

    cdef void fill_filter(self, uint64_t *filters, uint32_t filter_, uint32_t node) noexcept:
        cdef uint32_t edge, key
        filters[meaning_filter_word(filter_, MEANING_BOTH)] |= <uint64_t>1 << MEANING_BOTH
        for edge in range(self.edge_start[node], self.edge_start[node + 1]):
            key = self.number[self.edge_word[edge]]
            filters[meaning_filter_word(filter_, key)] |= <uint64_t>1 << (key & 63)


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


cdef inline void set_bit(bytearray rows, int64_t row, int32_t bit) noexcept:
    (<uint64_t *>PyByteArray_AS_STRING(rows))[row + (bit >> 6)] |= <uint64_t>1 << (bit & 63)


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
