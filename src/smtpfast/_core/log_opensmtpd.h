/* What OpenSMTPD logs: the twin of logs/opensmtpd.py, for what versions since 6.4 write. */

#ifndef SMTPFAST_LOG_OPENSMTPD_H
#define SMTPFAST_LOG_OPENSMTPD_H

#include "log_values.h"

/* A session or an envelope: 16 hexadecimal digits. */
static int log_opensmtpd_is_id(const uint8_t *at, const uint8_t *end) {
    if (end - at < 16) return 0;
    for (int digit = 0; digit < 16; digit++)
        if (!scan_is_digit(at[digit]) && (uint8_t)(at[digit] - 'a') > 5) return 0;
    return 1;
}

/* --- Whom a session is with ----------------------------------------------------------------- */

/* An IP address, in brackets or without. */
static log_span log_opensmtpd_ip(const uint8_t *at, const uint8_t *end) {
    if (at < end && *at == '[') at++;
    if (at < end && end[-1] == ']') end--;
    if (LOG_STARTS(at, end, "IPv6:")) at += 5;
    return log_is_ip(at, end) ? log_span_of(at, end) : log_span_of(NULL, NULL);
}

/* The name of a host: no address, and no sign for none. */
static log_span log_opensmtpd_name(const uint8_t *at, const uint8_t *end) {
    const int is_none = at == end || LOG_EQUALS(at, end, "-") || LOG_EQUALS(at, end, "unknown") ||
                        LOG_EQUALS(at, end, "<unknown>") || log_opensmtpd_ip(at, end).at;
    return is_none ? log_span_of(NULL, NULL) : log_span_of(at, end);
}

static inline log_text log_opensmtpd_piece(const log_scan *scan, log_span span) {
    return span.at ? log_piece(scan, span.at, span.end) : log_null;
}

static void log_opensmtpd_put(log_scan *scan, log_span span) {
    if (span.at) log_put(scan, span.at, span.end - span.at);
}

/* "address=smtp://192.0.2.25:25 host=mx.example.com" is noted as "mx.example.com 192.0.2.25 25". */
static log_answer log_opensmtpd_note(log_scan *scan, log_row *row, const uint8_t *at,
                                     const uint8_t *end, log_text session) {
    const uint32_t start = scan->arena_size;
    const uint8_t *address, *address_end, *host, *host_end;
    log_span ip, port = {NULL, NULL};
    int64_t number = 0;
    if (!LOG_STARTS(at, end, "address=")) return LOG_UNSURE;
    address = at + 8;
    address_end = log_graph_end(address, end);
    if (address_end == address || !LOG_STARTS(address_end, end, " host=")) return LOG_UNSURE;
    host = address_end + 6;
    host_end = log_graph_end(host, end);
    if (host_end == host || (host_end < end && *host_end != ' ')) return LOG_UNSURE;
    for (at = address_end; at - address >= 3; at--) {
        if (memcmp(at - 3, "://", 3) != 0) continue;
        address = at;
        break;
    }
    ip = log_opensmtpd_ip(address, address_end);
    if (!ip.at) {
        for (at = address_end; at > address && at[-1] != ':';) at--;
        if (log_digits(at, address_end, 5, &number) == address_end && at < address_end)
            port = log_span_of(at, address_end);
        ip = log_opensmtpd_ip(address, at > address ? at - 1 : at);
    }
    while (port.at && port.end - port.at > 1 && *port.at == '0') port.at++;
    log_opensmtpd_put(scan, log_opensmtpd_name(host, host_end));
    log_put(scan, (const uint8_t *)" ", 1);
    log_opensmtpd_put(scan, ip);
    log_put(scan, (const uint8_t *)" ", 1);
    log_opensmtpd_put(scan, port);
    row->kind = LOG_NOTE;
    row->queue_id = session;
    row->sender = log_put_since(scan, start);
    return LOG_TAKEN;
}

