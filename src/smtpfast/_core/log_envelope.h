/* What stands in front of a line of a mail log: the twin of logs/envelope.py, where it is sure. */

#ifndef SMTPFAST_LOG_ENVELOPE_H
#define SMTPFAST_LOG_ENVELOPE_H

#include "log_rows.h"

/* What has been read of a line, and what the lines before it had in common with it. */
typedef struct {
    const uint8_t *text, *end; /* of the line, without the envelope */
    log_text host, tag;        /* a tag of size 0 for none */
    int64_t time;
    uint8_t has_time, is_local, month, day;
    /* The last day that was read, as written, and its midnight. */
    uint8_t date[10];
    int64_t midnight;
    /* The last stamp without a year, as written. */
    uint8_t stamp[16];
    uint8_t stamp_month, stamp_day;
    int64_t stamp_time;
    uint8_t last_month, last_day; /* of which a LOG_DAY has told */
} log_line;

#define LOG_SECOND ((int64_t)1000000)

/* Two digits, or -1. */
static inline int log_two(const uint8_t *at) {
    return scan_is_digit(at[0]) && scan_is_digit(at[1]) ? 10 * at[0] + at[1] - 11 * '0' : -1;
}

/* Microseconds since midnight of "12:34:56", or -1. */
static inline int64_t log_clock(const uint8_t *at) {
    const int hour = log_two(at), minute = log_two(at + 3), second = log_two(at + 6);
    if ((hour | minute | second) < 0 || at[2] != ':' || at[5] != ':') return -1;
    if (hour > 23 || minute > 59 || second > 60) return -1;
    return (int64_t)((hour * 60 + minute) * 60 + second) * LOG_SECOND;
}

/* Microseconds from 1970 to the midnight in which a day begins, `*is_day` says whether there is one. */
static int64_t log_midnight(int year, int month, int day, int *is_day) {
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int64_t days;
    *is_day = year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 &&
              day <= lengths[month - 1] + (month == 2 && is_leap);
    if (!*is_day) return -1;
    /* The year begins in March, so that what is irregular stands at its end. */
    if (month < 3) year--;
    days = (int64_t)365 * year + year / 4 - year / 100 + year / 400;
    days += (153 * (month + (month < 3 ? 9 : -3)) + 2) / 5 + day - 1;
    return (days - 719468) * 86400 * LOG_SECOND;
}

/* "Nov 24", or 0. */
static int log_month(const uint8_t *at) {
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int month = 0; month < 12; month++)
        if (memcmp(names + 3 * month, at, 3) == 0) return month + 1;
    return 0;
}

/* "Nov 24 12:34:56 " of RFC 3164, with or without a fraction; returns where it ends, or NULL. */
static const uint8_t *log_rfc3164(log_line *line, const uint8_t *at) {
    int month, day;
    int64_t clock;
    if (line->end - at < 16) return NULL;
    if (memcmp(at, line->stamp, 16) != 0) {
        if (at[3] != ' ' || at[6] != ' ' || at[15] != ' ') return NULL;
        month = log_month(at);
        day = at[4] == ' ' && scan_is_digit(at[5]) ? at[5] - '0' : log_two(at + 4);
        clock = log_clock(at + 7);
        if (!month || day < 1 || day > 31 || clock < 0) return NULL;
        memcpy(line->stamp, at, 16);
        line->stamp_month = (uint8_t)month;
        line->stamp_day = (uint8_t)day;
        line->stamp_time = clock;
    }
    line->time = line->stamp_time;
    line->month = line->stamp_month;
    line->day = line->stamp_day;
    line->has_time = line->is_local = 1;
    return at + 16;
}

/* "2026-11-24T12:34:56.789+01:00" with anything but the day and the clock left out. Returns where
   it ends, in front of what must be a space; NULL for what is none, or no time. */
