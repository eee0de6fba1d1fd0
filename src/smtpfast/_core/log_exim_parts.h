/* What the lines of Exim are made of: hosts, keys, times, replies and what is told of them. */

#ifndef SMTPFAST_LOG_EXIM_PARTS_H
#define SMTPFAST_LOG_EXIM_PARTS_H

#include "log_envelope.h"
#include "log_values.h"

/* More lines of a reply, and longer addresses in angle brackets, are read in Python. */
enum { LOG_EXIM_LINES = 64, LOG_EXIM_ANGLES = 999 };

/* What was spoken to. */
typedef struct {
    log_text name, ip;
    int32_t port;
    int has_address; /* brackets, even if nothing stands in them */
} log_exim_host;

static const log_exim_host log_exim_no_host = {{0, LOG_NONE}, {0, LOG_NONE}, -1, 0};

/* The keys of a line, with the first value of those that matter. */
typedef struct {
    log_text sender, transport;
    log_exim_host host;
    const uint8_t *queue_time, *queue_time_end; /* NULL: none */
    uint8_t has_host, has_path, has_time, has_user;
} log_exim_fields;

static inline int log_exim_is_host(const log_exim_host *host) {
    return !log_is_null(host->name) || !log_is_null(host->ip) || host->port >= 0;
}

static inline void log_exim_put_host(log_row *row, const log_exim_host *host) {
    row->relay_host = host->name;
    row->relay_ip = host->ip;
    row->relay_port = host->port;
}

static inline int log_exim_is_letter(uint8_t byte) { return (uint8_t)((byte | 0x20) - 'a') < 26; }

static inline int log_exim_is_capital(uint8_t byte) { return (uint8_t)(byte - 'A') < 26; }

/* In front of a space, or of a bracket too; a line end stands in front of `limit`. */
static inline const uint8_t *log_exim_run(const uint8_t *at, const uint8_t *limit,
                                          uint8_t bracket) {
    LOG_RUN(_mm_andnot_si128(
        _mm_or_si128(_mm_or_si128(log_is_byte(bytes, ' '), log_is_byte(bytes, '\n')),
                     log_is_byte(bytes, bracket)),
        _mm_set1_epi8(-1)))
    while (at < limit && *at != ' ' && *at != '\n' && *at != bracket) at++;
    return at;
}

/* In front of a quote or a backslash. */
static inline const uint8_t *log_exim_quoted_run(const uint8_t *at, const uint8_t *limit) {
    LOG_RUN(_mm_andnot_si128(
        _mm_or_si128(_mm_or_si128(log_is_byte(bytes, '"'), log_is_byte(bytes, '\\')),
                     log_is_byte(bytes, '\n')),
        _mm_set1_epi8(-1)))
    while (at < limit && *at != '"' && *at != '\\' && *at != '\n') at++;
    return at;
}

/* Where the word ends that begins at `at`: at a space or a bracket, or at the end of the line. */
static inline const uint8_t *log_exim_word(const log_scan *scan, const uint8_t *at,
                                           const uint8_t *end, uint8_t bracket) {
    const uint8_t *behind = log_exim_run(at, scan->end, bracket);
    return behind < end ? behind : end;
}

/* --- Parts of lines ------------------------------------------------------------------------- */

/* What may stand within angle brackets. */
static inline const uint8_t *log_exim_angle_run(const uint8_t *at, const uint8_t *limit) {
    LOG_RUN(_mm_andnot_si128(
        _mm_or_si128(_mm_or_si128(_mm_or_si128(log_is_byte(bytes, '<'), log_is_byte(bytes, '>')),
                                  _mm_or_si128(log_is_byte(bytes, '"'), log_is_byte(bytes, ' '))),
                     log_is_byte(bytes, '\n')),
        _mm_set1_epi8(-1)))
    while (at < limit && *at != '<' && *at != '>' && *at != '"' && *at != ' ' && *at != '\n') at++;
    return at;
}

