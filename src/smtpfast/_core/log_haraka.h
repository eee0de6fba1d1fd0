/* What Haraka logs, plainly or as logfmt: the twin of logs/haraka.py. Its JSON is Python's. */

#ifndef SMTPFAST_LOG_HARAKA_H
#define SMTPFAST_LOG_HARAKA_H

#include "log_values.h"

/* Of one transaction, as in logs/haraka.py. */
enum { LOG_HARAKA_RECIPIENTS = 1000 };

/* The keys that matter. */
#define LOG_HARAKA_KEYS(key)                                                             \
    key(UUID, "uuid") key(ORIGIN, "origin") key(MESSAGE, "message") key(CODE, "code")    \
    key(SENDER, "sender") key(FILE, "delivered file") key(DOMAIN, "domain")              \
    key(HOST, "host") key(IP, "ip") key(PORT, "port") key(RESPONSE, "response")          \
    key(DELAY, "delay") key(RCPTS, "rcpts")
#define LOG_HARAKA_NUMBER(name, word) LOG_HARAKA_##name,
#define LOG_HARAKA_WORD(name, word) {word, sizeof(word) - 1},
enum { LOG_HARAKA_KEYS(LOG_HARAKA_NUMBER) LOG_HARAKA_KEY_COUNT };

/* A value without its quotes; `at` is NULL where there is none. */
typedef struct {
    const uint8_t *at, *end;
    int is_escaped;
} log_haraka_value;

typedef struct {
    const uint8_t *uuid, *uuid_end, *message, *end;
    log_haraka_value values[LOG_HARAKA_KEY_COUNT];
} log_haraka_line;

/* --- The parts of a line -------------------------------------------------------------------- */

/* A level, and where it ends; NULL for none. */
static const uint8_t *log_haraka_level(const uint8_t *at, const uint8_t *end) {
    static const char *const levels[] = {"INFO", "NOTICE", "DEBUG", "PROTOCOL", "WARN",
                                         "ERROR", "DATA", "CRIT", "ALERT", "EMERG"};
    const uint8_t *behind = at;
    while (behind < end && (uint8_t)(*behind - 'A') < 26) behind++;
    for (size_t index = 0; index < sizeof levels / sizeof *levels; index++)
        if (log_equals(at, behind, levels[index], (int)strlen(levels[index]))) return behind;
    return NULL;
}

/* The id of a connection with the numbers behind it, or "-"; returns where it ends, or NULL. */
static const uint8_t *log_haraka_uuid(const uint8_t *at, const uint8_t *end) {
    if (at < end && *at == '-') return at + 1;
    if (end - at < 36) return NULL;
    for (int digit = 0; digit < 36; digit++) {
        const int is_dash = digit == 8 || digit == 13 || digit == 18 || digit == 23;
        const int is_hex = scan_is_digit(at[digit]) || (uint8_t)((at[digit] | 0x20) - 'a') < 6;
        if (is_dash ? at[digit] != '-' : !is_hex) return NULL;
    }
    for (at += 36; end - at > 1 && *at == '.' && scan_is_digit(at[1]);)
        for (at++; at < end && scan_is_digit(*at);) at++;
    return at;
}

/* "key=value" and "key="value"" to the end, as far as they matter; 0: it is no such list. */
static int log_haraka_pairs(log_haraka_value *values, const uint8_t *at, const uint8_t *end) {
    static const struct {
        const char *word;
        int size;
    } keys[] = {LOG_HARAKA_KEYS(LOG_HARAKA_WORD)};
    while (at < end) {
        const uint8_t *key = at;
        log_haraka_value value = {NULL, NULL, 0};
        int index = 0;
        while (at < end && *at != '=' && *at != '"') at++;
        if (at == key || at == end || *at == '"') return 0;
        while (index < LOG_HARAKA_KEY_COUNT &&
               !log_equals(key, at, keys[index].word, keys[index].size))
            index++;
        value.at = ++at;
        if (at < end && *at == '"') {
            for (value.at = ++at; at < end && *at != '"'; at++)
                if (*at == '\\') {
                    value.is_escaped = 1;
                    if (++at == end) return 0;
                }
            if (at == end) return 0; /* cut */
            value.end = at++;
        } else {
            while (at < end && *at != ' ' && *at != '"') at++;
            value.end = at;
        }
        if (at < end && *at++ != ' ') return 0;
        if (index < LOG_HARAKA_KEY_COUNT) values[index] = value;
    }
    return 1;
}

