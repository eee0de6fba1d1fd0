# cython: language_level=3
# cython: binding=False, embedsignature=True, embedsignature.format=clinic, autotestdict=False
# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: freethreading_compatible=True
"""The same as `pure_arrow`, faster and without pyarrow: Arrow's C interfaces, by hand."""

from struct import pack

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, strcmp

from ..arrow_columns import (
    AS_GIVEN,
    ENUM_KEY,
    FIELDS,
    KINDS,
    MEANING_FIELDS,
    STATUSES,
    enum_value,
)
from ..errors import SmtpFastError
from ..status import MEMBERS, NOT_DEFINED, Category, Severity
from .compiled_meaning cimport RuleMatcher, meaning_new_scratch, meaning_rules, meaning_scratch

cdef extern from "arrow_stream.h" nogil:
    struct ArrowSchema:
        const char *format
        const char *name
        int64_t n_children
        ArrowSchema **children
        void (*release)(ArrowSchema *) noexcept nogil
    struct ArrowArray:
        int64_t length, offset, n_buffers, n_children
        const void **buffers
        ArrowArray **children
        void (*release)(ArrowArray *) noexcept nogil
    struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream *, ArrowSchema *) noexcept nogil
        int (*get_next)(ArrowArrayStream *, ArrowArray *) noexcept nogil
        const char *(*get_last_error)(ArrowArrayStream *) noexcept nogil
        void (*release)(ArrowArrayStream *) noexcept nogil
    ctypedef struct arrow_words:
        int32_t *offsets
        uint8_t *data
        char *metadata
    ctypedef struct arrow_column:
        const char *format
        int has_metadata
        uint8_t *values
        void *offsets
        int64_t size
    ctypedef struct arrow_validity:
        uint8_t *bits
        int64_t nulls
    ctypedef struct arrow_batch:
        int64_t rows
        int count
        arrow_column *columns
        arrow_validity *validities
    ctypedef struct arrow_error:
        char *words
        int is_of_type
    ctypedef struct arrow_cells:
        pass
    void arrow_set_rows(arrow_cells *cells, const ArrowArray *table)
    ctypedef struct arrow_tables:
        int8_t *status
        int8_t *severity
        int8_t *category
    ctypedef struct arrow_names:
        const uint8_t *names
        const uint32_t *places
    ctypedef struct arrow_work:
        const arrow_tables *tables
        const meaning_rules *rules
        meaning_scratch *scratch
        arrow_names blocklists
        arrow_error error
        int is_only_code
        int *wants
    ctypedef struct arrow_left:
        void *object
        arrow_left *next
    ctypedef struct arrow_wide:
        ArrowArrayStream source
        ArrowSchema column
        int64_t number, column_count
        arrow_batch *like
        arrow_work *work
        arrow_left *left
    enum:
        ARROW_FIELDS
        ARROW_CODES
        ARROW_VALIDITIES
    arrow_left *arrow_all_left
    void *scan_swap(void **place, void *value)
    arrow_words *arrow_new_words(int64_t count, int64_t size, int64_t metadata_size)
    void arrow_drop_words(arrow_words *words)
    arrow_batch *arrow_new_batch(int count, int validity_count)
    void arrow_drop_batch(arrow_batch *batch)
    int arrow_set_column(
        arrow_column *column, int field, const char *format, const char *name, arrow_words *words,
        int validity,
    )
    int64_t arrow_offset_size(const char *format)
    int64_t arrow_values_size(const char *format, int64_t rows)
    int arrow_reserve(arrow_batch *batch, int64_t rows)
    int arrow_reserve_text(arrow_column *column, int64_t more)
    int64_t arrow_put_bits(uint8_t *bits, int64_t first, const uint8_t *flags, int count)
    int arrow_bit(const uint8_t *bits, int64_t index)
    int arrow_validity_of(int field)
    int arrow_send_batch(ArrowArray *array, arrow_batch *batch)
    int arrow_tell_batch(ArrowSchema *schema, const arrow_batch *batch)
    int arrow_open_single(ArrowArrayStream *stream, arrow_batch *batch)
    void arrow_open_wide(ArrowArrayStream *stream, arrow_wide *wide)
    void arrow_wide_free(arrow_wide *wide)
    void arrow_free_work(arrow_work *work)
    int arrow_is_column(const ArrowSchema *schema, int *is_octets, arrow_error *error)
    int arrow_is_batch(const ArrowArray *batch, int64_t columns, arrow_error *error)
    int arrow_is_sound(const ArrowArray *array, arrow_error *error)
    int arrow_open_cells(
        arrow_cells *cells, const ArrowSchema *schema, const ArrowArray *array, arrow_error *error
    )
    int arrow_fill(arrow_work *work, const arrow_cells *cells, arrow_batch *batch)

