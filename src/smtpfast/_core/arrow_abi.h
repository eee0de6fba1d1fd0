/* Arrow's C data and C stream interfaces, and tables of ours that go out through them.

   https://arrow.apache.org/docs/format/CDataInterface.html, …/CStreamInterface.html. The callbacks
   here know nothing of Python: whoever has taken an array may release it in any thread. */

#ifndef SMTPFAST_ARROW_ABI_H
#define SMTPFAST_ARROW_ABI_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4
struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};
#endif

/* Counts are of the type long long. */
#ifdef _MSC_VER
#define ARROW_ADD(count, number) (_InterlockedExchangeAdd64(count, number) + (number))
#else
#define ARROW_ADD(count, number) __atomic_add_fetch(count, number, __ATOMIC_ACQ_REL)
#endif

static inline int arrow_bit(const uint8_t *bits, int64_t index) {
    return bits[index >> 3] >> (index & 7) & 1;
}

/* --- Memory --------------------------------------------------------------------------------- */

/* Fresh memory costs a page fault every 4 KiB, which takes longer than to fill it: some of what is
   given back is kept for the next table. */
enum { ARROW_ALIGNMENT = 64, ARROW_SPARES = 24, ARROW_SMALLEST_SPARE = 1 << 16 };
#define ARROW_MOST_SPARE ((int64_t)64 << 20) /* bytes, of all together */

/* What stands in front of the bytes. */
typedef struct {
    void *allocated;
    int64_t size;
} arrow_memory;
static void *arrow_spares[ARROW_SPARES];
static long long arrow_spare_bytes;

static inline arrow_memory *arrow_memory_of(void *bytes) { return (arrow_memory *)bytes - 1; }

static void arrow_free(void *bytes) {
    if (bytes) free(arrow_memory_of(bytes)->allocated);
}

static void arrow_give(void *bytes) {
    const int64_t size = bytes ? arrow_memory_of(bytes)->size : 0;
    if (size >= ARROW_SMALLEST_SPARE) {
        if (ARROW_ADD(&arrow_spare_bytes, size) > ARROW_MOST_SPARE) {
            ARROW_ADD(&arrow_spare_bytes, -size);
        } else {
            for (int spare = 0; bytes && spare < ARROW_SPARES; spare++)
                bytes = scan_swap(&arrow_spares[spare], bytes);
            if (bytes) ARROW_ADD(&arrow_spare_bytes, -arrow_memory_of(bytes)->size);
        }
    }
    arrow_free(bytes);
}

/* At least `size` bytes with anything in them, NULL for want of memory. */
static void *arrow_take(int64_t size) {
    void *allocated;
    uint8_t *bytes;
    for (int spare = 0; size >= ARROW_SMALLEST_SPARE && spare < ARROW_SPARES; spare++) {
        void *kept = scan_swap(&arrow_spares[spare], NULL);
        if (!kept) continue;
        ARROW_ADD(&arrow_spare_bytes, -arrow_memory_of(kept)->size);
        if (arrow_memory_of(kept)->size >= size && arrow_memory_of(kept)->size / 4 <= size)
            return kept;
        ARROW_ADD(&arrow_spare_bytes, arrow_memory_of(kept)->size);
        kept = scan_swap(&arrow_spares[spare], kept);
        if (kept) ARROW_ADD(&arrow_spare_bytes, -arrow_memory_of(kept)->size);
        arrow_free(kept);
    }
    allocated = malloc((size_t)size + 2 * ARROW_ALIGNMENT);
    if (!allocated) return NULL;
    scan_prefer_large_pages(allocated, size);
    bytes = (uint8_t *)allocated + ARROW_ALIGNMENT;
    bytes += -(uintptr_t)bytes & (ARROW_ALIGNMENT - 1);
    arrow_memory_of(bytes)->allocated = allocated;
    arrow_memory_of(bytes)->size = size;
    return bytes;
}

/* Memory for `size` bytes and some more, with the `old` ones that were there; 0 for want of it. */
static int arrow_grow(void *place, int64_t old, int64_t size, int is_cleared) {
    void *before;
    uint8_t *bytes = arrow_take(size + ARROW_ALIGNMENT);
    if (!bytes) return 0;
    memcpy(&before, place, sizeof before);
    if (before) memcpy(bytes, before, (size_t)old);
    if (is_cleared) memset(bytes + old, 0, (size_t)(size + ARROW_ALIGNMENT - old));
    arrow_give(before);
    memcpy(place, &bytes, sizeof bytes);
    return 1;
}

