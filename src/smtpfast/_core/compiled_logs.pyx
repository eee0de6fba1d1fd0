# cython: language_level=3
# cython: binding=False, embedsignature=True, embedsignature.format=clinic, autotestdict=False
# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: freethreading_compatible=True
"""The same as `pure_logs`, faster: most lines are read in C, the others as in pure."""

import os
from array import array
from itertools import accumulate
from sys import byteorder

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.math cimport log
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from ..joins import MOST_IDS
from ..log_columns import MEMBERS, MOST_TEXT_BYTES, NUMBERS, TEXTS, TOO_MUCH_TEXT, LogColumns
from ..log_record import LogRecord
from . import pure_logs
from ..octets import octets
from ..outcomes import (
    OUTCOME_OF_STATUS,
    DelayCounts,
    LogCounts,
    NameCounts,
    Outcome,
    PartyCounts,
    RefusalCounts,
    ReplyCount,
)
from ..reasons import Disposition, Reason
from .compiled_meaning cimport (
    RuleMatcher,
    meaning_decision,
    meaning_rules,
    meaning_scratch,
    scan_prefer_large_pages,
)
from .pure import view_of
from .records cimport (
    PyCFunctionObject,
    PyMethodDef,
    PyMethodDescrObject,
    allocate,
    decode,
    put,
)

cdef extern from "log_join.h" nogil:
    enum:
        LOG_LINE
        LOG_DAY
        LOG_OTHER
        LOG_MTAS
        LOG_MOST_BYTES
        LOG_REMEMBERED
    ctypedef struct log_text:
        uint32_t at, size
    ctypedef struct log_row:
        int64_t time
        double delay
        log_text host, process, queue_id, sender, recipient, relay_host, relay_ip, status
        log_text enhanced, dsn, stage, text, blocklist, problem, domain, provider, told
        int32_t told_start, told_end
        uint32_t line
        int32_t relay_port, code, retry_after
        int8_t reason, disposition
        uint8_t kind, mta, event, has_time, is_local, month, day
    ctypedef struct log_memory:
        pass
    ctypedef struct log_scan:
        const uint8_t *data
        uint64_t seed
        const meaning_rules *rules
        meaning_scratch *scratch
        const uint8_t *names
        const log_text *providers
        const log_text *blocklists
        uint8_t *arena
        log_row *rows
        uint32_t arena_size
        int64_t row_count
        uint32_t lines
        int has_failed
    ctypedef struct log_joins:
        uint32_t most
    const uint8_t *log_bytes(const log_scan *scan, log_text text)
    bint log_is_null(log_text text)
    log_text log_put_since(const log_scan *scan, uint32_t start)
    void log_put(log_scan *scan, const uint8_t *data, int64_t size)
    void log_read_block(log_scan *scan, int64_t size)
    ctypedef struct log_joining:
        int64_t row, kept
        int year
    int log_join_some(log_scan *scan, log_joins *const *joins, log_joining *at)
    void log_trim_rows(log_scan *scan)
    void log_take_room(log_scan *scan)
    void log_leave_room(const log_scan *scan)
    int64_t log_make_room(log_scan *scan, int64_t to, int64_t row, int64_t count)
    void log_clear_row(log_row *row)
    uint32_t log_joins_hash(uint64_t seed, const uint8_t *key, uint32_t size)
    const uint8_t *log_joins_get(
        const log_joins *joins, const uint8_t *key, uint32_t key_size, uint32_t hash, uint32_t *size
    )
    int log_joins_note(
        log_joins *joins, const uint8_t *key, uint32_t key_size, uint32_t hash,
        const uint8_t *value, uint32_t size,
    )
    void log_joins_forget(log_joins *joins, const uint8_t *key, uint32_t size, uint32_t hash)
    void log_joins_free(log_joins *joins)