cdef extern from "arrow_polars.h" nogil:
    ctypedef struct arrow_defaults:
        const arrow_tables *tables
        const meaning_rules *rules
        arrow_names blocklists
        arrow_words *reasons
        arrow_words *dispositions
    arrow_defaults arrow_default

if len(FIELDS) != ARROW_FIELDS:
    raise SystemError("the compiled core knows other fields")


# --- Tables ---------------------------------------------------------------------------------

cdef arrow_tables tables


cdef fill_tables():
    cdef int slot
    severities, categories = list(Severity), list(Category)
    for slot in range(ARROW_CODES):
        code = slot - 1
        tables.status[slot] = STATUSES.index(MEMBERS.get(code, NOT_DEFINED).name)
        tables.severity[slot] = severities.index(Severity.of(code))
        tables.category[slot] = categories.index(Category.of(code))


fill_tables()
arrow_default.tables = &tables
cdef RuleMatcher default_matcher = None


def share_default(RuleMatcher matcher not None):
    """Let the expressions that Polars calls by itself decide by this matcher, for ever."""
    global default_matcher
    default_matcher = matcher
    arrow_default.reasons = words_of("reason", matcher).words
    arrow_default.dispositions = words_of("disposition", matcher).words
    arrow_default.blocklists.names = matcher._names
    arrow_default.blocklists.places = matcher._blocklist_places
    arrow_default.rules = &matcher._rules


