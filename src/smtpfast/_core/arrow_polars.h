/* Expressions that Polars calls by itself, off the GIL: its plugin interface, version 0.1.

   Four symbols for each: see `register_plugin_function` of Polars and the crate pyo3-polars, whose
   structs these are. The interface is not documented for C and may change; smtpfast/polars.py asks
   for it and does without it. */

#ifndef SMTPFAST_ARROW_POLARS_H
#define SMTPFAST_ARROW_POLARS_H

#include "arrow_replies.h"

#ifdef _WIN32
#define ARROW_EXPORT __declspec(dllexport)
#else
#define ARROW_EXPORT __attribute__((visibility("default")))
#endif
#ifdef _MSC_VER
#define ARROW_OF_THREAD __declspec(thread)
#else
#define ARROW_OF_THREAD _Thread_local
#endif

/* A Series: a field and its chunks. */
typedef struct arrow_series {
    struct ArrowSchema *field;
    struct ArrowArray **arrays;
    size_t count;
    void (*release)(struct arrow_series *);
    void *private_data;
} arrow_series;

/* What the default classifier has; it stays for ever. `rules` is NULL until somebody has set it. */
typedef struct {
    const arrow_tables *tables;
    const meaning_rules *rules;
    arrow_names blocklists;
    arrow_words *reasons, *dispositions;
} arrow_defaults;
static arrow_defaults arrow_default;

static ARROW_OF_THREAD arrow_error arrow_last_error;

ARROW_EXPORT uint32_t _polars_plugin_get_version(void) { return 1; }
ARROW_EXPORT const char *_polars_plugin_get_last_error_message(void) {
    return arrow_last_error.words;
}

/* Polars has moved the arrays out: what holds them is left. */
static void arrow_release_series(arrow_series *series) {
    for (size_t number = 0; number < series->count; number++) free(series->arrays[number]);
    free(series->arrays);
    if (series->field->release) series->field->release(series->field);
    free(series->field);
    series->release = NULL;
}

/* A batch of one empty column; NULL for want of memory. */
static arrow_batch *arrow_polars_batch(int field, const char *name) {
    const char *format = field == ARROW_CODE ? "s" : field == ARROW_ENHANCED ? "vu" : "c";
    arrow_batch *batch = arrow_new_batch(1, ARROW_VALIDITIES);
    arrow_words *words = field == ARROW_REASON        ? arrow_default.reasons
                         : field == ARROW_DISPOSITION ? arrow_default.dispositions
                                                      : NULL;
    if (batch && !arrow_set_column(&batch->columns[0], field, format, name, words,
                                   arrow_validity_of(field))) {
        arrow_drop_batch(batch);
        return NULL;
    }
    if (batch) batch->columns[0].has_metadata = words != NULL;
    return batch;
}

static int arrow_tell_polars(struct ArrowSchema *schema, const struct ArrowSchema *given,
                             int field) {
    arrow_batch *batch;
    int is_octets = 0, is_good;
    memset(schema, 0, sizeof *schema);
    if (!arrow_is_column(given, &is_octets, &arrow_last_error)) return 0;
    batch = arrow_polars_batch(field, given->name ? given->name : "");
    is_good = batch && arrow_tell_column(schema, &batch->columns[0]);
    arrow_drop_batch(batch);
    return is_good || arrow_fail(&arrow_last_error, "out of memory");
}

/* One chunk; 0 and the last error if that cannot be. */
static int arrow_answer_chunk(arrow_work *work, int field, const struct ArrowSchema *schema,
                              const struct ArrowArray *array, struct ArrowArray *answer) {
    arrow_cells cells;
    arrow_batch *batch = arrow_polars_batch(field, "");
    int is_good = batch != NULL;
    arrow_last_error.words[0] = 0;
    if (is_good) is_good = arrow_open_cells(&cells, schema, array, &arrow_last_error);
    if (is_good && !arrow_fill(work, &cells, batch)) {
        arrow_last_error = work->error;
        is_good = 0;
    }
    if (is_good) is_good = arrow_send_column(answer, batch, 0);
    if (!is_good && !arrow_last_error.words[0]) arrow_fail(&arrow_last_error, "out of memory");
    arrow_drop_batch(batch);
    return is_good;
}