/* --- Tables --------------------------------------------------------------------------------- */

/* The words of a dictionary, as utf8 has them, and metadata that tell them. */
typedef struct {
    long long references;
    int64_t count;
    int32_t *offsets;
    uint8_t *data;
    char *metadata;
} arrow_words;

static arrow_words *arrow_new_words(int64_t count, int64_t size, int64_t metadata_size) {
    const size_t places = (size_t)(count + 1) * sizeof(int32_t);
    arrow_words *words = calloc(1, sizeof *words + places + (size_t)(size + metadata_size));
    if (!words) return NULL;
    words->references = 1;
    words->count = count;
    words->offsets = (int32_t *)(words + 1);
    words->data = (uint8_t *)words->offsets + places;
    words->metadata = (char *)words->data + size;
    return words;
}

static void arrow_drop_words(arrow_words *words) {
    if (words && ARROW_ADD(&words->references, -1) == 0) free(words);
}

typedef struct {
    int field;      /* what stands in it, if we fill it */
    char format[8]; /* of the indexes, where there are words */
    char *name;
    arrow_words *words;
    int has_metadata; /* whether the words are told in the schema, too */
    int validity;     /* the number of its bitmap, which others may share */
    uint8_t *values;
    void *offsets;      /* of 32 or 64 bits, as the format says */
    int64_t size, room; /* in bytes, of the values of texts */
} arrow_column;

typedef struct {
    uint8_t *bits;
    int64_t nulls;
} arrow_validity;

/* A record batch. Each array that has gone out holds a reference. */
typedef struct {
    long long references;
    int64_t rows, room;
    int count, validity_count;
    arrow_column *columns;
    arrow_validity *validities;
} arrow_batch;

/* The bytes of an offset, 0 for what has none. */
static inline int64_t arrow_offset_size(const char *format) {
    return *format == 'u' || *format == 'z' ? 4 : *format == 'U' || *format == 'Z' ? 8 : 0;
}

/* The bytes that so many values take: of texts none. */
static inline int64_t arrow_values_size(const char *format, int64_t rows) {
    switch (*format) {
    case 'b':
        return (rows + 7) / 8;
    case 'c':
    case 'C':
        return rows;
    case 's':
        return 2 * rows;
    case 'i':
        return 4 * rows;
    case 'l':
    case 'g':
    case 't':
        return 8 * rows;
    case 'v':
        return 16 * rows;
    default:
        return 0;
    }
}

static void arrow_drop_batch(arrow_batch *batch) {
    if (!batch || ARROW_ADD(&batch->references, -1)) return;
    for (int number = 0; number < batch->count; number++) {
        arrow_column *column = &batch->columns[number];
        arrow_drop_words(column->words);
        free(column->name);
        arrow_give(column->values);
        arrow_give(column->offsets);
    }
    for (int number = 0; number < batch->validity_count; number++)
        arrow_give(batch->validities[number].bits);
    free(batch->columns);
    free(batch->validities);
    free(batch);
}

/* NULL for want of memory. */
static arrow_batch *arrow_new_batch(int count, int validity_count) {
    arrow_batch *batch = calloc(1, sizeof *batch);
    if (!batch) return NULL;
    batch->references = 1;
    batch->columns = calloc((size_t)count + 1, sizeof *batch->columns);
    batch->validities = calloc((size_t)validity_count + 1, sizeof *batch->validities);
    if (batch->columns && batch->validities) {
        batch->count = count;
        batch->validity_count = validity_count;
        return batch;
    }
    arrow_drop_batch(batch);
    return NULL;
}

/* Takes a reference to the words, which may be NULL; 0 for want of memory. */
static int arrow_set_column(arrow_column *column, int field, const char *format, const char *name,
                            arrow_words *words, int validity) {
    const size_t size = strlen(name) + 1;
    column->field = field;
    snprintf(column->format, sizeof column->format, "%s", format);
    if (words) ARROW_ADD(&words->references, 1);
    column->words = words;
    column->validity = validity;
    column->name = malloc(size);
    if (column->name) memcpy(column->name, name, size);
    return column->name != NULL;
}

