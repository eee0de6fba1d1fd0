# cython: language_level=3
# cython: binding=False, embedsignature=True, embedsignature.format=clinic, autotestdict=False
# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: freethreading_compatible=True
"""The same as `pure`, faster. Fills its C arrays from the tables in Python, once, at import."""

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Resize
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLongAndOverflow, PyLong_Check
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.number cimport PyNumber_Index
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_New
from libc.string cimport memchr, memcpy
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t

from ..enhanced import REGISTERED, EnhancedStatusCode
from ..errors import ReplySyntaxError, ReplyTooLarge, SmtpFastError
from ..reply import Reply, ReplyLine, ReplyLines
from ..status import MEMBERS, NOT_DEFINED, Category, Severity, describe_unregistered
from ..octets import octets
from . import pure
from .records cimport (
    PyCFunctionObject,
    PyMethodDef,
    PyMethodDescrObject,
    allocate,
    decode,
    put,
    steal,
)
from .pure import MAX_LINE_BYTES, MAX_LINES, MAX_REPLY_BYTES, limit

cdef extern from "scan.h" nogil:
    ctypedef struct scan_line:
        int64_t text
        int32_t code
        int32_t enhanced
        int32_t is_last
    ctypedef struct scan_columns:
        int16_t *code
        uint8_t *is_last
        int32_t *enhanced
        int64_t *text_start
        int64_t *text_end
    enum:
        SCAN_BLOCK
        SCAN_SUBJECTS
    scan_line scan_one(const uint8_t *data, int64_t start, int64_t end)
    int32_t scan_find_enhanced(const uint8_t *data, int64_t size)
    void scan_prefer_large_pages(void *memory, int64_t size)
    int64_t scan_lines(
        const uint8_t *data,
        int64_t size,
        int64_t *scanned,
        int64_t *start,
        const scan_columns *columns,
        int64_t row,
        int64_t rows,
    )

cdef extern from "Python.h":
    ctypedef struct PyGetSetDef:
        const char *doc
    ctypedef struct PyGetSetDescrObject:
        PyGetSetDef *d_getset
    void PyObject_GC_UnTrack(PyObject *)
    Py_ssize_t PyByteArray_GET_SIZE(object)
    PyObject *PyTuple_GET_ITEM(object, Py_ssize_t)
    Py_ssize_t PyTuple_GET_SIZE(object)
    bint PyUnicode_CheckExact(object)
    bint PyUnicode_IS_COMPACT_ASCII(object)
    void *PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)


# --- Tables ---------------------------------------------------------------------------------

# A slot is a code + 1, so that -1 has slot 0; ANY_OTHER stands for every other int.
cdef enum:
    MALFORMED_SLOT = 0
    ANY_OTHER = 1001
    SLOTS = 1002
    SUBJECTS = 8
    DETAILS = 32

# A C variable each: a global of the module would cost a look-up.
cdef object line_type = ReplyLine, reply_type = Reply, enhanced_type = EnhancedStatusCode

cdef PyObject *members[SLOTS]
cdef PyObject *codes[SLOTS]
cdef PyObject *english[SLOTS]
cdef PyObject *russian[SLOTS]
cdef PyObject *registered[3][SUBJECTS][DETAILS]
cdef list _kept = []  # what the arrays point to


cdef PyObject *keep(object value):
    _kept.append(value)
    return <PyObject *>value


