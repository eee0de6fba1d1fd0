/* The cells of a column of texts that somebody has given by Arrow's C data interface.

   Nothing is believed that can be checked: formats, numbers of buffers and children, and for each
   cell its offsets, its view or its index. What cannot be checked is how large the buffers are. */

#ifndef SMTPFAST_ARROW_CELLS_H
#define SMTPFAST_ARROW_CELLS_H

#include <stdarg.h>

#include "arrow_abi.h"

/* What went wrong, in words; "": for want of memory. */
typedef struct {
    char words[256];
    int is_of_type; /* what is given is of a type that is not taken */
} arrow_error;

/* Says what is wrong; returns 0. */
static int arrow_fail(arrow_error *error, const char *format, ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(error->words, sizeof error->words, format, values);
    va_end(values);
    return 0;
}

typedef enum { ARROW_OFFSETS_32, ARROW_OFFSETS_64, ARROW_VIEWS } arrow_layout;

typedef struct {
    int64_t length;
    int is_octets;
    /* The rows: bits that say which are there, or NULL, and where they begin. */
    const uint8_t *valid, *outer_valid;
    int64_t offset, outer_offset;
    /* Of a dictionary: its numbers, and the bits of its values. */
    char index_format; /* 0: none */
    const void *indexes;
    const uint8_t *value_valid;
    /* The values, from `first` on. */
    arrow_layout layout;
    int64_t first, count;
    const void *offsets; /* or views */
    const uint8_t *data;
    int64_t last; /* where the data of the last value ends */
    const void *const *pieces;
    const int64_t *piece_sizes;
    int64_t piece_count;
} arrow_cells;

/* The layout of a format, or -1. */
static int arrow_layout_of(const char *format, int *is_octets) {
    if (!format) return -1;
    *is_octets = strchr("zZ", *format) != NULL || strcmp(format, "vz") == 0;
    if (strcmp(format, "u") == 0 || strcmp(format, "z") == 0) return ARROW_OFFSETS_32;
    if (strcmp(format, "U") == 0 || strcmp(format, "Z") == 0) return ARROW_OFFSETS_64;
    if (strcmp(format, "vu") == 0 || strcmp(format, "vz") == 0) return ARROW_VIEWS;
    return -1;
}

/* Whether a schema is of a column that is taken; 0 and an error if it is not. */
static int arrow_is_column(const struct ArrowSchema *schema, int *is_octets, arrow_error *error) {
    const struct ArrowSchema *values = schema->dictionary ? schema->dictionary : schema;
    if (!schema->format) return arrow_fail(error, "a schema without a format");
    error->is_of_type = 1;
    if (schema->dictionary && (strlen(schema->format) != 1 || !strchr("cCsSiIlL", *schema->format)))
        return arrow_fail(error, "a dictionary with indexes of the format '%.40s'", schema->format);
    if (values->dictionary || arrow_layout_of(values->format, is_octets) < 0)
        return arrow_fail(error, "expected a column of texts or octets, not of the format '%.40s'",
                          values->format ? values->format : "");
    error->is_of_type = 0;
    return 1;
}

static int arrow_is_sound(const struct ArrowArray *array, arrow_error *error) {
    const int64_t most = (int64_t)1 << 40;
    if (!array->release) return arrow_fail(error, "an array that was released");
    if (array->length < 0 || array->offset < 0 || array->length > most || array->offset > most)
        return arrow_fail(error, "an array of the length %lld at the offset %lld",
                          (long long)array->length, (long long)array->offset);
    if (array->n_buffers < 0 || array->n_children < 0 || (array->n_buffers && !array->buffers))
        return arrow_fail(error, "an array without its buffers");
    return 1;
}

/* The layout is a constant where the time matters. */
static inline int64_t arrow_offset_at(const arrow_cells *cells, arrow_layout layout,
                                      int64_t index) {
    return layout == ARROW_OFFSETS_32 ? ((const int32_t *)cells->offsets)[index]
                                      : ((const int64_t *)cells->offsets)[index];
}

/* The values of a column or of a dictionary. */
static int arrow_open_values(arrow_cells *cells, const struct ArrowSchema *schema,
                             const struct ArrowArray *array, arrow_error *error) {
    const int is_view =
        (cells->layout = (arrow_layout)arrow_layout_of(schema->format, &cells->is_octets)) ==
        ARROW_VIEWS;
    if (!arrow_is_sound(array, error)) return 0;
    if (is_view ? array->n_buffers < 3 : array->n_buffers != 3)
        return arrow_fail(error, "an array of the format '%s' with %lld buffers", schema->format,
                          (long long)array->n_buffers);
    cells->first = array->offset;
    cells->count = array->length;
    cells->offsets = array->buffers[1];
    if (array->length && !cells->offsets) return arrow_fail(error, "an array without its offsets");
    if (is_view) {
        cells->piece_count = array->n_buffers - 3;
        cells->pieces = array->buffers + 2;
        cells->piece_sizes = array->buffers[array->n_buffers - 1];
        if (cells->piece_count && !cells->piece_sizes)
            return arrow_fail(error, "an array of views without the sizes of its buffers");
        return 1;
    }
    cells->data = array->buffers[2];
    if (array->length)
        cells->last = arrow_offset_at(cells, cells->layout, cells->first + cells->count);
    if (cells->last < 0 || (cells->last && !cells->data))
        return arrow_fail(error, "an array whose data end at the offset %lld",
                          (long long)cells->last);
    return 1;
}