/* Printable ASCII, and nothing escaped. */
static int log_haraka_is_plain(const log_haraka_value *value) {
    return !value->is_escaped && log_is_printable(value->at, value->end);
}

/* A value without its backslashes. */
static log_text log_haraka_unescaped(log_scan *scan, const log_haraka_value *value) {
    const uint32_t start = scan->arena_size;
    uint8_t *copy;
    if (!value->is_escaped) return log_piece(scan, value->at, value->end);
    copy = log_room(scan, value->end - value->at);
    if (!copy) return log_null;
    for (const uint8_t *at = value->at; at < value->end; at++) {
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\')) at++;
        *copy++ = *at;
    }
    scan->arena_size = (uint32_t)(copy - scan->arena);
    return log_put_since(scan, start);
}

/* Where "<address>" ends; NULL for one that needs a closer look. */
static const uint8_t *log_haraka_address(const uint8_t *at, const uint8_t *end) {
    if (at == end || *at != '<') return NULL;
    for (at++; at < end && *at != '>'; at++)
        if (*at == '<' || *at == '"' || (uint8_t)(*at - ' ') > '~' - ' ') return NULL;
    return at < end ? at + 1 : NULL;
}

/* Whether it is an address or the path of a socket. */
static int log_haraka_is_address(const uint8_t *at, const uint8_t *end) {
    return at < end && (*at == '/' || log_is_ip(at, end));
}

/* The port, or -1. */
static int32_t log_haraka_port(const uint8_t *at, const uint8_t *end) {
    int64_t port;
    const uint8_t *behind = log_digits(at, end, 5, &port);
    return behind == end && behind > at ? (int32_t)port : -1;
}

/* --- Outcomes ------------------------------------------------------------------------------- */

/* "delivered file=…": what is through. */
static log_answer log_haraka_delivered(log_scan *scan, log_row *row, const log_haraka_line *line) {
    const log_haraka_value *values = line->values, *ip = &values[LOG_HARAKA_IP];
    const log_haraka_value *host = &values[LOG_HARAKA_HOST], *port = &values[LOG_HARAKA_PORT];
    const log_haraka_value *delay = &values[LOG_HARAKA_DELAY], *rcpts = &values[LOG_HARAKA_RCPTS];
    const log_haraka_value *domain = &values[LOG_HARAKA_DOMAIN];
    if (!values[LOG_HARAKA_RESPONSE].at || !domain->at || !rcpts->at) return LOG_UNSURE;
    if (host->is_escaped || port->is_escaped || delay->is_escaped || !log_haraka_is_plain(ip))
        return LOG_UNSURE;
    /* Of more than one recipient, as many records are made. */
    if (!LOG_STARTS(rcpts->at, rcpts->end, "1/") || !log_haraka_is_plain(domain))
        return LOG_UNSURE;
    if (host->at < host->end) row->relay_host = log_piece(scan, host->at, host->end);
    if (log_haraka_is_address(ip->at, ip->end)) row->relay_ip = log_piece(scan, ip->at, ip->end);
    if (port->at) row->relay_port = log_haraka_port(port->at, port->end);
    if (delay->at < delay->end && !log_read_seconds(delay->at, delay->end, &row->delay))
        return LOG_UNSURE;
    row->event = LOG_DELIVERY;
    row->status = log_own(LOG_sent);
    row->stage = log_own(LOG_EOD);
    row->text = log_haraka_unescaped(scan, &values[LOG_HARAKA_RESPONSE]);
    row->domain = log_piece(scan, domain->at, domain->end); /* for `log_haraka_join` */
    row->asks_sender = 1;
    log_accept(scan, row);
    return LOG_TAKEN;
}