static const uint8_t *log_iso(log_line *line, const uint8_t *at, const uint8_t *end) {
    int64_t clock, fraction = 0;
    const uint8_t *behind;
    if (end - at < 19 || (at[10] != 'T' && at[10] != ' ')) return NULL;
    if (memcmp(at, line->date, 10) != 0) {
        const int century = log_two(at), year = log_two(at + 2), month = log_two(at + 5);
        const int day = log_two(at + 8);
        int64_t midnight;
        int is_day;
        if ((century | year | month | day) < 0 || at[4] != '-' || at[7] != '-') return NULL;
        midnight = log_midnight(100 * century + year, month, day, &is_day);
        if (!is_day) return NULL;
        line->midnight = midnight;
        memcpy(line->date, at, 10);
    }
    clock = log_clock(at + 11);
    if (clock < 0) return NULL;
    at += 19;
    if (end - at > 1 && (*at == '.' || *at == ',')) {
        behind = log_digits(at + 1, end, 9, &fraction);
        if (behind == at + 1) return NULL;
        for (int digits = (int)(behind - at - 1); digits != 6; digits += digits < 6 ? 1 : -1)
            fraction = digits < 6 ? 10 * fraction : fraction / 10;
        at = behind;
    }
    line->time = line->midnight + clock + fraction;
    line->is_local = 0;
    if (at < end && *at == 'Z') {
        at++;
    } else {
        const uint8_t *zone = at + (end - at > 1 && *at == ' ');
        if (end - zone >= 5 && (*zone == '+' || *zone == '-')) {
            const uint8_t *minute = zone + 3 + (zone[3] == ':');
            const int hours = log_two(zone + 1), minutes = end - minute < 2 ? -1 : log_two(minute);
            int64_t offset;
            if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return NULL;
            offset = (int64_t)(60 * hours + minutes) * 60 * LOG_SECOND;
            line->time += *zone == '-' ? offset : -offset;
            at = minute + 2;
        } else {
            line->is_local = 1;
        }
    }
    line->has_time = 1;
    return at;
}

/* A word that a space ends; returns where that stands, or NULL if there is no sure one. */
static inline const uint8_t *log_word_end(const log_scan *scan, const uint8_t *at,
                                          const uint8_t *end, int most) {
    const uint8_t *behind = log_graph_end(at, scan->end);
    return behind < end && *behind == ' ' && behind > at && behind - at <= most ? behind : NULL;
}

/* "host program[123]: "; returns whether it is. */
static int log_tagged(const log_scan *scan, log_line *line, const uint8_t *at) {
    const uint8_t *end = line->end, *start;
    const uint8_t *behind = log_word_end(scan, at, end, 255);
    if (!behind) return 0;
    line->host = log_piece(scan, at, behind);
    start = at = behind + 1;
    at = log_tag_end(at, scan->end);
    if (at == start || at - start > 64 || at >= end) return 0;
    line->tag = log_piece(scan, start, at);
    if (*at == '[') {
        behind = log_digits_end(at + 1, scan->end);
        if (behind == at + 1 || behind - at > 11 || behind >= end || *behind != ']') return 0;
        at = behind + 1;
    }
    if (at == end || *at != ':') return 0;
    at++;
    line->text = at + (at < end && *at == ' ');
    return 1;
}

/* STRUCTURED-DATA of RFC 5424 with the space behind it; NULL for what is none. */
static const uint8_t *log_structured(const uint8_t *at, const uint8_t *end) {
    if (at < end && *at == '-') {
        at++;
    } else {
        if (at == end || *at != '[') return NULL;
        while (at < end && *at == '[') {
            int is_quoted = 0;
            for (at++; at < end && (is_quoted || *at != ']'); at++) {
                if (*at == '"') is_quoted = !is_quoted;
                if (is_quoted && *at == '\\') at++;
            }
            if (at >= end) return NULL;
            at++;
        }
    }
    return at == end ? at : *at == ' ' ? at + 1 : NULL;
}