/* The cells of a column; 0 and an error if it is none. */
static int arrow_open_cells(arrow_cells *cells, const struct ArrowSchema *schema,
                            const struct ArrowArray *array, arrow_error *error) {
    memset(cells, 0, sizeof *cells);
    if (!arrow_is_column(schema, &cells->is_octets, error) || !arrow_is_sound(array, error))
        return 0;
    cells->length = array->length;
    cells->offset = array->offset;
    if (!schema->dictionary) {
        if (!arrow_open_values(cells, schema, array, error)) return 0;
        cells->valid = array->buffers[0];
        return 1;
    }
    if (array->n_buffers != 2 || !array->dictionary || (array->length && !array->buffers[1]))
        return arrow_fail(error, "an array of a dictionary without its indexes or its values");
    if (!arrow_open_values(cells, schema->dictionary, array->dictionary, error)) return 0;
    cells->valid = array->buffers[0];
    cells->value_valid = array->dictionary->buffers[0];
    cells->index_format = *schema->format;
    cells->indexes = array->buffers[1];
    return 1;
}

/* The cells that a table has in its rows: from its own offset on, and none where the row is null. */
static void arrow_set_rows(arrow_cells *cells, const struct ArrowArray *table) {
    cells->offset += table->offset;
    cells->length = table->length;
    if (!cells->index_format) {
        cells->first += table->offset;
        cells->count -= table->offset;
    }
    if (table->n_buffers > 0) cells->outer_valid = table->buffers[0];
    cells->outer_offset = table->offset;
}

/* --- Cells ---------------------------------------------------------------------------------- */

static inline int arrow_is_there(const arrow_cells *cells, int64_t row) {
    return (!cells->valid || arrow_bit(cells->valid, cells->offset + row)) &&
           (!cells->outer_valid || arrow_bit(cells->outer_valid, cells->outer_offset + row));
}

static inline int64_t arrow_index(const arrow_cells *cells, int64_t at) {
    switch (cells->index_format) {
    case 'c':
        return ((const int8_t *)cells->indexes)[at];
    case 'C':
        return ((const uint8_t *)cells->indexes)[at];
    case 's':
        return ((const int16_t *)cells->indexes)[at];
    case 'S':
        return ((const uint16_t *)cells->indexes)[at];
    case 'i':
        return ((const int32_t *)cells->indexes)[at];
    case 'I':
        return ((const uint32_t *)cells->indexes)[at];
    default: /* above 2^63 it is negative, and out of range as it should be */
        return ((const int64_t *)cells->indexes)[at];
    }
}

/* One value. `readable`: how many bytes may be read from its start. */
typedef struct {
    const uint8_t *at;
    int64_t size, readable;
} arrow_cell;

/* A view's first four bytes are in it. */
static inline const uint8_t *arrow_view(const arrow_cells *cells, int64_t value) {
    return (const uint8_t *)cells->offsets + 16 * (cells->first + value);
}

/* 0: what there is breaks the rules. */
static inline int arrow_get_view(const arrow_cells *cells, int64_t value, arrow_cell *cell) {
    const uint8_t *view = arrow_view(cells, value);
    int32_t parts[4];
    memcpy(parts, view, sizeof parts);
    cell->size = parts[0];
    if (parts[0] <= 12) {
        cell->at = view + 4;
        cell->readable = 12 + 16 * (cells->count - value - 1); /* the views behind it */
        return parts[0] >= 0;
    }
    if (parts[2] < 0 || parts[2] >= cells->piece_count || parts[3] < 0) return 0;
    cell->readable = cells->piece_sizes[parts[2]] - parts[3];
    cell->at = (const uint8_t *)cells->pieces[parts[2]] + parts[3];
    return cell->readable >= cell->size && cells->pieces[parts[2]] != NULL;
}

static inline int arrow_get_value(const arrow_cells *cells, arrow_layout layout, int64_t value,
                                  arrow_cell *cell) {
    int64_t start, end;
    if (layout == ARROW_VIEWS) return arrow_get_view(cells, value, cell);
    start = arrow_offset_at(cells, layout, cells->first + value);
    end = arrow_offset_at(cells, layout, cells->first + value + 1);
    if (start < 0 || start > end || end > cells->last) return 0;
    cell->at = cells->data + start;
    cell->size = end - start;
    cell->readable = cells->last - start;
    return 1;
}

/* The value in a row that is there; -1: null, for its value in the dictionary is; -2: out of range. */
static inline int64_t arrow_value_of(const arrow_cells *cells, int64_t row) {
    int64_t value;
    if (!cells->index_format) return row;
    value = arrow_index(cells, cells->offset + row);
    if (value < 0 || value >= cells->count) return -2;
    if (cells->value_valid && !arrow_bit(cells->value_valid, cells->first + value)) return -1;
    return value;
}

#endif