cdef fill_tables():
    cdef int slot, code
    cdef dict sentences = {}
    for slot in range(SLOTS):
        code = slot - 1
        member = MEMBERS.get(code)
        if member is not None:
            in_english, in_russian = member.describe("en"), member.describe("ru")
        else:
            member = NOT_DEFINED
            digits = Severity.of(code), Category.of(code)
            if digits not in sentences:
                sentences[digits] = [describe_unregistered(*digits, each) for each in ("en", "ru")]
            in_english, in_russian = sentences[digits]
        codes[slot] = keep(code)
        members[slot] = keep(member)
        english[slot] = keep(in_english)
        russian[slot] = keep(in_russian)
    for (class_, subject, detail), value in REGISTERED.items():
        if subject >= SUBJECTS or detail >= DETAILS or <int>SUBJECTS != <int>SCAN_SUBJECTS:
            raise SystemError("the registry has outgrown the table of the compiled core")
        registered[class_ // 2 - (class_ < 5)][subject][detail] = keep(value)


fill_tables()


cdef const char *documentation(twin, const char *signature=b""):
    """The docstring of the pure twin behind the signature that the compiled one has."""
    text = signature + twin.__doc__.encode()
    _kept.append(text)
    return PyBytes_AS_STRING(text)


cdef adopt_documentation():
    cdef PyMethodDef *method
    cdef PyGetSetDef *accessors
    for function in (lookup, describe, classify, classify_many, classify_lines, find_enhanced):
        method = (<PyCFunctionObject *><PyObject *>function).m_ml
        method.ml_doc = documentation(getattr(pure, function.__name__), method.ml_doc)
    for name in ("reset", "close", "feed"):
        method = (<PyMethodDescrObject *><PyObject *>StreamState.__dict__[name]).d_method
        method.ml_doc = documentation(getattr(pure.StreamState, name), method.ml_doc)
    buffered = StreamState.__dict__["buffered"]
    accessors = (<PyGetSetDescrObject *><PyObject *>buffered).d_getset
    accessors.doc = documentation(pure.StreamState.buffered)
    limits = pure.StreamState.__init__.__kwdefaults__.items()
    signature = "StreamState(*, " + ", ".join([f"{name}={value}" for name, value in limits])
    (<PyTypeObject *>StreamState).tp_doc = documentation(
        pure.StreamState, (signature + ")\n--\n\n").encode()
    )


# --- One line -------------------------------------------------------------------------------

cdef inline object enhanced_of(int packed):
    cdef int class_ = packed // 1000000, subject = packed // 1000 % 1000, detail = packed % 1000
    cdef PyObject *known
    if packed == 0:
        return None
    if subject < SUBJECTS and detail < DETAILS:
        known = registered[class_ // 2 - (class_ < 5)][subject][detail]
        if known is not NULL:
            return <object>known
    record = allocate(enhanced_type, 3)
    put(record, 0, <object>codes[class_ + 1])
    put(record, 1, <object>codes[subject + 1])
    put(record, 2, <object>codes[detail + 1])
    return record


cdef inline object reply_line(const uint8_t *data, Py_ssize_t start, Py_ssize_t end):
    """The `ReplyLine` of the line data[start:end], which may have its line end."""
    while end > start and (data[end - 1] == 10 or data[end - 1] == 13):
        end -= 1
    cdef scan_line line = scan_one(data, start, end)
    text = decode(data + line.text, end - line.text)
    enhanced = enhanced_of(line.enhanced)
    record = allocate(line_type, 5)
    put(record, 0, <object>codes[line.code + 1])
    put(record, 1, <object>members[line.code + 1])
    put(record, 2, True if line.is_last else False)
    put(record, 3, enhanced)
    put(record, 4, text)
    return record


# --- The functions --------------------------------------------------------------------------

cdef inline Py_ssize_t slot_of(object code) except -1:
    cdef int overflow
    cdef long value
    if not PyLong_Check(code):
        code = PyNumber_Index(code)
    value = PyLong_AsLongAndOverflow(code, &overflow)
    if overflow or value < -1 or value > 999:
        return ANY_OTHER
    return value + 1


def lookup(code, /):
    return <object>members[slot_of(code)]


def describe(code, /, language="en"):
    cdef Py_ssize_t slot = slot_of(code)
    if language == "en":
        return <object>english[slot]
    if language == "ru":
        return <object>russian[slot]
    return pure.describe(code, language)


def classify(line, /):
    if PyBytes_CheckExact(line):
        return reply_line(<const uint8_t *>PyBytes_AS_STRING(line), 0, PyBytes_GET_SIZE(line))
    if PyUnicode_CheckExact(line) and PyUnicode_IS_COMPACT_ASCII(line):
        return reply_line(<const uint8_t *>PyUnicode_DATA(line), 0, PyUnicode_GET_LENGTH(line))
    data = octets(line)
    return reply_line(<const uint8_t *>PyBytes_AS_STRING(data), 0, PyBytes_GET_SIZE(data))


def classify_many(lines, /):
    if type(lines) is not list:
        if isinstance(lines, (str, bytes, bytearray, memoryview)):
            return pure.classify_many(lines)  # raises
        lines = list(lines)
    return [classify(line) for line in <list>lines]


# --- Buffers --------------------------------------------------------------------------------

cdef enum:
    ROW_BYTES = 8 + 8 + 4 + 2 + 1


cdef void lay_out(scan_columns *columns, char *memory, int64_t rows) noexcept:
    """The columns stand one behind the other, the widest first; `rows` is a multiple of 8."""
    columns.text_start = <int64_t *>memory
    columns.text_end = columns.text_start + rows
    columns.enhanced = <int32_t *>(columns.text_end + rows)
    columns.code = <int16_t *>(columns.enhanced + rows)
    columns.is_last = <uint8_t *>(columns.code + rows)


cdef bytearray make_room(scan_columns *columns, int64_t filled, int64_t rows):
    """New memory for `rows`, with the rows that are filled moved there."""
    cdef scan_columns old = columns[0]
    cdef bytearray memory = bytearray()
    PyByteArray_Resize(memory, rows * ROW_BYTES)
    scan_prefer_large_pages(PyByteArray_AS_STRING(memory), rows * ROW_BYTES)
    lay_out(columns, PyByteArray_AS_STRING(memory), rows)
    if filled:
        memcpy(columns.text_start, old.text_start, filled * sizeof(int64_t))
        memcpy(columns.text_end, old.text_end, filled * sizeof(int64_t))
        memcpy(columns.enhanced, old.enhanced, filled * sizeof(int32_t))
        memcpy(columns.code, old.code, filled * sizeof(int16_t))
        memcpy(columns.is_last, old.is_last, filled)
    return memory


def classify_lines(data, /):
    cdef Py_buffer buffer
    cdef int64_t scanned = 0, start = 0, row = 0, rows = 1024
    cdef scan_columns columns
    cdef bytearray memory, larger
    view = pure.view_of(data)
    PyObject_GetBuffer(view, &buffer, PyBUF_SIMPLE)
    try:
        memory = make_room(&columns, 0, rows)
        while True:
            with nogil:
                row = scan_lines(
                    <const uint8_t *>buffer.buf, buffer.len, &scanned, &start, &columns, row, rows
                )
            if scanned == buffer.len:
                break
            # As many as the lines so far let expect and a tenth more, but not more than lines of
            # 16 bytes, unless they are proven shorter; and one more block, whatever it holds.
            rows = <int64_t>(row * 1.1 * buffer.len / (scanned + 1))
            rows = min(rows, max(buffer.len // 16, 4 * row))
            rows = max(rows, row) + SCAN_BLOCK + 8 & ~7
            larger = make_room(&columns, row, rows)
            memory = larger
    finally:
        PyBuffer_Release(&buffer)
    cells = memoryview(memory)
    return ReplyLines.of(
        view,
        cells[rows * 20 : rows * 20 + row * 2],
        cells[rows * 22 : rows * 22 + row],
        cells[rows * 16 : rows * 16 + row * 4],
        cells[: row * 8],
        cells[rows * 8 : rows * 8 + row * 8],
    )


# --- Text and streams -----------------------------------------------------------------------

def find_enhanced(text, /):
    cdef bytes data = octets(text)
    cdef const uint8_t *bytes_ = <const uint8_t *>PyBytes_AS_STRING(data)
    return enhanced_of(scan_find_enhanced(bytes_, PyBytes_GET_SIZE(data)))


cdef object join(tuple lines):
    PyObject_GC_UnTrack(<PyObject *>lines)  # as with the records in it
    cdef Py_ssize_t index = PyTuple_GET_SIZE(lines) - 1
    cdef PyObject *last = PyTuple_GET_ITEM(lines, index)
    cdef PyObject *enhanced = PyTuple_GET_ITEM(<object>last, 3)
    while index > 0 and <object>enhanced is None:
        index -= 1
        enhanced = PyTuple_GET_ITEM(<object>PyTuple_GET_ITEM(lines, index), 3)
    record = allocate(reply_type, 4)
    put(record, 0, <object>PyTuple_GET_ITEM(<object>last, 0))
    put(record, 1, <object>PyTuple_GET_ITEM(<object>last, 1))
    put(record, 2, <object>enhanced)
    put(record, 3, lines)
    return record


cdef class StreamState:
    cdef public Py_ssize_t max_line_bytes, max_lines, max_reply_bytes
    cdef bytearray _partial
    cdef PyObject **_lines  # owned; a list would be freed and made anew with every reply
    cdef Py_ssize_t _count, _room
    cdef Py_ssize_t _size
    cdef bint _failed

    def __init__(
        self,
        *,
        max_line_bytes=MAX_LINE_BYTES,
        max_lines=MAX_LINES,
        max_reply_bytes=MAX_REPLY_BYTES,
    ):
        self.max_line_bytes = limit("max_line_bytes", max_line_bytes)
        self.max_lines = limit("max_lines", max_lines)
        self.max_reply_bytes = limit("max_reply_bytes", max_reply_bytes)
        self.forget()

    def __cinit__(self, *args, **limits):
        self.forget()

    def __reduce__(self):
        raise TypeError("a parser belongs to its connection: it can be neither copied nor pickled")

    def __dealloc__(self):
        self.drop_lines()

    cdef drop_lines(self):
        while self._count:
            self._count -= 1
            Py_DECREF(<object>self._lines[self._count])
        PyMem_Free(self._lines)
        self._lines = NULL
        self._room = 0

    cdef keep_line(self, line):
        if self._count == self._room:
            room = self._room * 2 or 4
            lines = <PyObject **>PyMem_Realloc(self._lines, room * sizeof(PyObject *))
            if lines is NULL:
                raise MemoryError
            self._lines = lines
            self._room = room
        Py_INCREF(line)
        self._lines[self._count] = <PyObject *>line
        self._count += 1

    cdef tuple take_lines(self, last):
        cdef Py_ssize_t index
        lines = PyTuple_New(self._count + 1)
        if PyTuple_GET_SIZE(lines) != self._count + 1:
            raise RuntimeError("a finalizer has used the parser that it interrupted")
        for index in range(self._count):
            steal(lines, index, self._lines[index])
        put(lines, self._count, last)
        self._count = 0
        if self._room > 16:
            self.drop_lines()
        return lines

    cdef forget(self):
        self.drop_lines()
        self._partial = bytearray()
        self._size = 0
        self._failed = False

    @cython.critical_section
    def reset(self):
        self.forget()

    @cython.critical_section
    def close(self):
        cdef bint was_cut = self._failed or self._size or PyByteArray_GET_SIZE(self._partial)
        self.forget()
        return was_cut

    @property
    def buffered(self):
        return self._size + PyByteArray_GET_SIZE(self._partial)

    @cython.critical_section
    def feed(self, data, /):
        if not PyBytes_CheckExact(data):
            data = octets(data)
        if self._failed:
            raise SmtpFastError("the parser met an error before: reset() it first")
        cdef bytes source = data, raw
        cdef const uint8_t *base = <const uint8_t *>PyBytes_AS_STRING(source)
        cdef const uint8_t *found
        cdef Py_ssize_t start = 0, stop = PyBytes_GET_SIZE(source), end, length, room
        cdef list replies = None  # an empty list that grows costs one allocation more
        self._failed = True
        while True:
            found = NULL
            if start < stop:
                found = <const uint8_t *>memchr(base + start, 10, stop - start)
            end = found - base + 1 if found is not NULL else stop
            length = PyByteArray_GET_SIZE(self._partial) + end - start
            room = self.max_reply_bytes - self._size
            if length > self.max_line_bytes and self.max_line_bytes <= room:
                raise ReplyTooLarge("max_line_bytes", self.max_line_bytes, replies or [])
            if length > room:
                raise ReplyTooLarge("max_reply_bytes", self.max_reply_bytes, replies or [])
            if found is NULL:
                if start < stop:
                    self._partial += source[start:]
                break
            if PyByteArray_GET_SIZE(self._partial):
                raw = bytes(self._partial) + source[start:end]
                PyByteArray_Resize(self._partial, 0)
                line = reply_line(<const uint8_t *>PyBytes_AS_STRING(raw), 0, PyBytes_GET_SIZE(raw))
            else:
                raw = None
                line = reply_line(base, start, end)
            if PyTuple_GET_ITEM(line, 0) == codes[MALFORMED_SLOT]:
                raise ReplySyntaxError(source[start:end] if raw is None else raw, replies or [])
            if <object>PyTuple_GET_ITEM(line, 2) is True:
                if self._count:
                    reply = join(self.take_lines(line))
                    self._size = 0
                else:
                    reply = join((line,))
                if replies is None:
                    replies = [reply]
                else:
                    replies.append(reply)
            else:
                self.keep_line(line)
                self._size += length
                if self._count >= self.max_lines:
                    raise ReplyTooLarge("max_lines", self.max_lines, replies or [])
            start = end
        self._failed = False
        return [] if replies is None else replies


adopt_documentation()
