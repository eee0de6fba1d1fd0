/* Streams of Arrow: a batch that is there, and a source's batches with columns of ours behind them.

   The callbacks run in whatever thread the consumer has, without Python. */

#ifndef SMTPFAST_ARROW_STREAM_H
#define SMTPFAST_ARROW_STREAM_H

#include <errno.h>

#include "arrow_replies.h"

/* --- One batch ------------------------------------------------------------------------------ */

typedef struct {
    arrow_batch *batch;
    int is_sent;
} arrow_single;

static int arrow_single_schema(struct ArrowArrayStream *stream, struct ArrowSchema *schema) {
    const arrow_single *single = stream->private_data;
    return arrow_tell_batch(schema, single->batch) ? 0 : ENOMEM;
}

static int arrow_single_next(struct ArrowArrayStream *stream, struct ArrowArray *array) {
    arrow_single *single = stream->private_data;
    if (single->is_sent) {
        memset(array, 0, sizeof *array);
        return 0;
    }
    if (!arrow_send_batch(array, single->batch)) return ENOMEM;
    single->is_sent = 1;
    return 0;
}

static const char *arrow_no_error(struct ArrowArrayStream *stream) {
    (void)stream;
    return NULL;
}

static void arrow_single_release(struct ArrowArrayStream *stream) {
    arrow_single *single = stream->private_data;
    arrow_drop_batch(single->batch);
    free(single);
    stream->release = NULL;
}

/* 0 for want of memory. */
static int arrow_open_single(struct ArrowArrayStream *stream, arrow_batch *batch) {
    arrow_single *single = calloc(1, sizeof *single);
    if (!single) return 0;
    single->batch = batch;
    ARROW_ADD(&batch->references, 1);
    stream->get_schema = arrow_single_schema;
    stream->get_next = arrow_single_next;
    stream->get_last_error = arrow_no_error;
    stream->release = arrow_single_release;
    stream->private_data = single;
    return 1;
}

/* --- A source and more ---------------------------------------------------------------------- */

/* Objects of Python that nobody needs any more, for a thread that may drop them. */
typedef struct arrow_left {
    void *object;
    struct arrow_left *next;
} arrow_left;
static arrow_left *arrow_all_left;