/* An empty batch with the same columns. */
static arrow_batch *arrow_new_batch_like(const arrow_batch *batch) {
    arrow_batch *made = arrow_new_batch(batch->count, batch->validity_count);
    for (int number = 0; made && number < batch->count; number++) {
        const arrow_column *column = &batch->columns[number];
        if (!arrow_set_column(&made->columns[number], column->field, column->format, column->name,
                              column->words, column->validity)) {
            arrow_drop_batch(made);
            made = NULL;
        } else {
            made->columns[number].has_metadata = column->has_metadata;
        }
    }
    return made;
}

/* Room for so many rows, of which texts take none; 0 for want of memory. */
static int arrow_reserve(arrow_batch *batch, int64_t rows) {
    const int64_t old = batch->room;
    int64_t room = old + old / 2;
    if (rows <= old && old) return 1;
    if (rows > INT64_MAX / 64) return 0;
    room = ((room > rows ? room : rows) + 63) & ~(int64_t)63;
    for (int number = 0; number < batch->count; number++) {
        arrow_column *column = &batch->columns[number];
        const char *format = column->format;
        const int64_t offset = arrow_offset_size(format);
        const int64_t was = arrow_values_size(format, old), size = arrow_values_size(format, room);
        if (offset) {
            if (!arrow_grow(&column->offsets, old ? offset * (old + 1) : 0, offset * (room + 1), 0))
                return 0;
            if (!old) memset(column->offsets, 0, (size_t)offset);
        }
        if (size && !arrow_grow(&column->values, was, size, *format == 'b')) return 0;
        if (!size && !column->values && !arrow_grow(&column->values, 0, 0, 1)) return 0;
    }
    for (int number = 0; number < batch->validity_count; number++)
        if (!arrow_grow(&batch->validities[number].bits, old / 8, room / 8, 1)) return 0;
    batch->room = room;
    return 1;
}

/* Room for so many more bytes of texts. */
static inline int arrow_reserve_text(arrow_column *column, int64_t more) {
    if (column->size + more <= column->room) return 1;
    if (!arrow_grow(&column->values, column->size, column->size + more + column->room / 2, 0))
        return 0;
    column->room = column->size + more + column->room / 2;
    return 1;
}

/* --- Arrays that go out --------------------------------------------------------------------- */

typedef struct {
    arrow_batch *batch;
    const void *buffers[3];
    struct ArrowArray dictionary,
        *pointers_to; /* the children, of which `pointers` points to each */
    struct ArrowArray **pointers;
} arrow_sent;

static void arrow_release_array(struct ArrowArray *array) {
    arrow_sent *sent = array->private_data;
    for (int64_t number = 0; number < array->n_children; number++)
        if (array->children[number]->release)
            array->children[number]->release(array->children[number]);
    if (array->dictionary && array->dictionary->release)
        array->dictionary->release(array->dictionary);
    arrow_drop_batch(sent->batch);
    free(sent);
    array->release = NULL;
}

/* An array with room for so many children, which are not there yet; 0 for want of memory. */
static int arrow_open_array(struct ArrowArray *array, arrow_batch *batch, int64_t children) {
    const size_t each = sizeof(struct ArrowArray) + sizeof(struct ArrowArray *);
    arrow_sent *sent = calloc(1, sizeof *sent + (size_t)children * each);
    memset(array, 0, sizeof *array);
    if (!sent) return 0;
    sent->batch = batch;
    ARROW_ADD(&batch->references, 1);
    sent->pointers_to = (struct ArrowArray *)(sent + 1);
    sent->pointers = (struct ArrowArray **)(sent->pointers_to + children);
    for (int64_t number = 0; number < children; number++)
        sent->pointers[number] = &sent->pointers_to[number];
    array->buffers = sent->buffers;
    array->children = children ? sent->pointers : NULL;
    array->private_data = sent;
    array->release = arrow_release_array;
    return 1;
}

static int arrow_send_words(struct ArrowArray *array, arrow_batch *batch,
                            const arrow_words *words) {
    if (!arrow_open_array(array, batch, 0)) return 0;
    array->length = words->count;
    array->n_buffers = 3;
    array->buffers[1] = words->offsets;
    array->buffers[2] = words->data;
    return 1;
}