static arrow_work *arrow_default_work(int field) {
    arrow_work *work;
    const int needs_rules = field >= ARROW_REASON;
    if (!arrow_default.tables || (needs_rules && !arrow_default.rules)) {
        arrow_fail(&arrow_last_error, "smtpfast.polars has to be imported in this process");
        return NULL;
    }
    work = calloc(1, sizeof *work);
    if (work) {
        work->tables = arrow_default.tables;
        work->is_only_code = field == ARROW_CODE;
        work->wants[arrow_validity_of(field)] = 1;
        if (needs_rules) {
            work->rules = arrow_default.rules;
            work->blocklists = arrow_default.blocklists;
            work->scratch = meaning_new_scratch(work->rules);
        }
        if (!needs_rules || work->scratch) return work;
    }
    free(work);
    arrow_fail(&arrow_last_error, "out of memory");
    return NULL;
}

static void arrow_answer_polars(arrow_series *given, size_t count, arrow_series *answer,
                                int field) {
    arrow_work *work = arrow_default_work(field);
    const size_t chunks = given->count;
    int is_good = work != NULL;
    arrow_series made = {calloc(1, sizeof *made.field), calloc(chunks + 1, sizeof *made.arrays), 0,
                         arrow_release_series, NULL};
    if (is_good && (!made.field || !made.arrays))
        is_good = arrow_fail(&arrow_last_error, "out of memory");
    if (is_good) is_good = arrow_tell_polars(made.field, given->field, field);
    for (size_t chunk = 0; is_good && chunk < chunks; chunk++) {
        made.arrays[chunk] = calloc(1, sizeof **made.arrays);
        if (!made.arrays[chunk]) {
            is_good = arrow_fail(&arrow_last_error, "out of memory");
            break;
        }
        made.count++;
        is_good =
            arrow_answer_chunk(work, field, given->field, given->arrays[chunk], made.arrays[chunk]);
    }
    for (size_t chunk = 0; chunk < chunks; chunk++)
        if (given->arrays[chunk]->release) given->arrays[chunk]->release(given->arrays[chunk]);
    for (size_t number = 0; number < count; number++)
        if (given[number].release) given[number].release(&given[number]);
    if (work) meaning_free_scratch(work->scratch);
    free(work);
    if (is_good) {
        made.private_data = made.field; /* NULL would say that it failed */
        *answer = made;
        return;
    }
    for (size_t chunk = 0; chunk < made.count; chunk++)
        if (made.arrays[chunk]->release) made.arrays[chunk]->release(made.arrays[chunk]);
    if (made.field && made.arrays) arrow_release_series(&made);
}

#define ARROW_POLARS(name, field)                                                                  \
    ARROW_EXPORT void _polars_plugin_field_##name(const struct ArrowSchema *given, size_t count,   \
                                                  struct ArrowSchema *answer,                      \
                                                  const uint8_t *arguments, size_t size) {         \
        (void)count, (void)arguments, (void)size;                                                  \
        (void)arrow_tell_polars(answer, given, field);                                             \
    }                                                                                              \
    ARROW_EXPORT void _polars_plugin_##name(arrow_series *given, size_t count,                     \
                                            const uint8_t *arguments, size_t size,                 \
                                            arrow_series *answer, const void *context) {           \
        (void)arguments, (void)size, (void)context;                                                \
        arrow_answer_polars(given, count, answer, field);                                          \
    }
ARROW_POLARS(smtp_code, ARROW_CODE)
ARROW_POLARS(smtp_enhanced, ARROW_ENHANCED)
ARROW_POLARS(smtp_reason, ARROW_REASON)
ARROW_POLARS(smtp_disposition, ARROW_DISPOSITION)

#endif