cdef class Words:
    """The words of a dictionary, which many tables share."""

    cdef arrow_words *words

    def __cinit__(self, tuple words):
        cdef bytes data = "".join(words).encode()
        cdef int64_t number, end = 0
        key, value = ENUM_KEY.encode(), enum_value(words).encode()
        cdef bytes metadata = pack("=ii", 1, len(key)) + key + pack("=i", len(value)) + value
        self.words = arrow_new_words(len(words), len(data), len(metadata))
        if self.words is NULL:
            raise MemoryError
        for number, word in enumerate(words):
            end += len(word.encode())
            self.words.offsets[number + 1] = end
        memcpy(self.words.data, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        memcpy(self.words.metadata, PyBytes_AS_STRING(metadata), PyBytes_GET_SIZE(metadata))

    def __dealloc__(self):
        arrow_drop_words(self.words)


# The few that never change.
cdef dict fixed_words = {kind.words: Words(kind.words) for kind in KINDS.values() if kind.words}


cdef Words words_of(str field, RuleMatcher matcher):
    kind = KINDS[field]
    if kind.words is None:
        return None
    if kind.words:
        return fixed_words[kind.words]
    if matcher.arrow_words is None:
        ruleset = matcher.ruleset
        matcher.arrow_words = {
            "provider": Words(ruleset.provider_names), "rule": Words(ruleset.rule_names)
        }
    return matcher.arrow_words[field]


cdef arrow_batch *new_batch(
    tuple fields, tuple names, RuleMatcher matcher, bint is_octets, bint for_polars
) except NULL:
    """An empty batch of these columns."""
    cdef arrow_batch *batch = arrow_new_batch(len(fields), ARROW_VALIDITIES)
    cdef int number, field
    cdef Words words
    cdef bytes name, format_
    if batch is NULL:
        raise MemoryError
    try:
        for number in range(<int>len(fields)):
            field = FIELDS.index(fields[number])
            words = words_of(fields[number], matcher)
            format_ = KINDS[fields[number]].format.encode()
            batch.columns[number].has_metadata = for_polars and bool(KINDS[fields[number]].words)
            if for_polars and fields[number] == "enhanced":
                format_ = b"vu"
            if format_ == AS_GIVEN.encode():
                format_ = b"Z" if is_octets else b"U"
            name = names[number].encode()
            if not arrow_set_column(
                &batch.columns[number], field, format_, name,
                NULL if words is None else words.words, arrow_validity_of(field),
            ):
                raise MemoryError
    except BaseException:
        arrow_drop_batch(batch)
        raise
    return batch


cdef arrow_work *new_work(tuple fields, RuleMatcher matcher) except NULL:
    cdef arrow_work *work = <arrow_work *>calloc(1, sizeof(arrow_work))
    if work is NULL:
        raise MemoryError
    work.tables = &tables
    work.is_only_code = fields == ("code",)
    for field in fields:
        work.wants[arrow_validity_of(FIELDS.index(field))] = 1
    if matcher is not None and {*fields} & {*MEANING_FIELDS}:
        work.rules = &matcher._rules
        work.blocklists.names = matcher._names
        work.blocklists.places = matcher._blocklist_places
        work.scratch = meaning_new_scratch(work.rules)
        if work.scratch is NULL:
            free(work)
            raise MemoryError
    return work


cdef fail(arrow_error *error):
    """Raise what an error says."""
    if not error.words[0]:
        raise MemoryError
    words = error.words.decode("utf-8", "replace")
    raise TypeError(words) if error.is_of_type else SmtpFastError(words)


# --- Capsules -------------------------------------------------------------------------------

cdef void free_schema(object capsule) noexcept:
    cdef ArrowSchema *schema = <ArrowSchema *>PyCapsule_GetPointer(capsule, "arrow_schema")
    if schema.release is not NULL:
        schema.release(schema)
    free(schema)


cdef void free_array(object capsule) noexcept:
    cdef ArrowArray *array = <ArrowArray *>PyCapsule_GetPointer(capsule, "arrow_array")
    if array.release is not NULL:
        array.release(array)
    free(array)


cdef void free_stream(object capsule) noexcept:
    cdef ArrowArrayStream *stream
    stream = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
    if stream.release is not NULL:
        stream.release(stream)
    free(stream)


cdef object schema_capsule(const arrow_batch *batch):
    cdef ArrowSchema *schema = <ArrowSchema *>calloc(1, sizeof(ArrowSchema))
    if schema is NULL:
        raise MemoryError
    capsule = PyCapsule_New(schema, "arrow_schema", free_schema)
    if not arrow_tell_batch(schema, batch):
        raise MemoryError
    return capsule


cdef class ArrowTable:
    cdef arrow_batch *_batch
    cdef readonly tuple fields

    def __dealloc__(self):
        arrow_drop_batch(self._batch)

    def __init__(self):
        raise TypeError("smtpfast.arrow makes tables")

    def __len__(self):
        return self._batch.rows

    def __repr__(self):
        return f"<ArrowTable: {len(self)} rows of {', '.join(self.fields)}>"

    def __reduce__(self):
        raise TypeError("a table cannot be pickled: give it to a library of Arrow first")

    def __arrow_c_schema__(self):
        return schema_capsule(self._batch)

    def __arrow_c_array__(self, requested_schema=None):
        cdef ArrowArray *array = <ArrowArray *>calloc(1, sizeof(ArrowArray))
        if array is NULL:
            raise MemoryError
        capsule = PyCapsule_New(array, "arrow_array", free_array)
        if not arrow_send_batch(array, self._batch):
            raise MemoryError
        return schema_capsule(self._batch), capsule

    def __arrow_c_stream__(self, requested_schema=None):
        cdef ArrowArrayStream *stream = <ArrowArrayStream *>calloc(1, sizeof(ArrowArrayStream))
        if stream is NULL:
            raise MemoryError
        capsule = PyCapsule_New(stream, "arrow_array_stream", free_stream)
        if not arrow_open_single(stream, self._batch):
            raise MemoryError
        return capsule


cdef ArrowTable table_of(arrow_batch *batch, tuple fields):
    """The table that owns a batch from now on."""
    cdef ArrowTable table = ArrowTable.__new__(ArrowTable)
    table._batch = batch
    table.fields = fields
    return table


# --- What is given --------------------------------------------------------------------------

cdef str name_of(const ArrowSchema *schema):
    if schema is NULL or schema.name is NULL:
        return None
    return schema.name.decode("utf-8", "surrogateescape")


cdef int64_t child_of(const ArrowSchema *schema, column) except -1:
    """The number of a column of a table."""
    cdef int64_t number, found = -1, count = 0
    if column is None:
        if schema.n_children != 1:
            raise SmtpFastError("a table of several columns: say which, by column=")
        count = 1
        found = 0
    else:
        for number in range(schema.n_children):
            if name_of(schema.children[number]) == column:
                count += 1
                found = number
    if count != 1:
        how_many = "are several columns" if count else "is no column"
        raise SmtpFastError(f"there {how_many} {column!r} in the table")
    if schema.children[found] is NULL:
        raise SmtpFastError("a schema without its children")
    return found


cdef class Reading:
    """A column that is read, array after array, into a batch."""

    cdef arrow_work *work
    cdef arrow_batch *batch
    cdef const ArrowSchema *column
    cdef int64_t number, columns  # of a table; -1: the column itself was given
    cdef RuleMatcher matcher  # into whose rules the work points

    def __dealloc__(self):
        arrow_free_work(self.work)
        arrow_drop_batch(self.batch)

    cdef open(
        self, const ArrowSchema *schema, str column, tuple fields, RuleMatcher matcher,
        bint for_polars,
    ):
        cdef int is_octets = 0
        cdef arrow_error error
        error.words[0] = 0
        error.is_of_type = 0
        if schema.release is NULL or schema.format is NULL:
            raise SmtpFastError("a schema that was released or has no format")
        self.number = -1
        self.column = schema
        if strcmp(schema.format, "+s") == 0:
            if schema.n_children < 0 or (schema.n_children and schema.children is NULL):
                raise SmtpFastError("a schema without its children")
            self.number = child_of(schema, column)
            self.columns = schema.n_children
            self.column = schema.children[self.number]
        elif column is not None:
            message = f"column={column!r}: what was given is one column, and no table"
            raise SmtpFastError(message)
        if not arrow_is_column(self.column, &is_octets, &error):
            fail(&error)
        self.matcher = matcher
        self.batch = new_batch(fields, fields, matcher, is_octets, for_polars)
        self.work = new_work(fields, matcher)

    cdef read(self, const ArrowArray *array):
        cdef arrow_cells cells
        cdef const ArrowArray *child = array
        cdef bint is_good
        self.work.error.words[0] = 0
        self.work.error.is_of_type = 0
        if self.number >= 0:
            if not arrow_is_batch(array, self.columns, &self.work.error):
                fail(&self.work.error)
            child = array.children[self.number]
        if not arrow_open_cells(&cells, self.column, child, &self.work.error):
            fail(&self.work.error)
        if self.number >= 0:
            arrow_set_rows(&cells, array)
        with nogil:
            is_good = arrow_fill(self.work, &cells, self.batch)
        if not is_good:
            fail(&self.work.error)

    cdef ArrowTable close(self, tuple fields):
        if not self.batch.rows and not arrow_reserve(self.batch, 0):
            raise MemoryError
        batch, self.batch = self.batch, NULL
        return table_of(batch, fields)


cdef drop_left():
    """Drop what streams have left that were released without Python."""
    cdef arrow_left *left = <arrow_left *>scan_swap(<void **>&arrow_all_left, NULL)
    cdef arrow_left *following
    while left is not NULL:
        following = left.next
        Py_DECREF(<object><PyObject *>left.object)
        free(left)
        left = following


cdef check_stream(const ArrowArrayStream *stream):
    if stream.release is NULL:
        raise SmtpFastError("a stream that was released")
    if stream.get_schema is NULL or stream.get_next is NULL:
        raise SmtpFastError("a stream without its functions")


cdef source_failed(ArrowArrayStream *stream, int code):
    cdef const char *words = NULL
    if stream.get_last_error is not NULL:
        words = stream.get_last_error(stream)
    what = words.decode("utf-8", "replace") if words is not NULL else f"error {code}"
    raise SmtpFastError(f"the source of the stream failed: {what}")


def table(data, column, tuple fields, matcher, *, for_polars=False):
    cdef Reading reading = Reading()
    drop_left()
    if isinstance(data, type):
        raise TypeError(f"expected a column or a table, not the class {data.__name__}")
    if hasattr(data, "__arrow_c_array__"):
        capsules = data.__arrow_c_array__(None)
        if not isinstance(capsules, tuple) or len(capsules) != 2:
            raise TypeError("expected a pair of capsules from __arrow_c_array__")
        schema, array = capsules
        read_array(reading, schema, array, column, fields, matcher, for_polars)
    elif hasattr(data, "__arrow_c_stream__"):
        read_stream(
            reading, data.__arrow_c_stream__(None), column, fields, matcher, for_polars
        )
    else:
        raise TypeError(
            f"{type(data).__name__} has neither __arrow_c_array__ nor __arrow_c_stream__"
            " (for a list there is classify_many)"
        )
    return reading.close(fields)


cdef read_array(
    Reading reading, schema, array, column, tuple fields, matcher, bint for_polars
):
    cdef const ArrowSchema *told = <const ArrowSchema *>pointer(schema, b"arrow_schema")
    reading.open(told, column, fields, matcher, for_polars)
    reading.read(<const ArrowArray *>pointer(array, b"arrow_array"))


cdef read_stream(Reading reading, capsule, column, tuple fields, matcher, bint for_polars):
    cdef ArrowArrayStream *stream = <ArrowArrayStream *>pointer(capsule, b"arrow_array_stream")
    cdef ArrowSchema schema
    cdef ArrowArray array
    cdef int code
    check_stream(stream)
    with nogil:
        code = stream.get_schema(stream, &schema)
    if code:
        source_failed(stream, code)
    try:
        reading.open(&schema, column, fields, matcher, for_polars)
        while True:
            with nogil:
                code = stream.get_next(stream, &array)
            if code:
                source_failed(stream, code)
            if array.release is NULL:
                break
            try:
                reading.read(&array)
            finally:
                with nogil:
                    array.release(&array)
    finally:
        if schema.release is not NULL:
            schema.release(&schema)


cdef void *pointer(capsule, bytes name) except NULL:
    try:
        return PyCapsule_GetPointer(capsule, name)
    except (ValueError, TypeError, AttributeError):
        raise TypeError(f"expected a capsule of the name {name.decode()!r}") from None


# --- Streams --------------------------------------------------------------------------------

cdef class ArrowStream:
    cdef object _source, _column
    cdef tuple _fields, _names
    cdef RuleMatcher _matcher

    def __init__(self, source, column, tuple fields, tuple names, matcher):
        if isinstance(source, type) or not hasattr(source, "__arrow_c_stream__"):
            raise TypeError(f"{type(source).__name__} has no __arrow_c_stream__")
        self._source, self._column, self._matcher = source, column, matcher
        self._fields, self._names = fields, names

    def __arrow_c_stream__(self, requested_schema=None):
        cdef ArrowArrayStream *source
        cdef ArrowArrayStream *stream = <ArrowArrayStream *>calloc(1, sizeof(ArrowArrayStream))
        if stream is NULL:
            raise MemoryError
        capsule = PyCapsule_New(stream, "arrow_array_stream", free_stream)
        cdef arrow_wide *wide = <arrow_wide *>calloc(1, sizeof(arrow_wide))
        if wide is NULL:
            raise MemoryError
        drop_left()
        try:
            given = self._source.__arrow_c_stream__(None)
            source = <ArrowArrayStream *>pointer(given, b"arrow_array_stream")
            check_stream(source)
            wide.source = source[0]  # moved
            source.release = NULL
            self.open(wide)
        except BaseException:
            arrow_wide_free(wide)
            raise
        arrow_open_wide(stream, wide)
        return capsule

    cdef open(self, arrow_wide *wide):
        cdef ArrowSchema schema
        cdef int code, is_octets = 0
        cdef arrow_error error
        cdef int64_t number
        error.words[0] = 0
        error.is_of_type = 0
        with nogil:
            code = wide.source.get_schema(&wide.source, &schema)
        if code:
            source_failed(&wide.source, code)
        try:
            if schema.release is NULL or schema.format is NULL or strcmp(schema.format, "+s"):
                raise TypeError("expected a stream of record batches")
            if schema.n_children < 0 or (schema.n_children and schema.children is NULL):
                raise SmtpFastError("a schema without its children")
            names = []
            for number in range(schema.n_children):
                if schema.children[number] is NULL:
                    raise SmtpFastError("a schema without its children")
                names.append(name_of(schema.children[number]))
            twice = {*names} & {*self._names}
            wide.number = child_of(&schema, self._column)
            wide.column_count = schema.n_children
            if not arrow_is_column(schema.children[wide.number], &is_octets, &error):
                fail(&error)
            if twice:
                raise SmtpFastError(f"the source has columns {sorted(twice)} itself: give a prefix")
            wide.column = schema.children[wide.number][0]  # moved
            schema.children[wide.number].release = NULL
        finally:
            if schema.release is not NULL:
                schema.release(&schema)
        wide.like = new_batch(self._fields, self._names, self._matcher, is_octets, False)
        wide.work = new_work(self._fields, self._matcher)
        if wide.work.rules is not NULL:
            wide.left = <arrow_left *>calloc(1, sizeof(arrow_left))
            if wide.left is NULL:
                raise MemoryError
            wide.left.object = <void *><PyObject *>self._matcher
            Py_INCREF(self._matcher)


# --- Memory that is there -------------------------------------------------------------------

def packed(int64_t rows, columns):
    cdef list given = list(columns)
    cdef arrow_batch *batch = arrow_new_batch(len(given), len(given))
    cdef int number
    cdef Words words
    if batch is NULL:
        raise MemoryError
    try:
        if rows < 0:
            raise SmtpFastError(f"rows={rows}: expected a number from 0 on")
        for number in range(<int>len(given)):
            name, kind, buffers = given[number]
            words = None if kind.words is None else Words(tuple(kind.words))
            if not arrow_set_column(
                &batch.columns[number], -1, kind.format.replace("?", "b").encode(), name.encode(),
                NULL if words is None else words.words, number,
            ):
                raise MemoryError
        if not arrow_reserve(batch, rows):
            raise MemoryError
        batch.rows = rows
        for number in range(<int>len(given)):
            name, kind, buffers = given[number]
            fill(batch, number, kind.format, [*buffers])
    except BaseException:
        arrow_drop_batch(batch)
        raise
    return table_of(batch, tuple([name for name, *_ in given]))


cdef fill(arrow_batch *batch, int number, str format_, list buffers):
    cdef arrow_column *column = &batch.columns[number]
    cdef arrow_validity *validity = &batch.validities[number]
    cdef int64_t row, offset_size = arrow_offset_size(column.format), text_size
    if len(buffers) != 3 - (offset_size == 0):
        raise SmtpFastError(f"a column of the format {format_!r} with {len(buffers)} buffers")
    copy(validity.bits, buffers[0], (batch.rows + 7) // 8)
    for row in range(batch.rows):
        validity.nulls += 1 - arrow_bit(validity.bits, row)
    if offset_size:
        copy(column.offsets, buffers[1], offset_size * (batch.rows + 1))
        text_size = (<int32_t *>column.offsets)[batch.rows]
        if offset_size == 8:
            text_size = (<int64_t *>column.offsets)[batch.rows]
        if text_size < 0 or not arrow_reserve_text(column, text_size):
            raise MemoryError
        copy(column.values, buffers[2], text_size)
        column.size = text_size
    elif format_ == "?":
        fill_flags(column, buffers[1], batch.rows)
    else:
        copy(column.values, buffers[1], arrow_values_size(column.format, batch.rows))


cdef copy(void *to, source, int64_t size):
    cdef Py_buffer buffer
    PyObject_GetBuffer(source, &buffer, PyBUF_SIMPLE)
    try:
        if buffer.len < size:
            raise SmtpFastError(f"a buffer of {buffer.len} bytes, where {size} are needed")
        memcpy(to, buffer.buf, size)
    finally:
        PyBuffer_Release(&buffer)


cdef fill_flags(arrow_column *column, source, int64_t rows):
    cdef Py_buffer buffer
    cdef int64_t row
    PyObject_GetBuffer(source, &buffer, PyBUF_SIMPLE)
    try:
        if buffer.len < rows:
            raise SmtpFastError(f"a buffer of {buffer.len} bytes, where {rows} are needed")
        for row in range(rows):
            if (<const uint8_t *>buffer.buf)[row]:
                column.values[row >> 3] |= 1 << (row & 7)
    finally:
        PyBuffer_Release(&buffer)