/* A column; 0 for want of memory, and nothing is left behind. */
static int arrow_send_column(struct ArrowArray *array, arrow_batch *batch, int number) {
    const arrow_column *column = &batch->columns[number];
    const arrow_validity *validity = &batch->validities[column->validity];
    if (!arrow_open_array(array, batch, 0)) return 0;
    array->length = batch->rows;
    array->null_count = validity->nulls;
    array->buffers[0] = validity->nulls ? validity->bits : NULL;
    if (arrow_offset_size(column->format)) {
        array->n_buffers = 3;
        array->buffers[1] = column->offsets;
        array->buffers[2] = column->values;
    } else {
        array->n_buffers = *column->format == 'v' ? 3 : 2; /* no text is outside its view */
        array->buffers[1] = column->values;
        array->buffers[2] = column->values;
    }
    if (column->words) {
        array->dictionary = &((arrow_sent *)array->private_data)->dictionary;
        if (!arrow_send_words(array->dictionary, batch, column->words)) {
            array->dictionary = NULL;
            array->release(array);
            return 0;
        }
    }
    return 1;
}

/* The whole batch, as a struct; 0 for want of memory. */
static int arrow_send_batch(struct ArrowArray *array, arrow_batch *batch) {
    if (!arrow_open_array(array, batch, batch->count)) return 0;
    array->length = batch->rows;
    array->n_buffers = 1;
    for (int number = 0; number < batch->count; number++) {
        if (!arrow_send_column(array->children[number], batch, number)) {
            array->release(array);
            return 0;
        }
        array->n_children++;
    }
    return 1;
}

/* --- Schemas that go out -------------------------------------------------------------------- */

typedef struct {
    struct ArrowSchema dictionary, *own;
    struct ArrowSchema **pointers;
    arrow_words *words; /* whose metadata are told */
    char format[8];
    char name[]; /* behind the children */
} arrow_told;

static void arrow_release_schema(struct ArrowSchema *schema) {
    arrow_told *told = schema->private_data;
    for (int64_t number = 0; number < schema->n_children; number++)
        if (schema->children[number]->release)
            schema->children[number]->release(schema->children[number]);
    if (schema->dictionary && schema->dictionary->release)
        schema->dictionary->release(schema->dictionary);
    arrow_drop_words(told->words);
    free(told->pointers);
    free(told);
    schema->release = NULL;
}

static int arrow_open_schema(struct ArrowSchema *schema, const char *format, const char *name,
                             int64_t children) {
    const size_t size = strlen(name) + 1;
    arrow_told *told = calloc(1, sizeof *told + size);
    memset(schema, 0, sizeof *schema);
    if (!told) return 0;
    told->pointers = calloc((size_t)children + 1, sizeof(struct ArrowSchema *) + sizeof *schema);
    if (!told->pointers) {
        free(told);
        return 0;
    }
    told->own = (struct ArrowSchema *)(told->pointers + children + 1);
    for (int64_t number = 0; number < children; number++)
        told->pointers[number] = &told->own[number];
    snprintf(told->format, sizeof told->format, "%s", format);
    memcpy(told->name, name, size);
    schema->format = told->format;
    schema->name = told->name;
    schema->flags = ARROW_FLAG_NULLABLE;
    schema->children = children ? told->pointers : NULL;
    schema->private_data = told;
    schema->release = arrow_release_schema;
    return 1;
}

static int arrow_tell_column(struct ArrowSchema *schema, const arrow_column *column) {
    if (!arrow_open_schema(schema, column->format, column->name, 0)) return 0;
    if (column->words) {
        arrow_told *told = schema->private_data;
        if (column->has_metadata) {
            told->words = column->words;
            ARROW_ADD(&told->words->references, 1);
            schema->metadata = told->words->metadata;
        }
        schema->dictionary = &told->dictionary;
        if (!arrow_open_schema(schema->dictionary, "u", "", 0)) {
            schema->dictionary = NULL;
            schema->release(schema);
            return 0;
        }
    }
    return 1;
}

/* Of a batch, as a struct; 0 for want of memory. */
static int arrow_tell_batch(struct ArrowSchema *schema, const arrow_batch *batch) {
    if (!arrow_open_schema(schema, "+s", "", batch->count)) return 0;
    schema->flags = 0;
    for (int number = 0; number < batch->count; number++) {
        if (!arrow_tell_column(schema->children[number], &batch->columns[number])) {
            schema->release(schema);
            return 0;
        }
        schema->n_children++;
    }
    return 1;
}

#endif