/* "<address>" from its bracket on; returns where it ends, NULL if that is not sure. */
static const uint8_t *log_exim_angles(const log_scan *scan, const uint8_t *at, const uint8_t *end) {
    const uint8_t *start = ++at;
    at = log_exim_angle_run(at, scan->end);
    return at < end && *at == '>' && at - start <= LOG_EXIM_ANGLES ? at + 1 : NULL;
}

/* ":25" or nothing. */
static inline const uint8_t *log_exim_port(const uint8_t *at, const uint8_t *end, int32_t *port) {
    int64_t value;
    const uint8_t *behind;
    if (at == end || *at != ':') return at;
    behind = log_digits(at + 1, end, 6, &value);
    if (behind == at + 1 || behind > at + 6) return at;
    *port = (int32_t)value;
    return behind;
}

/* "[address]:25" from its bracket on; returns where it ends, NULL if it is none. */
static const uint8_t *log_exim_address(const log_scan *scan, const uint8_t *at, const uint8_t *end,
                                       log_exim_host *host) {
    const uint8_t *start = ++at;
    at = log_exim_word(scan, at, end, ']');
    if (at == end || *at != ']') return NULL;
    host->has_address = 1;
    if (at > start) host->ip = log_piece(scan, start, at);
    return log_exim_port(at + 1, end, &host->port);
}

/* `_SERVER`: "name [address]:25*"; returns where it ends. */
static const uint8_t *log_exim_server(const log_scan *scan, const uint8_t *at, const uint8_t *end,
                                      log_exim_host *host) {
    const uint8_t *start = at, *bracket, *behind;
    *host = log_exim_no_host;
    at = log_exim_word(scan, at, end, '[');
    if (at > start) host->name = log_piece(scan, start, at);
    bracket = at + (LOG_STARTS(at, end, " DS") ? 3 : 0);
    if (bracket < end && *bracket == ' ') bracket++;
    if (bracket == end || *bracket != '[') return at;
    behind = log_exim_address(scan, bracket, end, host);
    if (!behind) return at;
    return behind + (behind < end && *behind == '*');
}

/* `_CLIENT`: "name (helo) [address]:25"; returns where it ends, NULL if that is not sure. */
static const uint8_t *log_exim_client(const log_scan *scan, const uint8_t *at, const uint8_t *end,
                                      log_exim_host *host) {
    const uint8_t *start = at;
    *host = log_exim_no_host;
    while (at < end && *at != ' ' && *at != '(' && *at != '[') at++;
    if (at > start) {
        if (at == end || *at != ' ') return NULL;
        host->name = log_piece(scan, start, at++);
    }
    if (at < end && *at == '(') {
        for (at++; (at = log_find(at, end, ')')) != NULL && !LOG_STARTS(at, end, ") [");) at++;
        if (!at) return NULL;
        at += 2;
    }
    return at < end && *at == '[' ? log_exim_address(scan, at, end, host) : NULL;
}

/* `_MARK`: what stands between keys by itself; returns where it ends, NULL if it is none. */
static const uint8_t *log_exim_mark(const uint8_t *at, const uint8_t *end) {
    static const char *const marks[] = {"DS", "TFO", "TFO*", "TFO**", "L",    "L*",  "L.",
                                        "L-", "L*-", "L.-",  "K",     "PRDR", "SPF", "DMARC"};
    const uint8_t *behind = at;
    if (at == end || !log_exim_is_capital(*at)) return NULL;
    while (behind < end && *behind != ' ' && *behind != ':' && behind - at < 6) behind++;
    if (behind < end && *behind != ' ' && *behind != ':') return NULL;
    for (size_t index = 0; index < sizeof marks / sizeof *marks; index++)
        if (log_equals(at, behind, marks[index], (int)strlen(marks[index]))) return behind;
    return NULL;
}

