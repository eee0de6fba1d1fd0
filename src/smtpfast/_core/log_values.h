/* What several MTAs write alike: the twin of logs/values.py, and more of what readers share. */

#ifndef SMTPFAST_LOG_VALUES_H
#define SMTPFAST_LOG_VALUES_H

#include "log_rows.h"

/* A part of a line; `at` is NULL for none. */
typedef struct {
    const uint8_t *at, *end;
} log_span;

static inline log_span log_span_of(const uint8_t *at, const uint8_t *end) {
    log_span span = {at, end};
    return span;
}

/* Words that stand for a command. */
typedef struct {
    const char *words;
    int command;
} log_phrase;

/* The command for which some words stand, all of them. */
static int log_phrase_command(const log_phrase *phrases, size_t count, const uint8_t *at,
                              const uint8_t *end) {
    for (const log_phrase *phrase = phrases; phrase < phrases + count; phrase++)
        if (log_equals(at, end, phrase->words, (int)strlen(phrase->words))) return phrase->command;
    return LOG_NO_STAGE;
}
#define LOG_PHRASE_COMMAND(phrases, at, end)                                                       \
    log_phrase_command(phrases, sizeof(phrases) / sizeof *(phrases), at, end)

/* The command of SMTP that is called so. */
static int log_command_named(const log_scan *scan, const uint8_t *at, const uint8_t *end) {
    for (int word = 0; word < LOG_COMMAND_COUNT; word++)
        if (log_equals(at, end, (const char *)log_bytes(scan, log_word_texts[word]),
                       (int)log_word_texts[word].size))
            return word;
    return LOG_NO_STAGE;
}

/* The first place where `word` begins, or NULL. */
static const uint8_t *log_find_first(const uint8_t *at, const uint8_t *end, const char *word,
                                     int size) {
    while (end - at >= size && (at = log_find(at, end - size + 1, (uint8_t)word[0])) != NULL) {
        if (memcmp(at, word, (size_t)size) == 0) return at;
        at++;
    }
    return NULL;
}
#define LOG_FIND_FIRST(at, end, word) log_find_first(at, end, word, sizeof(word) - 1)

/* Whether all of it is printable ASCII, blanks too. */
static int log_is_printable(const uint8_t *at, const uint8_t *end) {
    int is_odd = 0;
    for (; at < end; at++) is_odd |= (uint8_t)(*at - ' ') > '~' - ' ';
    return !is_odd;
}

/* `IP`, all of it, of printable ASCII: of that shape, whether there is such an address or not. */
static int log_is_ip(const uint8_t *at, const uint8_t *end) {
    int64_t ignored;
    const uint8_t *behind = at;
    int colons = 0;
    for (int part = 0; part < 4; part++) {
        const uint8_t *first = behind + (part > 0);
        if (part && (behind == end || *behind != '.')) break;
        behind = log_digits(first, end, 3, &ignored);
        if (behind == first) break;
        if (part == 3 && behind == end) return 1;
    }
    for (; at < end; at++) {
        if (*at == ':')
            colons++;
        else if (*at == '.' ? colons < 2 : !scan_is_digit(*at) && (uint8_t)((*at | 0x20) - 'a') > 5)
            break;
    }
    if (colons < 2 || at == end) return colons >= 2;
    if (*at++ != '%' || at == end) return 0;
    while (at < end && scan_is_word(*at)) at++;
    return at == end;
}

/* The words for the name of a host or an address that say that there is none. */
static inline int log_is_no_name(const uint8_t *at, const uint8_t *end) {
    return at == end || LOG_EQUALS(at, end, "none") || LOG_EQUALS(at, end, "unknown") ||
           LOG_EQUALS(at, end, "-");
}

/* Whether words are a reply: a code, alone or with a separator behind it. */
static inline int log_is_reply(const uint8_t *at, const uint8_t *end) {
    return end - at >= 3 && scan_is_digit(at[0]) && scan_is_digit(at[1]) && scan_is_digit(at[2]) &&
           (end - at == 3 || at[3] == ' ' || at[3] == '-');
}

/* A reply of one line, of which the MTA tells no other end; 0: not sure. */
static int log_take_line(log_scan *scan, log_row *row, const uint8_t *at, const uint8_t *end,
                         int command) {
    if (end[-1] == '\r') return 0; /* no part of it */
    row->stage = log_own(command);
    return log_take_reply(scan, row, &at, &end, 1, command);
}

/* The MTA's own words, which may be none, with the enhanced code that it claims or that a status
   stands for, "" for none; 0: not sure. */
static int log_take_words(log_scan *scan, log_row *row, const uint8_t *at, const uint8_t *end,
                          const char *code, int command) {
    log_text claimed = row->dsn;
    if (log_has_odd_start(at, end) || log_has_odd_end(at, end)) return 0;
    row->stage = log_own(command);
    if (at < end) row->text = log_piece(scan, at, end);
    if (!scan->rules) return 1;
    if (log_is_null(claimed) && *code) {
        const uint32_t start = scan->arena_size;
        log_put(scan, (const uint8_t *)code, (int64_t)strlen(code));
        claimed = log_put_since(scan, start);
    }
    log_diagnose_words(scan, row, claimed, row->text, command);
    return 1;
}

#endif