cdef extern from "log_columns.h" nogil:
    enum:
        LOG_TEXT_COLUMNS
        LOG_NUMBER_COLUMNS
        LOG_MEMBER_COLUMNS
        LOG_SLACK
    const int *log_number_sizes
    const size_t *log_text_fields
    ctypedef struct log_column:
        uint8_t *valid
        uint8_t *values
        int32_t *offsets
        int64_t size
    ctypedef struct log_columns:
        log_column texts[LOG_TEXT_COLUMNS]
        log_column numbers[LOG_NUMBER_COLUMNS]
        log_column members[LOG_MEMBER_COLUMNS]
        int64_t rows
    log_text log_field(const log_row *row, int column)
    void log_count_bytes(const log_scan *scan, int64_t *sizes)
    void log_fill(const log_scan *scan, log_columns *columns, int64_t lines_before)

cdef extern from "log_tally.h" nogil:
    enum:
        TALLY_OUTCOMES
        TALLY_KINDS
        TALLY_PARTIES
        TALLY_REFUSALS
        TALLY_MOST_FACTS
        TALLY_REASONS
        TALLY_STEPS
        TALLY_PARTY_COUNTS
        TALLY_LONGEST_NAME
        TALLY_LONGEST_SHAPE
    ctypedef struct shape_zones:
        const uint8_t *data
        const uint32_t *ends
        int32_t count
    ctypedef struct tally_key:
        uint32_t size
        uint64_t at
    ctypedef struct tally_table:
        tally_key *keys
        uint8_t *bytes
        uint64_t seed
        uint32_t count, most
    ctypedef struct tally_names:
        tally_table table
        int64_t *counts
        int64_t others
    ctypedef struct tally_party:
        tally_table names
        int64_t *counts
        int64_t others
    ctypedef struct tally_first:
        int64_t line, file
        uint64_t at
        uint32_t size
    ctypedef struct tally_refusal:
        tally_names replies, blocklists, urls
        tally_first *firsts
        uint8_t *texts
        int64_t *reasons
    ctypedef struct tally_delays:
        int64_t count, zeros
        double longest
        int64_t *steps
    ctypedef struct tally_times:
        tally_table numbers
        int64_t *counts
    ctypedef struct log_tally:
        tally_party *parties
        tally_refusal *refusals
        tally_delays *delays
        tally_times days, hours
        tally_table statuses, providers, provider_names
        uint8_t *outcome_of_status
        uint8_t *name_of_provider
        int64_t *events
        int64_t *outcomes
        int64_t first, last, other_times
        bint has_time, time_is_local, has_failed
        int unknown, accepted, delivered
        int64_t first_time, last_time, hour, day
        double log_growth
        shape_zones zones
    ctypedef struct tally_row:
        uint8_t is_left_out, is_unsure, has_long_names
        int8_t refusal
        log_text shape, urls, domain, relay, provider
    int64_t tally_find(tally_table *table, const uint8_t *key, uint32_t size, int *is_new)
    void tally_prepare(log_tally *tally, log_scan *scan, tally_row *to)
    void tally_rows(
        log_tally *tally, const log_scan *scan, const tally_row *known, int64_t lines_before,
        int64_t file,
    )
    void tally_free_all(log_tally *tally)

cdef object record_type = LogRecord
cdef list members = [list(names) for names in MEMBERS.values()]
cdef list numbers_of_members = [
    {name: number for number, name in enumerate(names)} for names in MEMBERS.values()
]
cdef list fields = list(LogRecord._fields)
cdef list places_of_texts = [fields.index(name) for name in TEXTS]
assert len(TEXTS) == LOG_TEXT_COLUMNS and len(NUMBERS) == LOG_NUMBER_COLUMNS
assert len(MEMBERS) == LOG_MEMBER_COLUMNS

cdef enum:
    # In LogRecord.
    TIME = 0
    IS_LOCAL = 1
    MTA = 3
    EVENT = 5
    RELAY_PORT = 12
    DELAY = 13
    CODE = 15
    REASON = 20
    DISPOSITION = 21
    RETRY_AFTER = 22
    FILE = 26
    LINE = 27