/* Keep the value of a key, if it is the first one. */
static void log_exim_keep(const log_scan *scan, log_exim_fields *fields, const uint8_t *key,
                          int size, const uint8_t *value, const uint8_t *end) {
    const int is_bare = end - value < 2 || !((value[0] == '<' && end[-1] == '>') ||
                                             (value[0] == '"' && end[-1] == '"'));
    if (!is_bare) {
        value++;
        end--;
    }
    if (size == 1) {
        if (*key == 'F' && log_is_null(fields->sender))
            fields->sender = log_piece(scan, value, end);
        if (*key == 'T' && log_is_null(fields->transport))
            fields->transport = log_piece(scan, value, end);
        if (*key == 'P') fields->has_path = 1;
        if (*key == 'U' || *key == 'A') fields->has_user = 1;
    } else if (size == 2 && key[1] == 'T') {
        if (*key == 'D') fields->has_time = 1;
        if (*key == 'Q' && !fields->queue_time) {
            fields->queue_time = value;
            fields->queue_time_end = end;
        }
    }
}

/* `_fields`: the keys from `at` on up to the key `stop`; returns where they end, NULL if that is
   not sure. */
static const uint8_t *log_exim_fields_of(const log_scan *scan, const uint8_t *at,
                                         const uint8_t *end, uint8_t stop,
                                         log_exim_fields *fields) {
    static const log_exim_fields none = {.sender = {0, LOG_NONE},
                                         .transport = {0, LOG_NONE},
                                         .host = {{0, LOG_NONE}, {0, LOG_NONE}, -1, 0}};
    *fields = none;
    while (at < end && *at == ' ') {
        const uint8_t *key = at + 1, *value = key, *behind;
        int size;
        while (value < end && log_exim_is_letter(*value) && value - key < 6) value++;
        size = (int)(value - key);
        if (value == end || *value != '=' || !size || size > 5 || !log_exim_is_capital(*key)) {
            behind = log_exim_mark(key, end);
            if (!behind) return at;
            at = behind;
            continue;
        }
        if (size == 1 && *key == stop) return at;
        value++;
        if (size == 1 && *key == 'H' && !fields->has_host) {
            fields->has_host = 1;
            behind = log_exim_server(scan, value, end, &fields->host);
        } else if (value < end && *value == '<') {
            behind = log_exim_angles(scan, value, end);
            if (!behind) return NULL;
        } else {
            behind = value < end && *value == '"' ? log_find(value + 1, end, '"') : NULL;
            behind = behind ? behind + 1 : log_exim_word(scan, value, end, ' ');
        }
        if (behind > value && behind[-1] == ':') { /* the one in front of the message */
            log_text *name = &fields->host.name;
            behind--;
            if (!log_is_null(*name) && log_bytes(scan, *name)[name->size - 1] == ':')
                if (!--name->size) *name = log_null;
        }
        log_exim_keep(scan, fields, key, size, value, behind);
        at = behind;
    }
    return at;
}

/* --- Times ---------------------------------------------------------------------------------- */

/* `_seconds`: "1w2d3h4m5.678s" or some of that; NaN for anything else. */
static double log_exim_seconds(const uint8_t *at, const uint8_t *end) {
    static const char units[] = "wdhms";
    static const int64_t lengths[] = {604800, 86400, 3600, 60, 1};
    int64_t whole = 0;
    double part = 0;
    int unit = 0;
    if (at == end) return NAN;
    while (at < end) {
        int64_t value;
        const uint8_t *behind = log_digits(at, end, 9, &value);
        if (behind == at || behind == end) return NAN;
        if (*behind == '.') {
            if (unit == 5 || end[-1] != 's' || !log_read_seconds(at, end - 1, &part)) return NAN;
            break;
        }
        while (unit < 5 && *behind != (uint8_t)units[unit]) unit++;
        if (unit == 5) return NAN;
        whole += value * lengths[unit++];
        at = behind + 1;
    }
    return (double)whole + part;
}