/* Put in whom a session is with; its row has been asking for it with the session as queue id. */
static int log_opensmtpd_join(log_scan *scan, log_row *row, const log_joins *relays) {
    const uint32_t start = scan->arena_size;
    const uint8_t *at, *end, *host_end, *ip_end;
    int64_t port;
    uint32_t size;
    at =
        log_joins_get(relays, log_bytes(scan, row->queue_id), row->queue_id.size, row->hash, &size);
    row->queue_id = log_null;
    if (!at) return 1;
    log_put(scan, at, size);
    if (scan->has_failed) return 0;
    at = scan->arena + start;
    end = at + size;
    host_end = log_find(at, end, ' ');
    ip_end = log_find(host_end + 1, end, ' ');
    row->relay_host = row->relay_ip = log_null;
    if (host_end > at) {
        row->relay_host.at = start | LOG_IN_ARENA;
        row->relay_host.size = (uint32_t)(host_end - at);
    }
    if (ip_end > host_end + 1) {
        row->relay_ip.at = (start + (uint32_t)(host_end + 1 - at)) | LOG_IN_ARENA;
        row->relay_ip.size = (uint32_t)(ip_end - host_end - 1);
    }
    if (log_digits(ip_end + 1, end, 5, &port) > ip_end + 1) row->relay_port = (int32_t)port;
    return 1;
}

/* --- Deliveries ----------------------------------------------------------------------------- */

/* "1d2h3m4s" */
static int log_opensmtpd_delay(log_row *row, const uint8_t *at, const uint8_t *end) {
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    int64_t sum = 0, number;
    int unit = 0;
    if (at == end) return 1;
    while (at < end) {
        const uint8_t *behind = log_digits(at, end, 9, &number);
        if (behind < end && scan_is_digit(*behind)) return 0;
        if (behind == at || behind == end) return 1;
        while (unit < 4 && units[unit].unit != *behind) unit++;
        if (unit == 4) return 1;
        sum += number * units[unit++].seconds;
        at = behind + 1;
    }
    row->delay = (double)sum;
    return 1;
}

/* The outcome, and what a server or the MTA said; 0: not sure. */
static int log_opensmtpd_outcome(log_scan *scan, log_row *row, log_span result, log_span stat) {
    const char *code = "5.0.0";
    int status = LOG_bounced;
    if (LOG_EQUALS(result.at, result.end, "Ok")) {
        status = LOG_sent;
    } else if (LOG_EQUALS(result.at, result.end, "TempFail")) {
        status = LOG_deferred;
        code = "4.0.0";
    } else if (!LOG_EQUALS(result.at, result.end, "PermFail") &&
               !LOG_EQUALS(result.at, result.end, "Expire")) {
        return 0;
    }
    row->event = LOG_DELIVERY;
    row->status = log_own(status);
    if (log_is_reply(stat.at, stat.end))
        return log_take_line(scan, row, stat.at, stat.end,
                             status == LOG_sent ? LOG_EOD : LOG_NO_STAGE);
    if (status != LOG_sent) return log_take_words(scan, row, stat.at, stat.end, code, LOG_NO_STAGE);
    if (stat.at < stat.end) row->text = log_piece(scan, stat.at, stat.end);
    log_accept(scan, row);
    return 1;
}

/* "key=value" or "key="value"", with a blank behind it; returns what is behind that, NULL for what
   is none. */
static const uint8_t *log_opensmtpd_value(const uint8_t *at, const uint8_t *end, const char *key,
                                          int is_quoted, log_span *value) {
    const int size = (int)strlen(key);
    if (!log_starts(at, end, key, size)) return NULL;
    at += size;
    if (is_quoted) {
        const uint8_t *behind = at < end && *at == '"' ? log_find(at + 1, end, '"') : NULL;
        if (!behind || end - behind < 2 || behind[1] != ' ') return NULL;
        *value = log_span_of(at + 1, behind);
        return behind + 2;
    }
    *value = log_span_of(at, log_graph_end(at, end));
    return value->end < end && *value->end == ' ' ? value->end + 1 : NULL;
}

/* "evpid=… from=<…> to=<…> rcpt=<…> " */
static const uint8_t *log_opensmtpd_envelope(const log_scan *scan, log_row *row, const uint8_t *at,
                                             const uint8_t *end) {
    const uint8_t *behind;
    if (!LOG_STARTS(at, end, "evpid=") || !log_opensmtpd_is_id(at + 6, end)) return NULL;
    row->queue_id = log_piece(scan, at + 6, at + 22);
    at += 22;
    if (!LOG_STARTS(at, end, " from=<")) return NULL;
    at += 7;
    behind = log_find(at, end, '>');
    if (!behind || !LOG_STARTS(behind, end, "> to=<")) return NULL;
    row->sender = log_piece(scan, at, behind);
    at = behind + 6;
    behind = log_find(at, end, '>');
    if (!behind || log_graph_end(at, behind) != behind || !LOG_STARTS(behind, end, "> "))
        return NULL;
    row->recipient = log_piece(scan, at, behind);
    at = behind + 2;
    if (!LOG_STARTS(at, end, "rcpt=<")) return at;
    behind = log_find(at + 6, end, '>');
    return behind && LOG_STARTS(behind, end, "> ") ? behind + 2 : NULL;
}