/* A reply of one line. */
static log_answer log_haraka_reply(log_scan *scan, log_row *row, const uint8_t *at,
                                   const uint8_t *end, int command) {
    return at < end && log_take_line(scan, row, at, end, command) ? LOG_TAKEN : LOG_UNSURE;
}

/* "recipient <…> rejected: 550 …" */
static log_answer log_haraka_recipient(log_scan *scan, log_row *row, const uint8_t *at,
                                       const uint8_t *end) {
    const uint8_t *address = at + 10;
    at = log_haraka_address(address, end);
    if (!at) return LOG_UNSURE;
    row->recipient = log_piece(scan, address + 1, at - 1);
    if (LOG_STARTS(at, end, " rejected: ")) row->status = log_own(LOG_bounced);
    else if (LOG_STARTS(at, end, " deferred: ")) row->status = log_own(LOG_deferred);
    else return LOG_UNSURE;
    at += 11;
    /* Values may stand behind a recipient, and then it is another kind of line. */
    if (LOG_FIND_FIRST(at, end, "code=")) return LOG_UNSURE;
    row->event = LOG_DELIVERY;
    row->asks_sender = 1;
    return log_haraka_reply(scan, row, at, end, LOG_RCPT);
}

/* What became of a message as a whole. */
static log_answer log_haraka_whole(log_scan *scan, log_row *row, const uint8_t *at,
                                   const uint8_t *end, int status) {
    row->event = LOG_ATTEMPT;
    row->status = log_own(status);
    row->asks_sender = 1;
    if (LOG_STARTS(at, end, "Unrecognized response from upstream server: ")) return LOG_UNSURE;
    if (LOG_STARTS(at, end, "Upstream error: "))
        return log_haraka_reply(scan, row, at + 16, end, LOG_NO_STAGE);
    if (end - at >= 3 && *at >= '2' && *at <= '5' && scan_is_digit(at[1]) &&
        scan_is_digit(at[2]) && (end - at == 3 || at[3] == ' '))
        return log_haraka_reply(scan, row, at, end, LOG_NO_STAGE);
    if (at == end) return LOG_UNSURE;
    return log_take_words(scan, row, at, end, status == LOG_bounced ? "5.0.0" : "4.0.0",
                          LOG_NO_STAGE)
               ? LOG_TAKEN
               : LOG_UNSURE;
}

/* "Temp failing file for 60 seconds: …" */
static log_answer log_haraka_deferred(log_scan *scan, log_row *row, const uint8_t *at,
                                      const uint8_t *end) {
    const uint8_t *behind = log_find(at + 13, end, ' ');
    if (!behind || behind == at + 13 || !LOG_STARTS(behind, end, " for ")) return LOG_UNSURE;
    at = behind + 5;
    behind = log_find(at, end, ' ');
    if (!behind || behind == at || !LOG_STARTS(behind, end, " seconds: ")) return LOG_UNSURE;
    at = behind + 10;
    if (LOG_STARTS(at, end, "Some recipients temp failed: ")) {
        row->kind = LOG_FORGET; /* who was deferred in this attempt */
        return LOG_TAKEN;
    }
    return log_haraka_whole(scan, row, at, end, LOG_deferred);
}