/* `_time_in_queue`: behind what the server said, or among the keys. */
static double log_exim_delay(const uint8_t *at, const uint8_t *end, const log_exim_fields *fields) {
    const uint8_t *start = end, *last = NULL;
    while (start > at && start[-1] != ' ') start--;
    if (start > at) {
        last = start;
        for (start--; start > at && start[-1] != ' ';) start--;
        if (LOG_STARTS(start, last, "QT=")) return log_exim_seconds(start + 3, last - 1);
        start = last;
    }
    if (LOG_STARTS(start, end, "QT=")) return log_exim_seconds(start + 3, end);
    if (!fields->queue_time) return NAN;
    return log_exim_seconds(fields->queue_time, fields->queue_time_end);
}

/* `_without_time`: returns where a message ends, without the time of delivery behind it. */
static const uint8_t *log_exim_without_time(const uint8_t *at, const uint8_t *end) {
    const uint8_t *time = end;
    if (end - at < 5 || !scan_is_digit(end[-2])) return end;
    while (time > at &&
           (scan_is_digit(time[-1]) || log_exim_is_letter(time[-1]) || time[-1] == '.'))
        time--;
    if (time - at < 3 || memcmp(time - 3, "DT=", 3) != 0) return end;
    if (time - 3 > at && time[-4] != ' ') return end;
    if (isnan(log_exim_seconds(time, end))) return end;
    return time - 3 > at ? time - 4 : at;
}

/* --- What was printed ----------------------------------------------------------------------- */

/* Whether "\n" at `at` was the end of a line of a reply, and no backslash of the server's. */
static int log_exim_is_line_end(const uint8_t *at, const uint8_t *end) {
    int64_t ignored;
    const uint8_t *start = at + 2, *behind = log_digits(start, end, 3, &ignored);
    if (behind == end) return 1;
    return behind == start + 3 &&
           (*behind == ' ' || *behind == '-' || LOG_STARTS(behind, end, "\\n"));
}

/* The octet that stands as "\303" at `at`, or -1. */
static int log_exim_octal(const uint8_t *at, const uint8_t *end) {
    int octet = 0;
    if (end - at < 4) return -1;
    for (int digit = 1; digit < 4; digit++) {
        if (at[digit] < '0' || at[digit] > '7') return -1;
        octet = 8 * octet + at[digit] - '0';
    }
    return octet < 0x20 || (octet >= 0x7F && octet < 0x100) ? octet : -1;
}

/* `_unprinted`, of what stood in quotes with backslashes before: put in the arena. 0: not sure. */
static int log_exim_unprint(log_scan *scan, const uint8_t *at, const uint8_t *end, int is_quoted,
                            log_text *text) {
    uint8_t *const start = log_room(scan, end - at);
    uint8_t *write = start;
    uint8_t raw = 0, printed = 0;
    if (!start) return 0;
    if (is_quoted) {
        while (at < end) {
            if (*at == '\\' && end - at > 1) at++;
            *write++ = *at++;
        }
        at = start;
        end = write;
        write = start;
    }
    while (at < end) {
        int octet;
        if (*at != '\\') {
            raw |= *at;
            *write++ = *at++;
        } else if (LOG_STARTS(at, end, "\\n") && log_exim_is_line_end(at, end)) {
            *write++ = '\n';
            at += 2;
        } else if ((octet = log_exim_octal(at, end)) >= 0) {
            if (octet < 0x20) return 0;
            printed |= (uint8_t)octet;
            *write++ = (uint8_t)octet;
            at += 4;
        } else {
            *write++ = *at++;
        }
    }
    /* Together they might make a letter. */
    if (raw & printed & 0x80) return 0;
    text->at = scan->arena_size | LOG_IN_ARENA;
    text->size = (uint32_t)(write - start);
    scan->arena_size += text->size;
    return 1;
}

/* A reply of one or more lines that stands in the arena. */
static int log_exim_lines(log_scan *scan, log_row *row, log_text reply, int command) {
    const uint8_t *starts[LOG_EXIM_LINES], *ends[LOG_EXIM_LINES];
    const uint8_t *at = log_bytes(scan, reply), *end = at + reply.size;
    int count = 0;
    for (;;) {
        const uint8_t *line_end = log_find(at, end, '\n');
        if (count == LOG_EXIM_LINES) return 0;
        starts[count] = at;
        ends[count] = line_end ? line_end : end;
        if (ends[count] == at || ends[count][-1] == '\r') return 0;
        count++;
        if (!line_end) break;
        at = line_end + 1;
    }
    return log_take_reply(scan, row, starts, ends, count, command);
}