/* "1 stamp host program procid msgid data text". */
static int log_rfc5424(const log_scan *scan, log_line *line, const uint8_t *at) {
    static const int longest[] = {40, 255, 48, 128, 32};
    const uint8_t *starts[5], *ends[5];
    for (int word = 0; word < 5; word++) {
        starts[word] = at;
        ends[word] = log_word_end(scan, at, line->end, longest[word]);
        if (!ends[word]) return 0;
        at = ends[word] + 1;
    }
    if (log_iso(line, starts[0], ends[0]) != ends[0]) return 0;
    at = log_structured(at, line->end);
    if (!at) return 0;
    if (LOG_STARTS(at, line->end, "\xEF\xBB\xBF")) at += 3;
    line->text = at + (at < line->end && *at == ' ');
    line->host =
        LOG_EQUALS(starts[1], ends[1], "-") ? log_null : log_piece(scan, starts[1], ends[1]);
    line->tag = log_piece(scan, starts[2], ends[2]);
    if (LOG_EQUALS(starts[2], ends[2], "-")) line->tag.size = 0;
    return 1;
}

/* "@400000006921e3d5075bca14 " of multilog, with the moment that it tells; returns where it ends, or
   NULL for what is none. */
static const uint8_t *log_tai64n(const uint8_t *at, const uint8_t *end, int64_t *time) {
    int64_t parts[] = {0, 0};
    if (end - at < 26 || !LOG_STARTS(at, end, "@40000000") || at[25] != ' ') return NULL;
    at += 9;
    for (int digit = 0; digit < 16; digit++) {
        const uint8_t byte = at[digit], letter = (uint8_t)(byte - 'a');
        if (!scan_is_digit(byte) && letter > 5) return NULL;
        parts[digit / 8] = 16 * parts[digit / 8] + (letter > 5 ? byte - '0' : letter + 10);
    }
    *time = (parts[0] - 10) * LOG_SECOND + parts[1] / 1000;
    return at + 17;
}

/* "1763984725.123456 " of splogger, in the same way. */
static const uint8_t *log_epoch(const uint8_t *at, const uint8_t *end, int64_t *time) {
    int64_t seconds, fraction;
    const uint8_t *point = log_digits(at, end, 11, &seconds), *behind;
    if (point - at < 9 || point == end || *point != '.') return NULL;
    behind = log_digits(point + 1, end, 6, &fraction);
    if (behind - point != 7 || behind == end || *behind != ' ') return NULL;
    *time = seconds * LOG_SECOND + fraction;
    return behind + 1;
}

/* Take off a line, which has lost its line end, what stands in front of it; 0: not sure. */
static int log_open(const log_scan *scan, log_line *line, const uint8_t *at) {
    const uint8_t *end = line->end;
    line->host = log_null;
    line->tag.at = line->tag.size = 0;
    line->has_time = line->is_local = line->month = line->day = 0;
    if (at == end) {
        line->text = at;
        return 1;
    }
    if (*at == '<') {
        int64_t ignored;
        const uint8_t *behind = log_digits(at + 1, end, 3, &ignored);
        if (behind == at + 1 || behind == end || *behind != '>') return 0;
        at = behind + 1;
        if (at == end) return 0;
    }
    if ((*at == '[' && end - at > 1 && at[1] >= 'A' && at[1] <= 'Z') ||
        LOG_STARTS(at, end, "level=")) { /* Haraka without a stamp */
        line->text = at;
        return 1;
    }
    if (*at >= 'A' && *at <= 'Z') {
        at = log_rfc3164(line, at);
        return at && log_tagged(scan, line, at);
    }
    if (LOG_STARTS(at, end, "1 ")) return log_rfc5424(scan, line, at + 2);
    if (*at == '@' || (scan_is_digit(*at) && end - at > 9 && scan_is_digit(at[4]))) {
        line->text =
            *at == '@' ? log_tai64n(at, end, &line->time) : log_epoch(at, end, &line->time);
        line->has_time = 1;
        return line->text != NULL;
    }
    if (scan_is_digit(*at)) {
        const int is_tagged = end - at > 10 && at[10] == 'T';
        at = log_iso(line, at, end);
        if (!at || at == end || *at != ' ') return 0;
        line->text = ++at;
        if (!is_tagged) return 1;                             /* Exim */
        if (at < end && (*at == '[' || *at == '{')) return 1; /* Haraka */
        if (LOG_STARTS(at, end, "level=")) return 1;
        return log_tagged(scan, line, at);
    }
    return 0;
}

#endif