/* What could not be spoken to, "host:port" from `peer` to `peer_end`. */
static log_answer log_haraka_connection(log_scan *scan, log_row *row, const uint8_t *text,
                                        const uint8_t *end, const uint8_t *peer,
                                        const uint8_t *peer_end) {
    log_haraka_value host = {peer, peer_end, 0};
    while (host.end > peer && host.end[-1] != ':') host.end--;
    row->relay_port = log_haraka_port(host.end, peer_end);
    host.end -= host.end > peer;
    if (row->relay_port >= 0 && peer < host.end) {
        if (!log_haraka_is_plain(&host)) return LOG_UNSURE;
        *(log_haraka_is_address(peer, host.end) ? &row->relay_ip : &row->relay_host) =
            log_piece(scan, peer, host.end);
    }
    row->event = LOG_CONNECTION;
    return log_take_words(scan, row, text, end, "", LOG_NO_STAGE) ? LOG_TAKEN : LOG_UNSURE;
}

/* What its outbound part says. */
static log_answer log_haraka_outbound(log_scan *scan, log_row *row, const log_haraka_line *line) {
    const uint8_t *at = line->message, *end = line->end, *behind;
    row->queue_id = log_piece(scan, line->uuid, line->uuid_end);
    if (*line->uuid == '-') row->queue_id = log_null;
    if (line->values[LOG_HARAKA_FILE].at)
        return log_is_null(row->queue_id) ? LOG_UNSURE : log_haraka_delivered(scan, row, line);
    switch (at < end ? *at : 0) {
    case 'r':
        if (!LOG_STARTS(at, end, "recipient <")) break;
        return log_is_null(row->queue_id) ? LOG_UNSURE : log_haraka_recipient(scan, row, at, end);
    case 'T':
        if (!LOG_STARTS(at, end, "Temp failing ")) break;
        return log_is_null(row->queue_id) ? LOG_UNSURE : log_haraka_deferred(scan, row, at, end);
    case 'b':
        if (!LOG_STARTS(at, end, "bouncing mail: ")) break;
        if (LOG_STARTS(at + 15, end, "Some recipients failed: ")) break;
        if (log_is_null(row->queue_id) || LOG_STARTS(at + 15, end, "Too many failures ("))
            return LOG_UNSURE;
        return log_haraka_whole(scan, row, at + 15, end, LOG_bounced);
    case 'R':
        if (!LOG_STARTS(at, end, "Remote end ")) break;
        behind = LOG_FIND_FIRST(at + 11, end, " closed connection");
        if (!behind) break;
        return log_haraka_connection(scan, row, at, end, at + 11, behind);
    case 'O':
        if (!LOG_STARTS(at, end, "Ongoing connection failed to ")) break;
        behind = LOG_FIND_FIRST(at + 29, end, " : ");
        if (!behind) break;
        return log_haraka_connection(scan, row, at, end, at + 29, behind);
    case 'F':
        if (!LOG_STARTS(at, end, "Failed to get socket: ")) break;
        for (behind = end; behind[-1] != ' ';) behind--;
        if (behind == end) break;
        return log_haraka_connection(scan, row, at, end, behind, end);
    }
    row->queue_id = log_null;
    return LOG_NOTHING;
}

/* What a client was answered: whom it has told of is noted, what was refused is Python's. */
static log_answer log_haraka_core(log_scan *scan, log_row *row, const log_haraka_line *line) {
    const log_haraka_value *code = &line->values[LOG_HARAKA_CODE];
    const log_haraka_value *sender = &line->values[LOG_HARAKA_SENDER];
    const uint8_t *at = line->message, *end = line->end, *address;
    const int is_recipient = LOG_STARTS(at, end, "recipient <");
    if (!is_recipient && !LOG_STARTS(at, end, "sender <")) {
        if (!LOG_EQUALS(at, end, "queue") && !LOG_EQUALS(at, end, "message")) return LOG_NOTHING;
        return code->at < code->end && (code->is_escaped || *code->at == 'D') ? LOG_UNSURE
                                                                             : LOG_NOTHING;
    }
    address = at + (is_recipient ? 10 : 7);
    if (log_haraka_address(address, end) != end || *line->uuid == '-') return LOG_UNSURE;
    if (code->at == code->end || code->is_escaped || *code->at == 'D') return LOG_UNSURE;
    if (is_recipient && !LOG_EQUALS(code->at, code->end, "OK")) return LOG_NOTHING;
    row->kind = LOG_NOTE;
    row->queue_id = log_piece(scan, line->uuid, line->uuid_end);
    if (is_recipient) {
        if (!log_haraka_is_plain(sender)) return LOG_UNSURE;
        if (sender->at) row->sender = log_piece(scan, sender->at, sender->end);
        row->recipient = log_piece(scan, address + 1, end - 1);
    } else {
        row->sender = log_piece(scan, address + 1, end - 1);
    }
    return LOG_TAKEN;
}