/* How a reply stands in a line: as it was said; printed; in quotes with backslashes before. */
enum { LOG_EXIM_VERBATIM, LOG_EXIM_PRINTED, LOG_EXIM_QUOTED };

/* A reply; 0: not sure. */
static int log_exim_reply(log_scan *scan, log_row *row, const uint8_t *at, const uint8_t *end,
                          int written, int command) {
    log_text reply;
    row->stage = log_own(command);
    if (end[-1] == '\r') return 0;
    if (written == LOG_EXIM_VERBATIM) return log_take_reply(scan, row, &at, &end, 1, command);
    /* So that the lines stay where they are while they are taken. */
    if (!log_room(scan, 4 * (end - at) + 64)) return 0;
    return log_exim_unprint(scan, at, end, written == LOG_EXIM_QUOTED, &reply) &&
           log_exim_lines(scan, row, reply, command);
}

/* "550" and what is no letter and no digit. */
static int log_exim_is_code(const uint8_t *at, const uint8_t *end) {
    return end - at >= 3 && scan_is_digit(at[0]) && scan_is_digit(at[1]) && scan_is_digit(at[2]) &&
           (end - at == 3 || !log_is_alnum(at[3]));
}

/* Exim's own words; 0: not sure. */
static int log_exim_words(log_scan *scan, const uint8_t *at, const uint8_t *end, log_text *words) {
    if (log_find(at, end, '\\')) return log_exim_unprint(scan, at, end, 0, words);
    *words = log_piece(scan, at, end);
    return 1;
}

/* Why Exim said these words, with the class of their status in front of them. 0: not sure. */
static int log_exim_diagnose(log_scan *scan, log_row *row, const char *class_code, log_text words,
                             int command) {
    const uint32_t start = scan->arena_size;
    const uint8_t *at = log_bytes(scan, words), *end = at + words.size;
    log_text code = log_null;
    if (!class_code && at < end && !log_is_graph(*at)) return 0;
    while (end > at && end[-1] == ' ') end--;
    if (log_has_odd_end(at, end)) return 0;
    if (!scan->rules) return 1;
    if (class_code) {
        log_put(scan, (const uint8_t *)class_code, (int64_t)strlen(class_code));
        code = log_put_since(scan, start);
    }
    log_diagnose_words(scan, row, code, words, command);
    return 1;
}

/* --- Messages of transports ----------------------------------------------------------------- */

/* What a transport tells: its words, the reply in them, and what that answers. */
typedef struct {
    const uint8_t *words, *end;
    const uint8_t *reply; /* up to `end`; NULL: none */
    log_text recipient;
    int stage;
} log_exim_message;

static int log_exim_stage(const log_scan *scan, const uint8_t *at, const uint8_t *end) {
    static const log_phrase stages[] = {{"initial connection", LOG_CONNECT},
                                        {"end of data", LOG_EOD},
                                        {"sending data block", LOG_EOD},
                                        {"HELO", LOG_EHLO},
                                        {"LHLO", LOG_EHLO}};
    const int command = log_command_named(scan, at, end);
    return command == LOG_NO_STAGE ? LOG_PHRASE_COMMAND(stages, at, end) : command;
}

/* Where the words end that `_COMMAND` takes for a command; NULL: none. */
static const uint8_t *log_exim_command(const uint8_t *at, const uint8_t *end) {
    const uint8_t *start = at;
    if (LOG_STARTS(at, end, "initial connection")) return at + 18;
    if (LOG_STARTS(at, end, "end of data")) return at + 11;
    if (LOG_STARTS(at, end, "sending data block")) return at + 18;
    while (at < end && log_exim_is_capital(*at)) at++;
    if (at - start < 4 || at - start > 8 || (at < end && log_exim_is_letter(*at))) return NULL;
    return at;
}