/* "mta delivery … source="…" relay="192.0.2.25 (mx.example.com)" delay=2s result="Ok" stat="…"" */
static log_answer log_opensmtpd_by_relay(log_scan *scan, log_row *row, const uint8_t *at,
                                         const uint8_t *end) {
    log_span relay, delay, result, ignored, host;
    const uint8_t *pointer;
    at = log_opensmtpd_envelope(scan, row, at, end);
    if (at && LOG_STARTS(at, end, "source="))
        at = log_opensmtpd_value(at, end, "source=", 1, &ignored);
    if (at) at = log_opensmtpd_value(at, end, "relay=", 1, &relay);
    if (at) at = log_opensmtpd_value(at, end, "delay=", 0, &delay);
    if (at) at = log_opensmtpd_value(at, end, "result=", 1, &result);
    if (!at || !LOG_STARTS(at, end, "stat=\"")) return LOG_UNSURE;
    at += 6;
    for (const uint8_t *quote = end; quote > at; quote--) {
        if (quote[-1] != '"') continue;
        end = quote - 1; /* those within are not escaped: the last one ends it */
        break;
    }
    if (!log_is_printable(relay.at, relay.end)) return LOG_UNSURE;
    pointer = LOG_FIND_FIRST(relay.at, relay.end, " (");
    host = relay;
    if (pointer) {
        host.at = pointer + 2;
        if (host.at < host.end && host.end[-1] == ')') host.end--;
        relay.end = pointer;
    }
    row->relay_host = log_opensmtpd_piece(scan, log_opensmtpd_name(host.at, host.end));
    row->relay_ip = log_opensmtpd_piece(scan, log_opensmtpd_ip(relay.at, relay.end));
    if (!log_opensmtpd_delay(row, delay.at, delay.end)) return LOG_UNSURE;
    return log_opensmtpd_outcome(scan, row, result, log_span_of(at, end)) ? LOG_TAKEN : LOG_UNSURE;
}

/* "mda delivery … user=… delay=2s result=Ok stat=Delivered"; `process` is "mda". */
static log_answer log_opensmtpd_by_mda(log_scan *scan, log_row *row, const uint8_t *at,
                                       const uint8_t *end, log_text process) {
    log_span delay, result, ignored;
    at = log_opensmtpd_envelope(scan, row, at, end);
    if (at && LOG_STARTS(at, end, "user=")) at = log_opensmtpd_value(at, end, "user=", 0, &ignored);
    if (at) at = log_opensmtpd_value(at, end, "delay=", 0, &delay);
    if (at) at = log_opensmtpd_value(at, end, "result=", 0, &result);
    if (!at || !LOG_STARTS(at, end, "stat=")) return LOG_UNSURE;
    row->relay_host = process;
    if (!log_opensmtpd_delay(row, delay.at, delay.end)) return LOG_UNSURE;
    return log_opensmtpd_outcome(scan, row, result, log_span_of(at + 5, end)) ? LOG_TAKEN
                                                                              : LOG_UNSURE;
}

/* What the queue says, and lines of old versions. */
static int log_opensmtpd_is_old(const uint8_t *at, const uint8_t *end) {
    return LOG_STARTS(at, end, "relay: ") || LOG_STARTS(at, end, "delivery: ") ||
           LOG_STARTS(at, end, "smtp-in: Failed command ") ||
           LOG_STARTS(at, end, "smtp-in: Bad input ");
}

/* --- Sessions ------------------------------------------------------------------------------- */