/* --- Lines ---------------------------------------------------------------------------------- */

/* What its core says in the plain form, where values stand behind the message. */
static log_answer log_haraka_plain_core(log_scan *scan, log_row *row, log_haraka_line *line) {
    const uint8_t *at = line->message, *end = line->end, *values;
    if (LOG_STARTS(at, end, "queue ")) values = at + 5;
    else if (LOG_STARTS(at, end, "message ")) values = at + 7;
    else if (LOG_STARTS(at, end, "sender <")) values = log_haraka_address(at + 7, end);
    else if (LOG_STARTS(at, end, "recipient <")) values = log_haraka_address(at + 10, end);
    else return LOG_NOTHING;
    if (!values || (values < end && *values != ' ')) return LOG_UNSURE;
    if (values == end || !log_haraka_pairs(line->values, values + 1, end)) return LOG_UNSURE;
    if (!line->values[LOG_HARAKA_CODE].at) return LOG_UNSURE;
    line->end = values;
    return log_haraka_core(scan, row, line);
}

static log_answer log_haraka_plain(log_scan *scan, log_row *row, const uint8_t *at,
                                   const uint8_t *end) {
    log_haraka_line line;
    const uint8_t *origin;
    at = log_haraka_level(at + 1, end);
    if (!at || !LOG_STARTS(at, end, "] [")) return LOG_UNSURE;
    line.uuid = at += 3;
    line.uuid_end = at = log_haraka_uuid(at, end);
    if (!at || !LOG_STARTS(at, end, "] [")) return LOG_UNSURE;
    origin = at += 3;
    at = log_find(at, end, ']');
    if (!at || end - at < 2 || at[1] != ' ') return LOG_UNSURE;
    line.message = at + 2;
    line.end = end;
    if (LOG_EQUALS(origin, at, "outbound")) {
        const uint8_t *word = line.message;
        memset(line.values, 0, sizeof line.values);
        while (word < end && *word == ' ') word++;
        if (LOG_STARTS(word, end, "delivered file=") && !log_haraka_pairs(line.values, word, end))
            return LOG_UNSURE;
        return log_haraka_outbound(scan, row, &line);
    }
    if (!LOG_EQUALS(origin, at, "core")) return LOG_NOTHING;
    memset(line.values, 0, sizeof line.values);
    return log_haraka_plain_core(scan, row, &line);
}

static log_answer log_haraka_logfmt(log_scan *scan, log_row *row, const uint8_t *at,
                                    const uint8_t *end) {
    log_haraka_line line;
    const uint8_t *text = at;
    const log_haraka_value *origin = &line.values[LOG_HARAKA_ORIGIN];
    const log_haraka_value *message = &line.values[LOG_HARAKA_MESSAGE];
    memset(&line, 0, sizeof line);
    at = log_haraka_level(at + 6, end);
    if (!at || !LOG_STARTS(at, end, " uuid=")) return LOG_UNSURE;
    line.uuid = at += 6;
    line.uuid_end = at = log_haraka_uuid(at, end);
    if (!at || at == end || *at != ' ' || !log_haraka_pairs(line.values, text, end))
        return LOG_UNSURE;
    if (line.values[LOG_HARAKA_UUID].at != line.uuid || !origin->at || origin->is_escaped)
        return LOG_UNSURE;
    if (!LOG_EQUALS(origin->at, origin->end, "outbound") &&
        !LOG_EQUALS(origin->at, origin->end, "core"))
        return LOG_NOTHING;
    if (!message->at || message->is_escaped) return LOG_UNSURE;
    line.message = message->at;
    line.end = message->end;
    return *origin->at == 'o' ? log_haraka_outbound(scan, row, &line)
                              : log_haraka_core(scan, row, &line);
}