static void arrow_leave(arrow_left *left) {
    if (!left) return;
#ifdef _MSC_VER
    do {
        left->next = arrow_all_left;
    } while (_InterlockedCompareExchangePointer((void **)&arrow_all_left, left, left->next) !=
             left->next);
#else
    left->next = __atomic_load_n(&arrow_all_left, __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(&arrow_all_left, &left->next, left, 0, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
    }
#endif
}

typedef struct {
    struct ArrowArrayStream source;
    struct ArrowSchema column; /* of the source's schema, as it was when the stream was opened */
    int64_t number;            /* of the column */
    int64_t column_count;
    arrow_batch *like; /* an empty one */
    arrow_work *work;
    arrow_left *left; /* what the work points into */
    char error[320];
} arrow_wide;

static void arrow_free_work(arrow_work *work) {
    if (work) meaning_free_scratch(work->scratch);
    free(work);
}

static void arrow_wide_free(arrow_wide *wide) {
    if (wide->source.release) wide->source.release(&wide->source);
    if (wide->column.release) wide->column.release(&wide->column);
    arrow_drop_batch(wide->like);
    arrow_free_work(wide->work);
    arrow_leave(wide->left);
    free(wide);
}

static void arrow_wide_release(struct ArrowArrayStream *stream) {
    arrow_wide_free(stream->private_data);
    stream->release = NULL;
}

static const char *arrow_wide_error(struct ArrowArrayStream *stream) {
    const arrow_wide *wide = stream->private_data;
    return wide->error[0] ? wide->error : NULL;
}

/* Says why; returns the code. */
static int arrow_wide_fail(arrow_wide *wide, int code, const char *words) {
    snprintf(wide->error, sizeof wide->error, "%s", words && *words ? words : strerror(code));
    return code;
}

static int arrow_source_failed(arrow_wide *wide, int code) {
    const char *words =
        wide->source.get_last_error ? wide->source.get_last_error(&wide->source) : NULL;
    return arrow_wide_fail(wide, code, words);
}

/* A schema or an array with all children of the source's own, and ours. `root` is the source's. */
typedef struct {
    struct ArrowSchema root, own;
    struct ArrowSchema *children[];
} arrow_wide_schema;

static void arrow_release_wide_schema(struct ArrowSchema *schema) {
    arrow_wide_schema *both = schema->private_data;
    if (both->own.release) both->own.release(&both->own);
    both->root.release(&both->root);
    free(both);
    schema->release = NULL;
}

static int arrow_wide_schema_of(struct ArrowArrayStream *stream, struct ArrowSchema *schema) {
    arrow_wide *wide = stream->private_data;
    const int64_t ours = wide->like->count;
    struct ArrowSchema root;
    arrow_wide_schema *both;
    const int code = wide->source.get_schema(&wide->source, &root);
    if (code) return arrow_source_failed(wide, code);
    if (!root.release || root.n_children != wide->column_count ||
        (root.n_children && !root.children)) {
        if (root.release) root.release(&root);
        return arrow_wide_fail(wide, EINVAL, "the source has changed its schema");
    }
    both = calloc(1, sizeof *both + (size_t)(root.n_children + ours) * sizeof *both->children);
    if (!both || !arrow_tell_batch(&both->own, wide->like)) {
        free(both);
        root.release(&root);
        return arrow_wide_fail(wide, ENOMEM, NULL);
    }
    both->root = root;
    for (int64_t child = 0; child < root.n_children; child++)
        both->children[child] = root.children[child];
    for (int64_t child = 0; child < ours; child++)
        both->children[root.n_children + child] = both->own.children[child];
    *schema = root; /* format, name, metadata, flags */
    schema->n_children = root.n_children + ours;
    schema->children = both->children;
    schema->private_data = both;
    schema->release = arrow_release_wide_schema;
    return 0;
}

typedef struct {
    struct ArrowArray root, own;
    const void *buffers[1];
    struct ArrowArray *children[];
} arrow_wide_array;

static void arrow_release_wide_array(struct ArrowArray *array) {
    arrow_wide_array *both = array->private_data;
    if (both->own.release) both->own.release(&both->own);
    both->root.release(&both->root);
    free(both);
    array->release = NULL;
}

/* Whether a batch is as its schema says, and a table: no row of it is null as a whole. */
static int arrow_is_batch(const struct ArrowArray *batch, int64_t columns, arrow_error *error) {
    if (!arrow_is_sound(batch, error)) return 0;
    if (batch->n_children != columns || (columns && !batch->children))
        return arrow_fail(error, "a batch of %lld columns, where the schema has %lld",
                          (long long)batch->n_children, (long long)columns);
    for (int64_t number = 0; number < columns; number++) {
        const struct ArrowArray *child = batch->children[number];
        if (!child) return arrow_fail(error, "a batch without its column %lld", (long long)number);
        if (!arrow_is_sound(child, error)) return 0;
        if (child->length < batch->offset + batch->length)
            return arrow_fail(error, "a column of %lld rows in a batch of %lld",
                              (long long)child->length, (long long)(batch->offset + batch->length));
    }
    return 1;
}

static int arrow_wide_next(struct ArrowArrayStream *stream, struct ArrowArray *array) {
    arrow_wide *wide = stream->private_data;
    struct ArrowArray root;
    struct ArrowArray *child;
    arrow_wide_array *both = NULL;
    arrow_batch *batch = NULL;
    arrow_cells cells;
    arrow_error *error = &wide->work->error;
    int code = wide->source.get_next(&wide->source, &root);
    if (code) return arrow_source_failed(wide, code);
    if (!root.release) { /* the end */
        memset(array, 0, sizeof *array);
        return 0;
    }
    error->words[0] = 0;
    code = EINVAL;
    if (!arrow_is_batch(&root, wide->column_count, error)) goto failed;
    if (root.n_buffers > 0 && root.buffers[0] && root.null_count) {
        for (int64_t row = 0; row < root.length; row++)
            if (!arrow_bit(root.buffers[0], root.offset + row)) {
                arrow_fail(error, "a null in the place of a row: a stream of batches is expected");
                goto failed;
            }
    }
    for (int64_t number = 0; root.offset && number < root.n_children; number++) {
        child = root.children[number]; /* which is ours by now */
        child->offset += root.offset;
        child->length = root.length;
        if (child->null_count) child->null_count = -1;
    }
    root.offset = 0;
    if (!arrow_open_cells(&cells, &wide->column, root.children[wide->number], error)) goto failed;
    cells.length = root.length;
    batch = arrow_new_batch_like(wide->like);
    both = calloc(1, sizeof *both +
                         (size_t)(root.n_children + wide->like->count) * sizeof *both->children);
    if (!batch || !both || !arrow_fill(wide->work, &cells, batch) ||
        !arrow_send_batch(&both->own, batch)) {
        if (!error->words[0]) code = ENOMEM;
        goto failed;
    }
    arrow_drop_batch(batch);
    both->root = root;
    for (int64_t number = 0; number < root.n_children; number++)
        both->children[number] = root.children[number];
    for (int number = 0; number < wide->like->count; number++)
        both->children[root.n_children + number] = both->own.children[number];
    memset(array, 0, sizeof *array);
    array->length = root.length;
    array->n_buffers = 1;
    array->buffers = both->buffers;
    array->n_children = root.n_children + wide->like->count;
    array->children = both->children;
    array->private_data = both;
    array->release = arrow_release_wide_array;
    return 0;
failed:
    arrow_drop_batch(batch);
    free(both);
    if (root.release) root.release(&root);
    return arrow_wide_fail(wide, code, error->words);
}

static void arrow_open_wide(struct ArrowArrayStream *stream, arrow_wide *wide) {
    stream->get_schema = arrow_wide_schema_of;
    stream->get_next = arrow_wide_next;
    stream->get_last_error = arrow_wide_error;
    stream->release = arrow_wide_release;
    stream->private_data = wide;
}

#endif