/* Behind "SMTP error from remote mail server after " and its kin, NULL: they do not stand there. */
static const uint8_t *log_exim_said(const uint8_t *at, const uint8_t *end) {
    if (!LOG_STARTS(at, end, "SMTP error ") && !LOG_STARTS(at, end, "LMTP error ") &&
        !LOG_STARTS(at, end, "PRDR error "))
        return NULL;
    at += 11;
    if (LOG_STARTS(at, end, "from remote mail server "))
        at += 24;
    else if (LOG_STARTS(at, end, "from remote mailer "))
        at += 19;
    return LOG_STARTS(at, end, "after ") ? at + 6 : NULL;
}

/* Behind the words for a command that got no reply; NULL: they do not stand there. */
static const uint8_t *log_exim_unsaid(const uint8_t *at, const uint8_t *end) {
    static const char *const words[] = {"SMTP timeout after ",
                                        "LMTP timeout after ",
                                        "SMTP connection closed after ",
                                        "LMTP connection closed after ",
                                        "Remote host closed connection in response to ",
                                        "Malformed SMTP reply in response to ",
                                        "Malformed SMTP reply (an empty line) in response to "};
    for (size_t index = 0; index < sizeof words / sizeof *words; index++)
        if (log_starts(at, end, words[index], (int)strlen(words[index])))
            return at + strlen(words[index]);
    return NULL;
}

/* ": " from `at` on, or NULL. */
static const uint8_t *log_exim_colon(const uint8_t *at, const uint8_t *end) {
    while ((at = log_find(at, end, ':')) != NULL && !LOG_STARTS(at, end, ": ")) at++;
    return at;
}

/* `_message`; 0: not sure. */
static int log_exim_message_of(const log_scan *scan, const uint8_t *at, const uint8_t *end,
                               int has_host, log_exim_message *message) {
    const uint8_t *const start = at, *said = log_exim_said(at, end);
    const uint8_t *command = said ? said : log_exim_unsaid(at, end), *behind;
    message->words = at;
    message->end = end;
    message->reply = NULL;
    message->recipient = log_null;
    message->stage = LOG_NO_STAGE;
    if (!command) return 1;
    if (LOG_STARTS(command, end, "pipelined ")) command += 10;
    at = log_exim_command(command, end);
    if (!at) return 1;
    message->stage = log_exim_stage(scan, command, at);
    if (LOG_STARTS(at, end, " FROM:<") || LOG_STARTS(at, end, " TO:<")) {
        at += at[1] == 'F' ? 6 : 4;
        behind = log_exim_angles(scan, at, end);
        if (!behind) return 0;
        if (message->stage == LOG_RCPT) message->recipient = log_piece(scan, at + 1, behind - 1);
        at = behind;
    }
    if (!said) return 1;
    if ((message->stage == LOG_DATA || message->stage == LOG_BDAT) &&
        (*start == 'P' || (*start == 'L' && has_host)))
        message->stage = LOG_EOD;
    at = log_exim_colon(at, end);
    if (!at) return 1;
    at += 2;
    if (LOG_STARTS(at, end, "host ")) return 0; /* of versions up to 4.7 */
    if (log_exim_is_code(at, end)) message->reply = at;
    return 1;
}

/* The reply in a message; 0: not sure. */
static int log_exim_message_reply(log_scan *scan, log_row *row, const log_exim_message *message) {
    const int is_printed = log_find(message->reply, message->end, '\\') != NULL;
    return log_exim_reply(scan, row, message->reply, message->end,
                          is_printed ? LOG_EXIM_PRINTED : LOG_EXIM_VERBATIM, message->stage);
}

/* A recipient; 0: its domain may not be ASCII. */
static int log_exim_recipient(const log_scan *scan, log_row *row, const uint8_t *at,
                              const uint8_t *end) {
    uint8_t all = 0;
    row->recipient = log_piece(scan, at, end);
    while (at < end) all |= *at++;
    return all < 0x80;
}

#endif
