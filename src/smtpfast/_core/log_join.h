/* What a row of a block has from other lines: its sender, its year, and what follows from these. */

#ifndef SMTPFAST_LOG_JOIN_H
#define SMTPFAST_LOG_JOIN_H

#include "log_block.h"
#include "log_joins.h"

/* The time of a stamp without a year, in that year; 0: not known. */
static void log_set_year(log_row *row, int year) {
    int is_day = 0;
    if (!row->month) return;
    row->has_time = 0;
    if (year) {
        const int64_t midnight = log_midnight(year, row->month, row->day, &is_day);
        if (is_day) row->time += midnight;
        row->has_time = (uint8_t)is_day;
    }
}

/* Put in what a queue id tells, or make it a line for Python; 0 for want of memory. */
static int log_join_row(log_scan *scan, log_row *row, log_joins *senders) {
    const uint8_t *key;
    if (row->kind == LOG_RECORD && !row->asks_sender) return 1;
    if (log_is_null(row->queue_id)) return 1;
    if (row->mta == LOG_HARAKA) return log_haraka_join(scan, row, senders);
    if (row->kind == LOG_RECORD && row->mta == LOG_QMAIL) return log_qmail_join(scan, row, senders);
    if (row->kind == LOG_RECORD && row->mta == LOG_OPENSMTPD)
        return log_opensmtpd_join(scan, row, senders);
    key = log_bytes(scan, row->queue_id);
    if (row->kind == LOG_NOTE)
        return log_joins_note(senders, key, row->queue_id.size, row->hash,
                              log_bytes(scan, row->sender), row->sender.size);
    if (row->kind == LOG_FORGET) {
        log_joins_forget(senders, key, row->queue_id.size, row->hash);
    } else if (log_is_null(row->sender)) {
        uint32_t size;
        const uint8_t *sender = log_joins_get(senders, key, row->queue_id.size, row->hash, &size);
        if (sender) {
            const uint32_t start = scan->arena_size;
            log_put(scan, sender, size);
            row->sender = log_put_since(scan, start);
        }
    }
    return 1;
}

/* How many rows ahead the place of a queue id is asked for, and what stands there. */
enum { LOG_PLACE_AHEAD = 16, LOG_ENTRY_AHEAD = 8 };

/* Ask for the memory that the rows behind this one will need. */
static inline void log_expect(const log_scan *scan, int64_t row, log_joins *const *joins) {
    const log_row *rows = scan->rows + row;
    const log_joins *some;
    if (row + LOG_PLACE_AHEAD >= scan->row_count) return;
    some = joins[rows[LOG_PLACE_AHEAD].mta];
    if (some) log_joins_expect(some, rows[LOG_PLACE_AHEAD].hash, 0);
    some = joins[rows[LOG_ENTRY_AHEAD].mta];
    if (some) log_joins_expect(some, rows[LOG_ENTRY_AHEAD].hash, 1);
}

/* Move the rows from `row` on so that there is room for `count` at `to`, which is at most `row`;
   returns how far they have moved, -1 for want of memory. */
static int64_t log_make_room(log_scan *scan, int64_t to, int64_t row, int64_t count) {
    const int64_t missing = to + count - row;
    if (missing <= 0) return 0;
    if (scan->row_count + missing > scan->row_room) {
        const int64_t room = scan->row_count + missing + 64;
        log_row *rows = realloc(scan->rows, (size_t)room * sizeof *rows);
        if (!rows) return -1;
        scan->rows = rows;
        scan->row_room = room;
    }
    memmove(scan->rows + row + missing, scan->rows + row,
            (size_t)(scan->row_count - row) * sizeof *scan->rows);
    scan->row_count += missing;
    return missing;
}

/* How far the rows of a block are joined: those before `kept` are records. */
typedef struct {
    int64_t row, kept;
    int year; /* of the last LOG_DAY; 0: not known */
} log_joining;

/* Join rows until one needs Python: the one before `at->row`, or the record that was kept last where
   a block list names itself. Returns whether there is one; -1 for want of memory. */
static int log_join_some(log_scan *scan, log_joins *const *joins, log_joining *at) {
    while (at->row < scan->row_count) {
        log_row *row = &scan->rows[at->row];
        log_expect(scan, at->row, joins);
        if (!log_join_row(scan, row, joins[row->mta]) || scan->has_failed) return -1;
        at->row++;
        if (row->kind == LOG_DAY || row->kind == LOG_LINE) return 1;
        if (row->kind != LOG_RECORD) continue;
        log_set_year(row, at->year);
        log_find_domain(scan, row);
        if (at->kept < at->row - 1) scan->rows[at->kept] = *row;
        if (!log_is_null(scan->rows[at->kept++].told)) return 1;
    }
    return 0;
}

#endif