/* What ended a session with a server: "BANNER rejected: 421 …", or other trouble. */
static log_answer log_opensmtpd_error(log_scan *scan, log_row *row, const uint8_t *at,
                                      const uint8_t *end, log_text session) {
    static const struct {
        const char *words;
        int command;
    } rejects[] = {{"BANNER rejected: ", LOG_CONNECT},    {"EHLO rejected: ", LOG_EHLO},
                   {"HELO rejected: ", LOG_EHLO},         {"LHLO rejected: ", LOG_EHLO},
                   {"STARTTLS rejected: ", LOG_STARTTLS}, {"AUTH rejected: ", LOG_AUTH}};
    row->queue_id = session;
    row->asks_sender = 1;
    for (size_t index = 0; index < sizeof rejects / sizeof *rejects; index++) {
        const int size = (int)strlen(rejects[index].words);
        if (!log_starts(at, end, rejects[index].words, size) || !log_is_reply(at + size, end))
            continue;
        row->event = LOG_ATTEMPT;
        return log_take_line(scan, row, at + size, end, rejects[index].command) ? LOG_TAKEN
                                                                                : LOG_UNSURE;
    }
    row->event = LOG_CONNECTION;
    return at < end && log_take_words(scan, row, at, end, "", LOG_NO_STAGE) ? LOG_TAKEN
                                                                            : LOG_UNSURE;
}

/* "smtp-out: Error on session … after 2 messages sent: …" */
static log_answer log_opensmtpd_late_error(log_scan *scan, log_row *row, const uint8_t *at,
                                           const uint8_t *end) {
    const uint8_t *session = at + 27;
    int64_t ignored;
    if (!log_opensmtpd_is_id(session, end)) return LOG_UNSURE;
    at = session + 16;
    if (LOG_STARTS(at, end, " after ")) {
        const uint8_t *behind = log_digits(at += 7, end, 9, &ignored);
        if (behind == at || !LOG_STARTS(behind, end, " message")) return LOG_UNSURE;
        at = behind + 8;
        if (at < end && *at == 's') at++;
        if (!LOG_STARTS(at, end, " sent")) return LOG_UNSURE;
        at += 5;
    }
    if (!LOG_STARTS(at, end, ": ")) return LOG_UNSURE;
    return log_opensmtpd_error(scan, row, at + 2, end, log_piece(scan, session, session + 16));
}

/* The command of SMTP that a line begins with; 0: not sure. */
static int log_opensmtpd_stage(const uint8_t *at, const uint8_t *end, int *command) {
    static const struct {
        const char *verb;
        int command;
    } verbs[] = {{"RCPT", LOG_RCPT}, {"MAIL", LOG_MAIL},         {"DATA", LOG_DATA},
                 {"EHLO", LOG_EHLO}, {"HELO", LOG_EHLO},         {"AUTH", LOG_AUTH},
                 {"QUIT", LOG_QUIT}, {"STARTTLS", LOG_STARTTLS}, {"RSET", LOG_RSET},
                 {"NOOP", LOG_NOOP}, {"LHLO", LOG_EHLO},         {"VRFY", LOG_VRFY},
                 {"EXPN", LOG_EXPN}, {"BANNER", LOG_CONNECT},    {"CONNECT", LOG_CONNECT}};
    const uint8_t *verb_end = at;
    char verb[9] = "";
    *command = LOG_NO_STAGE;
    if (at == end) *command = LOG_CONNECT;
    if (LOG_EQUALS(at, end, ".")) *command = LOG_EOD;
    while (verb_end < end && (uint8_t)((*verb_end | 0x20) - 'a') < 26) verb_end++;
    if (verb_end - at > 8) return 1;
    for (int letter = 0; letter < verb_end - at; letter++)
        verb[letter] = (char)(at[letter] & ~0x20);
    for (size_t index = 0; index < sizeof verbs / sizeof *verbs; index++)
        if (strcmp(verb, verbs[index].verb) == 0) *command = verbs[index].command;
    return strcmp(verb, "HELP") != 0;
}

/* The address behind `start`, "RCPT TO:" or "MAIL FROM:" in any case; 0: not sure. */
static int log_opensmtpd_path(const log_scan *scan, const uint8_t *at, const uint8_t *end,
                              const char *start, log_text *path) {
    const uint8_t *behind;
    for (; *start; start++, at++)
        if (at == end || (*at != *start && (*start < 'A' || (*at ^ 0x20) != *start))) return 1;
    while (at < end && *at == ' ') at++;
    if (at == end || *at != '<') return at == end || log_is_graph(*at);
    behind = log_find(++at, end, '>');
    if (!behind) return 1;
    *path = log_piece(scan, at, behind);
    return log_graph_end(at, behind) == behind;
}

