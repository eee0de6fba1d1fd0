/* A block of a mail log: which MTA has written a line, and all its lines one after the other. */

#ifndef SMTPFAST_LOG_BLOCK_H
#define SMTPFAST_LOG_BLOCK_H

#include "log_exim.h"
#include "log_haraka.h"
#include "log_opensmtpd.h"
#include "log_postfix.h"
#include "log_qmail.h"
#include "log_sendmail.h"

/* A line that names no program. What Haraka and qmail begin with, no other MTA knows. */
static log_answer log_ask_untagged(log_scan *scan, log_row *row, const log_line *line) {
    if (log_haraka_may_know(line->text, line->end)) {
        row->mta = LOG_HARAKA;
        return log_haraka(scan, row, line->text, line->end);
    }
    if (log_qmail_may_know(line->text, line->end)) {
        row->mta = LOG_QMAIL;
        return log_qmail(scan, row, line->text, line->end);
    }
    row->mta = LOG_EXIM;
    return log_exim(scan, row, line->text, line->end, 0);
}

/* Whose line it is, and what that says. Nobody's lines are most. */
static log_answer log_ask(log_scan *scan, log_row *row, const log_line *line) {
    const uint8_t *tag = scan->data + line->tag.at, *end = tag + line->tag.size;
    if (tag == end) return log_ask_untagged(scan, row, line);
    if (log_postfix_knows(tag, end)) {
        row->mta = LOG_POSTFIX;
        return log_postfix(scan, row, line->text, line->end);
    }
    /* `syslog_name` may be anything. */
    if (log_find(tag, end, '/')) return LOG_UNSURE;
    if (log_sendmail_knows(tag, end)) {
        row->mta = LOG_SENDMAIL;
        return log_sendmail(scan, row, line->text, line->end);
    }
    if (LOG_EQUALS(tag, end, "smtpd") || LOG_EQUALS(tag, end, "opensmtpd")) {
        row->mta = LOG_OPENSMTPD;
        return log_opensmtpd(scan, row, line->text, line->end);
    }
    if (LOG_EQUALS(tag, end, "qmail") || LOG_EQUALS(tag, end, "qmail-send")) {
        row->mta = LOG_QMAIL;
        return log_qmail(scan, row, line->text, line->end);
    }
    if (LOG_EQUALS(tag, end, "haraka")) {
        row->mta = LOG_HARAKA;
        return log_haraka(scan, row, line->text, line->end);
    }
    if (LOG_EQUALS(tag, end, "exim") || LOG_EQUALS(tag, end, "exim4")) {
        row->mta = LOG_EXIM;
        return log_exim(scan, row, line->text, line->end, 1);
    }
    return LOG_NOTHING;
}

/* What stands in front of a line, in one of its rows. */
static void log_set_envelope(log_row *row, const log_line *line) {
    row->host = line->host;
    if (line->tag.size) row->process = line->tag;
    row->time = line->time;
    row->has_time = line->has_time;
    row->is_local = line->is_local;
    row->month = line->month;
    row->day = line->day;
}

/* The next line, from `start` to its line end or to the end of the block. */
static void log_read(log_scan *scan, log_line *line, const uint8_t *start, const uint8_t *end) {
    log_answer answer = LOG_UNSURE;
    int64_t first = scan->row_count;
    log_row *row;
    while (end > start && end[-1] == '\r') end--;
    line->end = end;
    if (log_open(scan, line, start)) {
        if (line->month && (line->month != line->last_month || line->day != line->last_day)) {
            row = log_add_row(scan, LOG_DAY);
            if (!row) return;
            row->month = line->last_month = line->month;
            row->day = line->last_day = line->day;
        }
        row = log_next_row(scan);
        if (!row) return;
        first = scan->row_count;
        answer = log_ask(scan, row, line);
        if (scan->has_failed) return;
    }
    if (answer == LOG_TAKEN) {
        log_keep_row(scan);
        for (int64_t number = first; number < scan->row_count; number++) {
            log_set_envelope(&scan->rows[number], line);
            if (!log_find_domain(scan, &scan->rows[number])) answer = LOG_UNSURE;
        }
    }
    if (answer == LOG_UNSURE) {
        scan->row_count = first;
        log_forget_row(scan);
        row = log_add_row(scan, LOG_LINE);
        if (!row) return;
        row->text = log_piece(scan, start, end);
        line->last_month = 0; /* the line may have another stamp */
    }
}

/* All lines of a block; a last one without LF counts. */
static void log_read_block(log_scan *scan, int64_t size) {
    const uint8_t *at = scan->data, *end = at + size;
    log_line line;
    scan->end = end;
    memset(&line, 0, sizeof line);
    while (at < end && !scan->has_failed) {
        const uint8_t *line_end = log_find(at, end, '\n');
        if (!line_end) line_end = end;
        log_read(scan, &line, at, line_end);
        scan->lines++;
        at = line_end + 1;
    }
}

#endif