assert [
    fields[place]
    for place in (TIME, IS_LOCAL, MTA, EVENT, RELAY_PORT, DELAY, CODE, REASON, DISPOSITION)
] == [
    *("time", "time_is_local", "mta", "event", "relay_port", "delay", "code", "reason"),
    "disposition",
]
assert [fields[place] for place in (RETRY_AFTER, FILE, LINE)] == ["retry_after", "file", "line"]


# So that nobody can choose queue ids that meet in one place.
cdef uint64_t seed = int.from_bytes(os.urandom(8), "little")


cdef class Senders:
    cdef log_joins _joins

    def __cinit__(self, most=MOST_IDS):
        self._joins.most = most

    def __dealloc__(self):
        log_joins_free(&self._joins)

    def note(self, key, value):
        cdef bytes key_ = octets(key), value_ = octets(value)
        if not log_joins_note(
            &self._joins, bytes_of(key_), len(key_), hash_of(key_), bytes_of(value_), len(value_)
        ):
            raise MemoryError

    def get(self, key):
        cdef bytes key_ = octets(key)
        cdef uint32_t size
        cdef const uint8_t *value = log_joins_get(
            &self._joins, bytes_of(key_), len(key_), hash_of(key_), &size
        )
        return None if value is NULL else decode(value, size)

    def forget(self, key):
        cdef bytes key_ = octets(key)
        log_joins_forget(&self._joins, bytes_of(key_), len(key_), hash_of(key_))


cdef inline const uint8_t *bytes_of(bytes data) noexcept:
    return <const uint8_t *>PyBytes_AS_STRING(data)


cdef inline uint32_t hash_of(bytes key) noexcept:
    return log_joins_hash(seed, bytes_of(key), PyBytes_GET_SIZE(key))