/* Whether a line may be Haraka's: a level begins it. */
static inline int log_haraka_may_know(const uint8_t *at, const uint8_t *end) {
    if (end - at > 1 && *at == '[') return (uint8_t)(at[1] - 'A') < 26;
    return LOG_STARTS(at, end, "level=");
}

/* A line of Haraka. */
static log_answer log_haraka(log_scan *scan, log_row *row, const uint8_t *at, const uint8_t *end) {
    if (!log_haraka_may_know(at, end)) return LOG_UNSURE;
    return *at == '[' ? log_haraka_plain(scan, row, at, end)
                      : log_haraka_logfmt(scan, row, at, end);
}

/* --- Transactions --------------------------------------------------------------------------- */

/* Where a field of a packed transaction ends. */
static inline const uint8_t *log_haraka_field(const uint8_t *at, const uint8_t *end) {
    const uint8_t *behind = log_find(at, end, 0);
    return behind ? behind : end;
}

static inline int log_haraka_is(const uint8_t *at, const uint8_t *end, const uint8_t *other,
                                uint32_t size) {
    return end - at == (int64_t)size && memcmp(at, other, size) == 0;
}

/* Whether an address is of a domain, in any case. */
static int log_haraka_is_of(const uint8_t *at, const uint8_t *end, const uint8_t *domain,
                            uint32_t size) {
    const uint8_t *start = end;
    while (start > at && start[-1] != '@') start--;
    if (end - start != (int64_t)size) return 0;
    for (uint32_t index = 0; index < size; index++) {
        const uint8_t one = start[index], other = domain[index];
        if (one != other && ((one ^ other) != 0x20 || (uint8_t)((one | 0x20) - 'a') >= 26))
            return 0;
    }
    return 1;
}

/* The only recipient of the domain that waits for this delivery; NULL for none, or for several. */
static const uint8_t *log_haraka_taken(const uint8_t *at, const uint8_t *end, const uint8_t *domain,
                                       uint32_t size) {
    const uint8_t *found = NULL;
    while (at < end) {
        const uint8_t *recipient = at + 1, *behind = log_haraka_field(recipient, end);
        at = log_haraka_field(behind + 1, end);
        if (at != behind + 1 || !log_haraka_is_of(recipient, behind, domain, size)) continue;
        if (found) return NULL;
        found = recipient;
    }
    return found;
}

static void log_haraka_add(log_scan *scan, const uint8_t *recipient, int64_t size,
                           const uint8_t *message, int64_t message_size) {
    static const uint8_t nothing = 0;
    log_put(scan, &nothing, 1);
    log_put(scan, recipient, size);
    log_put(scan, &nothing, 1);
    log_put(scan, message, message_size);
}

/* What is new of a transaction whose recipients stand from `at` to `end`, put in the arena; returns
   whether the line has a bearing on it. `taken` has been delivered. */