/* "failed-command command="RCPT TO:<…>" result="550 …"", "bad-input result="500 …"" */
static log_answer log_opensmtpd_failure(log_scan *scan, log_row *row, const uint8_t *at,
                                        const uint8_t *end, log_text session) {
    const uint8_t *result, *command_end;
    int command = LOG_NO_STAGE;
    if (LOG_STARTS(at, end, "failed-command command=\"")) {
        at += 24;
        result = LOG_FIND_LAST(at, end, "result=\"");
        if (!result) return LOG_UNSURE;
        command_end =
            result - at >= 2 && result[-2] == '"' && result[-1] == ' ' ? result - 2 : result;
        if (!log_opensmtpd_stage(at, command_end, &command)) return LOG_UNSURE;
        if (command == LOG_RCPT &&
            !log_opensmtpd_path(scan, at, command_end, "RCPT TO:", &row->recipient))
            return LOG_UNSURE;
        if (command == LOG_MAIL &&
            !log_opensmtpd_path(scan, at, command_end, "MAIL FROM:", &row->sender))
            return LOG_UNSURE;
    } else if (LOG_STARTS(at, end, "bad-input result=\"")) {
        result = LOG_FIND_LAST(at, end, "result=\"");
    } else {
        return LOG_UNSURE;
    }
    at = result + 8;
    if (end > at && end[-1] == '"') end--;
    row->event = LOG_REJECT;
    row->queue_id = session;
    row->asks_sender = 1;
    if (log_is_reply(at, end))
        return log_take_line(scan, row, at, end, command) ? LOG_TAKEN : LOG_UNSURE;
    return log_take_words(scan, row, at, end, "", command) ? LOG_TAKEN : LOG_UNSURE;
}

/* --- Lines ---------------------------------------------------------------------------------- */

/* A line of OpenSMTPD; of the programs called smtpd, it is the only one with a session. */
static log_answer log_opensmtpd(log_scan *scan, log_row *row, const uint8_t *at,
                                const uint8_t *end) {
    log_text session, process;
    int is_mta;
    if (!log_opensmtpd_is_id(at, end)) {
        if (LOG_STARTS(at, end, "smtp-out: Error on session "))
            return log_opensmtpd_late_error(scan, row, at, end);
        return log_opensmtpd_is_old(at, end) ? LOG_UNSURE : LOG_NOTHING;
    }
    session = log_piece(scan, at, at + 16);
    at += 16;
    is_mta = LOG_STARTS(at, end, " mta ");
    if (!is_mta && !LOG_STARTS(at, end, " mda ")) {
        if (!LOG_STARTS(at, end, " smtp ")) return LOG_NOTHING;
        at += 6;
        if (LOG_STARTS(at, end, "event=")) at += 6;
        if (LOG_STARTS(at, end, "connected "))
            return log_opensmtpd_note(scan, row, at + 10, end, session);
        if (LOG_STARTS(at, end, "failed-command ") || LOG_STARTS(at, end, "bad-input "))
            return log_opensmtpd_failure(scan, row, at, end, session);
        return LOG_STARTS(at, end, "delivery ") ? LOG_UNSURE : LOG_NOTHING;
    }
    process = log_piece(scan, at + 1, at + 4);
    at += 5;
    if (LOG_STARTS(at, end, "event=")) at += 6;
    if (LOG_STARTS(at, end, "delivery "))
        return is_mta ? log_opensmtpd_by_relay(scan, row, at + 9, end)
                      : log_opensmtpd_by_mda(scan, row, at + 9, end, process);
    if (!is_mta) return LOG_STARTS(at, end, "connected ") ? LOG_UNSURE : LOG_NOTHING;
    if (LOG_STARTS(at, end, "connecting "))
        return log_opensmtpd_note(scan, row, at + 11, end, session);
    if (LOG_STARTS(at, end, "error reason=") || LOG_STARTS(at, end, "closing reason="))
        return log_opensmtpd_error(scan, row, at + (*at == 'e' ? 13 : 15), end, session);
    return LOG_NOTHING;
}

#endif
