# What both compiled modules make results with.

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

cdef extern from *:
    """
    /* An instance of a tuple's subclass that skips __new__; the caller fills it at once. The
       garbage collector need not know it: what a record holds cannot hold the record. */
    static inline PyObject *allocate(PyObject *type, Py_ssize_t size) {
        PyTupleObject *record = PyObject_GC_NewVar(PyTupleObject, (PyTypeObject *)type, size);
    #if PY_VERSION_HEX >= 0x030E0000
        if (record != NULL) record->ob_hash = -1; /* not computed yet */
    #endif
        return (PyObject *)record;
    }
    #define steal(record, index, value) PyTuple_SET_ITEM((record), (index), (value))
    """
    object allocate(object type, Py_ssize_t size)
    void steal(object record, Py_ssize_t index, PyObject *value)

cdef extern from "scan.h" nogil:
    bint scan_is_ascii(const uint8_t *data, int64_t size)

cdef extern from "Python.h":
    void *PyUnicode_DATA(object)
    object PyUnicode_New(Py_ssize_t, Py_UCS4)
    ctypedef struct PyMethodDef:
        const char *ml_doc
    ctypedef struct PyCFunctionObject:
        PyMethodDef *m_ml
    ctypedef struct PyMethodDescrObject:
        PyMethodDef *d_method


cdef inline object put(object record, Py_ssize_t index, object value):
    Py_INCREF(value)
    PyTuple_SET_ITEM(record, index, value)


cdef inline object decode(const uint8_t *data, Py_ssize_t size):
    """As UTF-8 with surrogateescape; ASCII, which nearly all texts are, without asking a codec."""
    if size < 2 or not scan_is_ascii(data, size):  # CPython keeps the shortest itself
        return PyUnicode_DecodeUTF8(<const char *>data, size, "surrogateescape")
    text = PyUnicode_New(size, 127)
    memcpy(PyUnicode_DATA(text), data, size)
    return text