static int log_haraka_renew(log_scan *scan, const log_row *row, const uint8_t *at,
                            const uint8_t *end, const uint8_t *taken) {
    const uint8_t *uuid = log_bytes(scan, row->queue_id);
    const int has_recipient = row->kind != LOG_FORGET && !taken && !log_is_null(row->recipient);
    const int is_rejected = LOG_EQUALS_TEXT(scan, row->status, "bounced");
    int count = 0, has_found = 0;
    while (at < end) {
        const uint8_t *recipient = at + 1, *behind = log_haraka_field(recipient, end), *message;
        int64_t size;
        message = behind + 1;
        at = log_haraka_field(message, end);
        size = at - message;
        count++;
        if (recipient == taken) continue;
        if (has_recipient) {
            const uint8_t *wanted = log_bytes(scan, row->recipient);
            if (log_haraka_is(recipient, behind, wanted, row->recipient.size)) {
                has_found = 1;
                if (row->kind == LOG_RECORD) {
                    if (is_rejected) continue;
                    message = uuid;
                    size = row->queue_id.size;
                }
            }
        } else if (log_haraka_is(message, at, uuid, row->queue_id.size)) {
            size = 0; /* the attempt is over */
        }
        log_haraka_add(scan, recipient, behind - recipient, message, size);
    }
    if (row->kind == LOG_NOTE && !has_found && count < LOG_HARAKA_RECIPIENTS)
        log_haraka_add(scan, log_bytes(scan, row->recipient), row->recipient.size, uuid, 0);
    if (row->kind != LOG_RECORD) return 1;
    return has_recipient ? has_found : !is_rejected;
}

static void log_haraka_put_sender(log_scan *scan, log_text sender) {
    if (log_is_null(sender)) return;
    log_put(scan, (const uint8_t *)"<", 1);
    log_put(scan, log_bytes(scan, sender), sender.size);
    log_put(scan, (const uint8_t *)">", 1);
}

/* What a line has from its transaction, and the other way; `_Transaction.packed` has the form. What
   is not sure becomes a line for Python. */
static int log_haraka_join(log_scan *scan, log_row *row, log_joins *joins) {
    const uint8_t *uuid = log_bytes(scan, row->queue_id), *noted, *end = NULL, *behind;
    const uint8_t *taken = NULL;
    const int is_sent = row->kind == LOG_RECORD && LOG_EQUALS_TEXT(scan, row->status, "sent");
    const log_text domain = row->domain;
    uint32_t key_size = row->queue_id.size, hash = row->hash, size = 0, start;
    int is_new = 1;
    row->domain = log_null;
    if (row->kind != LOG_NOTE) {
        while (key_size && uuid[key_size - 1] != '.') key_size--;
        key_size -= key_size > 0;
        hash = log_joins_hash(scan->seed, uuid, key_size);
    }
    noted = log_joins_get(joins, uuid, key_size, hash, &size);
    if (row->kind == LOG_NOTE && log_is_null(row->recipient)) noted = NULL;
    else if (!noted && row->kind != LOG_NOTE) return 1;
    start = scan->arena_size;
    if (!noted) {
        log_haraka_put_sender(scan, row->sender);
        if (!log_is_null(row->recipient))
            log_haraka_add(scan, log_bytes(scan, row->recipient), row->recipient.size, uuid, 0);
    } else {
        end = noted + size;
        if (is_sent) {
            for (behind = noted; behind < end; behind++)
                if (*behind >= 0x7F) {
                    log_leave_row(scan, row, row->queue_id);
                    return 1;
                }
        }
        behind = log_haraka_field(noted, end);
        if (row->kind == LOG_RECORD && behind > noted) {
            log_put(scan, noted + 1, behind - noted - 2);
            row->sender = log_put_since(scan, start);
        }
        if (is_sent)
            taken = log_haraka_taken(behind, end, log_bytes(scan, domain), domain.size);
        if (taken) {
            start = scan->arena_size;
            log_put(scan, taken, log_haraka_field(taken, end) - taken);
            row->recipient = log_put_since(scan, start);
        }
        start = scan->arena_size;
        log_put(scan, noted, behind - noted);
        is_new = log_haraka_renew(scan, row, behind, end, taken);
    }
    if (scan->has_failed) return 0;
    if (is_new && !log_joins_note(joins, uuid, key_size, hash, scan->arena + start,
                                  scan->arena_size - start))
        return 0;
    scan->arena_size = start;
    return 1;
}

#endif