@cython.no_gc_clear  # the buffer is released with the block
cdef class LogBlock:
    cdef log_scan _scan
    cdef Py_buffer _buffer
    cdef bint _has_buffer
    cdef int64_t _lines_before
    cdef RuleMatcher _matcher

    def __cinit__(self, data, RuleMatcher matcher):
        view = view_of(data)
        PyObject_GetBuffer(view, &self._buffer, PyBUF_SIMPLE)
        self._has_buffer = True
        if self._buffer.len > LOG_MOST_BYTES:
            raise OverflowError("a block is too large: give less than 1 GiB at a time")
        self._matcher = matcher
        self._scan.data = <const uint8_t *>self._buffer.buf
        self._scan.seed = seed
        log_take_room(&self._scan)
        if matcher is None:
            with nogil:
                log_read_block(&self._scan, self._buffer.len)
        else:
            self.read_with(matcher)
        if self._scan.has_failed:
            raise MemoryError

    cdef read_with(self, RuleMatcher matcher):
        cdef meaning_scratch *scratch = matcher.take_scratch()
        self._scan.names = matcher._names
        self._scan.providers = <const log_text *>matcher._provider_places
        self._scan.blocklists = <const log_text *>matcher._blocklist_places
        self._scan.rules = &matcher._rules
        self._scan.scratch = scratch
        if scratch.memory is NULL:
            scratch.memory = calloc(LOG_REMEMBERED, sizeof(log_memory))
        if scratch.memory is NULL:
            self._scan.has_failed = True
        else:
            with nogil:
                log_read_block(&self._scan, self._buffer.len)
        matcher.leave_scratch(scratch)

    def __dealloc__(self):
        log_leave_room(&self._scan)
        if self._has_buffer:
            PyBuffer_Release(&self._buffer)

    @property
    def lines(self):
        return self._scan.lines

    def join(self, read, lines_before, year_of, tuple senders):
        cdef log_joins *joins[LOG_MTAS]
        cdef Senders some
        cdef log_joining at
        cdef int more
        memset(&at, 0, sizeof(at))
        if len(senders) != LOG_MTAS:
            raise ValueError(f"expected {LOG_MTAS} Senders, not {len(senders)}")
        for index, one in enumerate(senders):
            some = <Senders?>one
            joins[<int>index] = &some._joins
        self._lines_before = lines_before
        while True:
            with nogil:
                more = log_join_some(&self._scan, joins, &at)
            if more < 0:
                raise MemoryError
            if not more:
                break
            self.join_in_python(&at, read, year_of)
        self._scan.row_count = at.kept
        log_trim_rows(&self._scan)
        if self._scan.has_failed:
            raise MemoryError

    cdef join_in_python(self, log_joining *at, read, year_of):
        cdef log_row *row = &self._scan.rows[at.row - 1]
        cdef int64_t missing
        if row.kind == LOG_DAY:
            at.year = year_of(row.month, row.day) or 0
        elif row.kind == LOG_LINE:
            line = row.line
            records = read(self.text(row.text), self._lines_before + line + 1)
            missing = log_make_room(&self._scan, at.kept, at.row, len(records))
            if missing < 0:
                raise MemoryError
            at.row += missing
            for record in records:
                self.put_record(at.kept, record, line)
                at.kept += 1
        else:
            self.put_blocklist(&self._scan.rows[at.kept - 1])

    cdef bytes text(self, log_text text):
        return PyBytes_FromStringAndSize(
            <const char *>log_bytes(&self._scan, text), text.size
        )

    cdef log_text keep(self, text):
        """The text, in the arena."""
        cdef bytes data = text.encode("utf-8", "surrogateescape")
        cdef uint32_t start = self._scan.arena_size
        log_put(&self._scan, <const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        return log_put_since(&self._scan, start)

    cdef cut(self, log_text *text):
        if not log_is_null(text[0]) and text.size > TALLY_LONGEST_NAME:
            whole = self.text(text[0]).decode("utf-8", "surrogateescape")
            text[0] = self.keep(whole[:TALLY_LONGEST_NAME])

    cdef put_blocklist(self, log_row *row):
        """The name that a block list has in the text."""
        cdef meaning_decision found
        found.blocklist_start, found.blocklist_end = row.told_start, row.told_end
        name = self._matcher.list_named(&found, log_bytes(&self._scan, row.told), row.told.size)
        if name is not None:
            row.blocklist = self.keep(name)

    cdef put_record(self, int64_t place, record, uint32_t line):
        """A record that has been read in Python."""
        cdef log_row *row = &self._scan.rows[place]
        cdef log_text text
        cdef int column
        log_clear_row(row)
        row.line = line
        for column, field in enumerate(places_of_texts):
            value = record[field]
            if value is not None:
                text = self.keep(value)
                (<log_text *>(<char *>row + log_text_fields[column]))[0] = text
        if record[TIME] is not None:
            row.time, row.has_time = record[TIME], True
        row.is_local = record[IS_LOCAL]
        if record[RELAY_PORT] is not None:
            row.relay_port = record[RELAY_PORT]
        if record[DELAY] is not None:
            row.delay = record[DELAY]
        if record[CODE] is not None:
            row.code = record[CODE]
        if record[RETRY_AFTER] is not None:
            row.retry_after = record[RETRY_AFTER]
        row.mta = numbers_of_members[0][record[MTA]]
        row.event = numbers_of_members[1][record[EVENT]]
        if record[REASON] is not None:
            row.reason = numbers_of_members[2][record[REASON]]
            row.disposition = numbers_of_members[3][record[DISPOSITION]]

    def records(self, file):
        cdef int64_t row
        return [self.record(row, file) for row in range(self._scan.row_count)]

    def events(self):
        cdef int64_t row
        cdef int64_t[5] counts
        memset(counts, 0, sizeof(counts))
        for row in range(self._scan.row_count):
            counts[self._scan.rows[row].event] += 1
        return some_of(members[1], counts)

    cdef record(self, int64_t number, file):
        cdef const log_row *row = &self._scan.rows[number]
        cdef int column
        cdef log_text text
        record = allocate(record_type, LINE + 1)
        put(record, TIME, row.time if row.has_time else None)
        put(record, IS_LOCAL, row.is_local != 0)
        put(record, MTA, members[0][row.mta])
        put(record, EVENT, members[1][row.event])
        put(record, RELAY_PORT, None if row.relay_port < 0 else row.relay_port)
        put(record, DELAY, row.delay if row.delay == row.delay else None)
        put(record, CODE, None if row.code < 0 else row.code)
        put(record, REASON, None if row.reason < 0 else members[2][row.reason])
        put(record, DISPOSITION, None if row.disposition < 0 else members[3][row.disposition])
        put(record, RETRY_AFTER, None if row.retry_after < 0 else row.retry_after)
        put(record, FILE, file)
        put(record, LINE, self._lines_before + row.line + 1)
        for column in range(LOG_TEXT_COLUMNS):
            text = log_field(row, column)
            put(
                record, <Py_ssize_t>places_of_texts[column],
                None if log_is_null(text) else decode(log_bytes(&self._scan, text), text.size),
            )
        return record


cdef class _Memory:
    """The growing memory of columns."""

    cdef log_columns columns
    cdef list texts, numbers, members  # (valid, offsets, values), (valid, values)
    cdef int64_t room

    def __cinit__(self):
        self.texts = [[bytearray(), bytearray(4), bytearray()] for _ in range(LOG_TEXT_COLUMNS)]
        self.numbers = [[bytearray(), bytearray()] for _ in range(LOG_NUMBER_COLUMNS)]
        self.members = [[bytearray(), bytearray()] for _ in range(LOG_MEMBER_COLUMNS)]

    cdef append(self, LogBlock block, int64_t blocks):
        """Add the rows of a block; `blocks` like it, or none, are expected behind it."""
        cdef int64_t sizes[LOG_TEXT_COLUMNS]
        cdef int64_t rows = self.columns.rows + block._scan.row_count, needed
        cdef int column
        cdef log_column *one
        with nogil:
            log_count_bytes(&block._scan, sizes)
        if rows > self.room:
            self.room = room_for(rows, block._scan.row_count, blocks)
            self.make_room(self.room)
        for column in range(LOG_TEXT_COLUMNS):
            one = &self.columns.texts[column]
            values = (<list>self.texts[column])[2]
            needed = one.size + sizes[column]
            if needed > MOST_TEXT_BYTES:
                raise OverflowError(TOO_MUCH_TEXT)
            if needed + LOG_SLACK > len(values):
                grow(values, room_for(needed, sizes[column], blocks) + LOG_SLACK)
            one.values = <uint8_t *>PyByteArray_AS_STRING(values)
        with nogil:
            log_fill(&block._scan, &self.columns, block._lines_before)

    cdef make_room(self, int64_t rows):
        cdef int column
        for column in range(LOG_TEXT_COLUMNS):
            valid, offsets, _ = self.texts[column]
            self.columns.texts[column].valid = grow_bits(valid, rows)
            self.columns.texts[column].offsets = <int32_t *>grow(offsets, 4 * (rows + 1))
        for column in range(LOG_NUMBER_COLUMNS):
            valid, values = self.numbers[column]
            self.columns.numbers[column].valid = grow_bits(valid, rows)
            self.columns.numbers[column].values = grow(values, log_number_sizes[column] * rows)
        for column in range(LOG_MEMBER_COLUMNS):
            valid, values = self.members[column]
            self.columns.members[column].valid = grow_bits(valid, rows)
            self.columns.members[column].values = grow(values, rows)

    cdef list taken(self):
        """The memory, cut to what is filled, in the order of `LogColumns.of_memory`."""
        cdef int64_t rows = self.columns.rows
        cdef int column
        for column in range(LOG_TEXT_COLUMNS):
            valid, offsets, values = self.texts[column]
            PyByteArray_Resize(valid, (rows + 7) // 8)
            PyByteArray_Resize(offsets, 4 * (rows + 1))
            PyByteArray_Resize(values, self.columns.texts[column].size)
        for column in range(LOG_NUMBER_COLUMNS):
            valid, values = self.numbers[column]
            PyByteArray_Resize(valid, (rows + 7) // 8)
            PyByteArray_Resize(values, log_number_sizes[column] * rows)
        for column in range(LOG_MEMBER_COLUMNS):
            valid, values = self.members[column]
            PyByteArray_Resize(valid, (rows + 7) // 8)
            PyByteArray_Resize(values, rows)
        return self.texts + self.numbers + self.members


cdef int64_t room_for(int64_t needed, int64_t added, int64_t blocks) noexcept:
    """Half as much again, or what more blocks like this one will need: memory that never moves can
    have large pages."""
    return needed + max(needed // 2, added * blocks + added * blocks // 8)


cdef uint8_t *grow(bytearray memory, int64_t size) except NULL:
    """Make it larger; what is new has any bytes."""
    PyByteArray_Resize(memory, size)
    scan_prefer_large_pages(PyByteArray_AS_STRING(memory), size)
    return <uint8_t *>PyByteArray_AS_STRING(memory)


cdef uint8_t *grow_bits(bytearray memory, int64_t rows) except NULL:
    """The same for bits, of which the new ones are 0."""
    cdef int64_t had = len(memory)
    PyByteArray_Resize(memory, (rows + 7) // 8)
    memset(PyByteArray_AS_STRING(memory) + had, 0, (rows + 7) // 8 - had)
    return <uint8_t *>PyByteArray_AS_STRING(memory)


def columns_of(blocks, file, expected=0):
    cdef _Memory memory = _Memory()
    cdef LogBlock block
    cdef int64_t left = expected
    for one in blocks:
        block = <LogBlock?>one
        left = max(0, left - 1)
        memory.append(block, left)
    return LogColumns.of_memory(memory.taken(), file)


cdef list outcomes = list(Outcome)
cdef list kinds = [*Outcome, *members[1]]  # of what happened at a time
assert len(outcomes) == TALLY_OUTCOMES and len(kinds) == TALLY_KINDS
assert len(members[2]) <= TALLY_REASONS


cdef class _Tally:
    cdef log_tally *_counts
    cdef bytes _zones
    cdef object _zone_ends
    cdef list _files
    cdef object _counted_by

    def __cinit__(self, counted_by):
        cdef tally_table *tables[3]
        cdef int kind, table
        self._counts = <log_tally *>calloc(1, sizeof(log_tally))
        if self._counts is NULL:
            raise MemoryError
        self._files = []
        self._counted_by = counted_by
        counts = self._counts
        counts.hour, counts.day = counted_by.hour, counted_by.day
        counts.first_time, counts.last_time = counted_by.times.start, counted_by.times.stop
        counts.log_growth = log(counted_by.growth)
        counts.unknown = members[2].index(Reason.UNKNOWN)
        counts.accepted = members[2].index(Reason.ACCEPTED)
        counts.delivered = members[3].index(Disposition.DELIVERED)
        counts.days.numbers.most, counts.hours.numbers.most = counted_by.most, counted_by.most_hours
        counts.days.numbers.seed = counts.hours.numbers.seed = seed
        for kind in range(TALLY_PARTIES):
            counts.parties[kind].names.most = counted_by.most
            counts.parties[kind].names.seed = seed
        for kind in range(TALLY_REFUSALS):
            tables[0] = &counts.refusals[kind].replies.table
            tables[1] = &counts.refusals[kind].blocklists.table
            tables[2] = &counts.refusals[kind].urls.table
            for table in range(3):
                tables[table].most, tables[table].seed = counted_by.most, seed
        names = list(dict.fromkeys(counted_by.providers.values()))
        put_keys(&counts.statuses, OUTCOME_OF_STATUS)
        put_keys(&counts.providers, counted_by.providers)
        put_keys(&counts.provider_names, names)
        for number, outcome in enumerate(OUTCOME_OF_STATUS.values()):
            counts.outcome_of_status[<int>number] = outcomes.index(outcome)
        for number, name in enumerate(counted_by.providers.values()):
            counts.name_of_provider[<int>number] = names.index(name)
        zones = [zone.encode() for zone in counted_by.zones]
        self._zones = b"".join(zones)
        self._zone_ends = array("I", accumulate(map(len, zones)))
        counts.zones.data = bytes_of(self._zones)
        counts.zones.ends = <const uint32_t *><uintptr_t>self._zone_ends.buffer_info()[0]
        counts.zones.count = len(zones)

    def __dealloc__(self):
        if self._counts is not NULL:
            tally_free_all(self._counts)
            free(self._counts)

    cdef int64_t add(self, LogBlock block, file, counter, takes) except -1:
        """Count the rows of a block; returns how many were passed over."""
        cdef int64_t rows = block._scan.row_count, row, passed_over = 0, number
        cdef tally_row *known = <tally_row *>calloc(rows + 1, sizeof(tally_row))
        if known is NULL:
            raise MemoryError
        if not self._files or self._files[len(self._files) - 1] != file:
            self._files.append(file)
        number = len(self._files) - 1
        try:
            if takes is not None:
                for row in range(rows):
                    if not takes(block.record(row, file)):
                        known[row].is_left_out = True
                        passed_over += 1
            with nogil:
                tally_prepare(self._counts, &block._scan, known)
            for row in range(rows):
                self.look(&known[row], block, row, file, counter)
            with nogil:
                tally_rows(self._counts, &block._scan, known, block._lines_before, number)
        finally:
            free(known)
        if block._scan.has_failed or self._counts.has_failed:
            raise MemoryError
        return passed_over

    cdef look(self, tally_row *known, LogBlock block, int64_t number, file, counter):
        """What only Python can say of a row."""
        cdef log_row *row = &block._scan.rows[number]
        if known.is_left_out:
            return
        if row.event == LOG_OTHER:
            counter.add_problem(block.record(number, file))
        if known.is_unsure:
            text = block.text(row.text).decode("utf-8", "surrogateescape")
            known.shape = block.keep(self._counted_by.shape_of(text))
            known.urls = block.keep("".join([f"{url}\n" for url in self._counted_by.urls_of(text)]))
        if known.has_long_names:
            block.cut(&known.domain)
            block.cut(&known.relay)
            block.cut(&known.provider)

    cdef counts(self):
        cdef log_tally *counts = self._counts
        cdef int kind
        return LogCounts(
            some_of(members[1], counts.events),
            some_of(outcomes, counts.outcomes),
            counts.first if counts.has_time else None,
            counts.last if counts.has_time else None,
            counts.time_is_local,
            times_of(&counts.days),
            times_of(&counts.hours),
            counts.other_times,
            tuple([party_of(&counts.parties[kind]) for kind in range(TALLY_PARTIES)]),
            tuple([self.refusal_of(&counts.refusals[kind]) for kind in range(TALLY_REFUSALS)]),
            {
                outcome: delays_of(&counts.delays[<int>kind])
                for kind, outcome in enumerate(outcomes)
            },
        )

    cdef refusal_of(self, tally_refusal *refusal):
        replies = []
        cdef tally_names *names = &refusal.replies
        cdef tally_first *first
        cdef uint32_t number
        for number in range(names.table.count):
            first = &refusal.firsts[number]
            key = key_of(&names.table, number)
            behind_codes = 4 + key[3]
            code = int.from_bytes(key[1:3], "little", signed=True)
            text = decode(refusal.texts + first.at, first.size)
            replies.append(
                ReplyCount(
                    members[2][key[0]],
                    None if code < 0 else code,
                    key[4:behind_codes].decode() or None,
                    key[behind_codes:].decode("utf-8", "surrogateescape"),
                    names.counts[number],
                    text[:TALLY_LONGEST_SHAPE],
                    self._files[first.file],
                    first.line,
                )
            )
        return RefusalCounts(
            some_of(members[2], refusal.reasons),
            replies,
            names.others,
            names_of(&refusal.blocklists),
            names_of(&refusal.urls),
        )


cdef put_keys(tally_table *table, words):
    """Fill a table with words, numbered in their order."""
    cdef int is_new
    if len(words) > TALLY_MOST_FACTS:
        raise OverflowError("there are too many providers")
    table.most, table.seed = len(words), seed
    for word in words:
        key = word.encode()
        if tally_find(table, bytes_of(key), len(key), &is_new) < 0:
            raise MemoryError


cdef bytes key_of(const tally_table *table, uint32_t number):
    return (<const char *>table.bytes + table.keys[number].at)[: table.keys[number].size]


cdef dict some_of(list names, const int64_t *counts):
    """The counts that are not 0, by their names."""
    cdef int number
    return {names[number]: counts[number] for number in range(len(names)) if counts[number]}


cdef list times_of(const tally_times *times):
    cdef uint32_t number
    return [
        (
            int.from_bytes(key_of(&times.numbers, number), byteorder, signed=True),
            some_of(kinds, times.counts + number * TALLY_KINDS),
        )
        for number in range(times.numbers.count)
    ]


cdef names_of(const tally_names *names):
    cdef uint32_t number
    return NameCounts(
        [
            (key_of(&names.table, number).decode("utf-8", "surrogateescape"), names.counts[number])
            for number in range(names.table.count)
        ],
        names.others,
    )


cdef party_of(const tally_party *party):
    cdef uint32_t number
    cdef list names = []
    cdef const int64_t *counts
    for number in range(party.names.count):
        key = key_of(&party.names, number)
        counts = party.counts + number * TALLY_PARTY_COUNTS
        names.append(
            (
                key[1:].decode("utf-8", "surrogateescape") if key[0] else None,
                some_of(outcomes, counts),
                some_of(members[2], counts + TALLY_OUTCOMES),
            )
        )
    return PartyCounts(names, party.others)


cdef delays_of(const tally_delays *delays):
    cdef int step
    steps = {
        step - TALLY_STEPS // 2: delays.steps[step]
        for step in range(TALLY_STEPS) if delays.steps[step]
    }
    return DelayCounts(delays.count, delays.longest, delays.zeros, steps)


def count_blocks(counter, blocks, counted_by, takes):
    cdef _Tally tally = _Tally(counted_by)
    cdef int64_t passed_over = 0
    for block, file in blocks:
        passed_over += tally.add(<LogBlock?>block, file, counter, takes)
    counter.absorb(tally.counts())
    return passed_over


cdef adopt_documentation():
    cdef PyMethodDef *method
    for function in (columns_of, count_blocks):
        method = (<PyCFunctionObject *><PyObject *>function).m_ml
        method.ml_doc = documentation(getattr(pure_logs, function.__name__), method.ml_doc)
    for name in ("join", "records", "events"):
        method = (<PyMethodDescrObject *><PyObject *>LogBlock.__dict__[name]).d_method
        method.ml_doc = documentation(getattr(pure_logs.LogBlock, name), method.ml_doc)


cdef const char *documentation(documented, const char *signature) except NULL:
    text = signature + documented.__doc__.encode()
    _documentation.append(text)
    return PyBytes_AS_STRING(text)


cdef list _documentation = []
adopt_documentation()
