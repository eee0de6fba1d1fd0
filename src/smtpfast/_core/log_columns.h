/* Rows to columns, laid out as Arrow has them: values, offsets and bytes of texts, bits that say
   which are there (least significant bit first). */

#ifndef SMTPFAST_LOG_COLUMNS_H
#define SMTPFAST_LOG_COLUMNS_H

#include "log_rows.h"

/* In the order of TEXTS in log_columns.py. */
enum {
    LOG_HOST,
    LOG_PROCESS,
    LOG_QUEUE_ID,
    LOG_SENDER,
    LOG_RECIPIENT,
    LOG_DOMAIN,
    LOG_RELAY_HOST,
    LOG_RELAY_IP,
    LOG_STATUS,
    LOG_ENHANCED,
    LOG_DSN,
    LOG_STAGE,
    LOG_TEXT,
    LOG_BLOCKLIST,
    LOG_PROVIDER,
    LOG_PROBLEM,
    LOG_TEXT_COLUMNS
};
static const size_t log_text_fields[LOG_TEXT_COLUMNS] = {
    offsetof(log_row, host),       offsetof(log_row, process),   offsetof(log_row, queue_id),
    offsetof(log_row, sender),     offsetof(log_row, recipient), offsetof(log_row, domain),
    offsetof(log_row, relay_host), offsetof(log_row, relay_ip),  offsetof(log_row, status),
    offsetof(log_row, enhanced),   offsetof(log_row, dsn),       offsetof(log_row, stage),
    offsetof(log_row, text),       offsetof(log_row, blocklist), offsetof(log_row, provider),
    offsetof(log_row, problem)};

/* In the order of NUMBERS. */
enum {
    LOG_TIME,
    LOG_RELAY_PORT,
    LOG_DELAY,
    LOG_CODE,
    LOG_RETRY_AFTER,
    LOG_LINE_NUMBER,
    LOG_IS_LOCAL,
    LOG_NUMBER_COLUMNS
};
static const int log_number_sizes[LOG_NUMBER_COLUMNS] = {8, 4, 8, 2, 4, 8, 1};

/* In the order of MEMBERS. */
enum { LOG_MTA, LOG_EVENT, LOG_REASON, LOG_DISPOSITION, LOG_MEMBER_COLUMNS };

/* The memory of a column that belongs to somebody else; `size` bytes of texts are taken. */
typedef struct {
    uint8_t *valid, *values;
    int32_t *offsets; /* one more than there are rows */
    int64_t size;
} log_column;

typedef struct {
    log_column texts[LOG_TEXT_COLUMNS], numbers[LOG_NUMBER_COLUMNS], members[LOG_MEMBER_COLUMNS];
    int64_t rows;
} log_columns;

static inline log_text log_field(const log_row *row, int column) {
    return *(const log_text *)((const char *)row + log_text_fields[column]);
}

/* How many bytes of texts each column will take. */
static void log_count_bytes(const log_scan *scan, int64_t *sizes) {
    for (int column = 0; column < LOG_TEXT_COLUMNS; column++) {
        sizes[column] = 0;
        for (int64_t row = 0; row < scan->row_count; row++) {
            const log_text text = log_field(&scan->rows[row], column);
            if (!log_is_null(text)) sizes[column] += text.size;
        }
    }
}

static inline void log_say_valid(log_column *column, int64_t row, int is_valid) {
    column->valid[row >> 3] |= (uint8_t)((is_valid != 0) << (row & 7));
}

/* Copy a short text with whatever stands behind it, which takes less time than asking how much. */
static inline void log_copy(const log_scan *scan, uint8_t *to, log_text text) {
    const uint8_t *from = log_bytes(scan, text);
    /* Behind the block there may be nothing; all else has room enough. */
    const int is_at_end = text.at < LOG_IN_WORDS && scan->end - from < LOG_SLACK;
    if (text.size <= LOG_SLACK && !is_at_end)
        memcpy(to, from, LOG_SLACK);
    else
        memcpy(to, from, text.size);
}

static void log_fill_texts(const log_scan *scan, log_column *column, int number, int64_t first) {
    uint8_t *to = column->values + column->size;
    int32_t *offsets = column->offsets + first + 1;
    uint8_t *valid = column->valid + (first >> 3), bits = *valid, bit = (uint8_t)(1 << (first & 7));
    for (int64_t row = 0; row < scan->row_count; row++) {
        const log_text text = log_field(&scan->rows[row], number);
        if (!log_is_null(text)) {
            log_copy(scan, to, text);
            to += text.size;
            bits |= bit;
        }
        offsets[row] = (int32_t)(to - column->values);
        bit = (uint8_t)(bit << 1);
        if (!bit) { /* eight rows are full */
            *valid++ = bits;
            bits = 0;
            bit = 1;
        }
    }
    if (bit > 1) *valid = bits;
    column->size = to - column->values;
}

#define LOG_FILL(number, type, is_valid, value)                                                    \
    for (int64_t row = 0; row < scan->row_count; row++) {                                          \
        const log_row *from = &scan->rows[row];                                                    \
        const int is_there = (is_valid);                                                           \
        ((type *)columns->numbers[number].values)[first + row] = is_there ? (type)(value) : 0;     \
        log_say_valid(&columns->numbers[number], first + row, is_there);                           \
    }

static void log_fill_numbers(const log_scan *scan, log_columns *columns, int64_t lines_before) {
    const int64_t first = columns->rows;
    LOG_FILL(LOG_TIME, int64_t, from->has_time, from->time)
    LOG_FILL(LOG_RELAY_PORT, int32_t, from->relay_port >= 0, from->relay_port)
    LOG_FILL(LOG_DELAY, double, from->delay == from->delay, from->delay)
    LOG_FILL(LOG_CODE, int16_t, from->code >= 0, from->code)
    LOG_FILL(LOG_RETRY_AFTER, int32_t, from->retry_after >= 0, from->retry_after)
    LOG_FILL(LOG_LINE_NUMBER, int64_t, 1, lines_before + from->line + 1)
    LOG_FILL(LOG_IS_LOCAL, uint8_t, 1, from->is_local)
}

static void log_fill_members(const log_scan *scan, log_columns *columns) {
    for (int64_t row = 0; row < scan->row_count; row++) {
        const log_row *from = &scan->rows[row];
        const int8_t members[] = {(int8_t)from->mta, (int8_t)from->event, from->reason,
                                  from->disposition};
        for (int column = 0; column < LOG_MEMBER_COLUMNS; column++) {
            log_column *to = &columns->members[column];
            ((int8_t *)to->values)[columns->rows + row] = members[column];
            log_say_valid(to, columns->rows + row, members[column] >= 0);
        }
    }
}

/* Append the rows of a block, all of them records; there must be room. */
static void log_fill(const log_scan *scan, log_columns *columns, int64_t lines_before) {
    if (!scan->row_count) return; /* nor need there be room */
    for (int column = 0; column < LOG_TEXT_COLUMNS; column++)
        log_fill_texts(scan, &columns->texts[column], column, columns->rows);
    log_fill_numbers(scan, columns, lines_before);
    log_fill_members(scan, columns);
    columns->rows += scan->row_count;
}

#endif
