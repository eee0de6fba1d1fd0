/* What Postfix logs: the twin of logs/postfix.py, for what its programs write every day. */

#ifndef SMTPFAST_LOG_POSTFIX_H
#define SMTPFAST_LOG_POSTFIX_H

#include "log_envelope.h"
#include "log_values.h"

/* More lines of a reply, and longer keys of a reject, are read in Python. */
enum { LOG_POSTFIX_LINES = 32, LOG_POSTFIX_KEYS = 1500 };

/* "host[address]:port", all of it; 0: not sure. */
static int log_postfix_peer(const log_scan *scan, log_row *row, const uint8_t *at,
                            const uint8_t *end) {
    const uint8_t *bracket = log_find(at, end, '['), *behind;
    int64_t port;
    const uint8_t *host_end = bracket ? bracket : end;
    if (log_find(at, host_end, ']')) return 0;
    if (!log_is_no_name(at, host_end)) row->relay_host = log_piece(scan, at, host_end);
    if (!bracket) return 1;
    behind = log_find(bracket + 1, end, ']');
    if (!behind) return 0;
    at = bracket + 1;
    if (LOG_STARTS(at, behind, "IPv6:")) at += 5;
    if (!log_is_no_name(at, behind)) row->relay_ip = log_piece(scan, at, behind);
    at = behind + 1;
    if (at == end) return 1;
    if (*at != ':') return 0;
    behind = log_digits(at + 1, end, 5, &port);
    if (behind == at + 1 || behind != end) return 0;
    row->relay_port = (int32_t)port;
    return 1;
}

/* Where "host[address]:port" ends in front of `behind`, or NULL. */
static const uint8_t *log_postfix_peer_end(const uint8_t *at, const uint8_t *end,
                                           const char *behind) {
    while (at < end && log_is_graph(*at) && *at != '[' && *at != ']') at++;
    if (at < end && *at == '[') {
        at = log_find(at, end, ']');
        if (!at) return NULL;
        at++;
        if (end - at > 1 && *at == ':' && scan_is_digit(at[1]))
            for (at++; at < end && scan_is_digit(*at);) at++;
    }
    return log_starts(at, end, behind, (int)strlen(behind)) ? at : NULL;
}

/* --- Replies -------------------------------------------------------------------------------- */

/* `_unfolded`: the lines of a reply, with a space or question marks where their ends were. */
static int log_postfix_reply(log_scan *scan, log_row *row, const uint8_t *start, const uint8_t *end,
                             int is_whole, int command) {
    const uint8_t *starts[LOG_POSTFIX_LINES], *ends[LOG_POSTFIX_LINES];
    const uint8_t *other = NULL, *other_end = NULL;
    int count = 1;
    if (end > start && end[-1] == '\r') return 0; /* no part of a line */
    starts[0] = start;
    if (end - start >= 4 && scan_is_digit(start[0]) && scan_is_digit(start[1]) &&
        scan_is_digit(start[2]) && start[3] == '-') {
        for (const uint8_t *at = start + 4; at < end;) {
            const uint8_t *mark = at, *code;
            int is_last;
            if (*at != ' ' && *at != '?') {
                at++;
                continue;
            }
            code = at + 1;
            if (*at == '?' && code < end && *code == '?') code++;
            at++;
            if (end - code < 3 || !scan_is_digit(code[0]) || !scan_is_digit(code[1]) ||
                !scan_is_digit(code[2]))
                continue;
            if (end - code > 3 && code[3] != '-' && code[3] != ' ') continue;
            is_last = end - code == 3 || code[3] == ' ';
            at = code + 3;
            if (memcmp(code, start, 3) == 0) {
                if (count == LOG_POSTFIX_LINES) return 0;
                ends[count - 1] = mark;
                starts[count++] = code;
                other = NULL;
                if (is_last) break;
            } else if (is_last && *code >= '2' && *code <= '5') {
                other = code;
                other_end = mark;
            }
        }
        if (other && is_whole) {
            if (count == LOG_POSTFIX_LINES) return 0;
            ends[count - 1] = other_end;
            starts[count++] = other;
        }
        for (int line = 0; line < count - 1; line++)
            if (ends[line][-1] == '\r') return 0;
    }
    ends[count - 1] = end;
    return log_take_reply(scan, row, starts, ends, count, command);
}

/* --- Words of smtp(8) ----------------------------------------------------------------------- */

static int log_postfix_command(const uint8_t *at, const uint8_t *end) {
    static const log_phrase answered[] = {{"RCPT TO command", LOG_RCPT},
                                          {"MAIL FROM command", LOG_MAIL},
                                          {"end of DATA command", LOG_EOD},
                                          {"DATA command", LOG_DATA},
                                          {"XFORWARD name/address command", LOG_XFORWARD},
                                          {"XFORWARD helo/protocol command", LOG_XFORWARD},
                                          {"final RSET command", LOG_RSET},
                                          {"RSET probe", LOG_RSET},
                                          {"QUIT command", LOG_QUIT}};
    return LOG_PHRASE_COMMAND(answered, at, end);
}

static int log_postfix_doing(const uint8_t *at, const uint8_t *end) {
    static const log_phrase doings[] = {{"receiving the initial server greeting", LOG_CONNECT},
                                        {"performing the EHLO handshake", LOG_EHLO},
                                        {"performing the HELO handshake", LOG_EHLO},
                                        {"performing the LHLO handshake", LOG_EHLO},
                                        {"receiving the STARTTLS response", LOG_STARTTLS},
                                        {"sending MAIL FROM", LOG_MAIL},
                                        {"sending RCPT TO", LOG_RCPT},
                                        {"sending DATA command", LOG_DATA},
                                        {"sending message body", LOG_EOD},
                                        {"sending final RSET", LOG_RSET},
                                        {"sending RSET probe", LOG_RSET},
                                        {"sending QUIT", LOG_QUIT}};
    return LOG_PHRASE_COMMAND(doings, at, end);
}

/* "host h[ip] said: 550 … (in reply to RCPT TO command)" and its kin, less the parenthesis of the
   status. LOG_NOTHING: no reply is told. */
static log_answer log_postfix_said(log_scan *scan, log_row *row, const uint8_t *at,
                                   const uint8_t *end, int is_whole, int takes_peer) {
    const uint8_t *peer, *reply_end = end, *marker;
    int command = LOG_NO_STAGE;
    while (LOG_STARTS(at, end, "delivery temporarily suspended: ")) at += 32;
    if (!LOG_STARTS(at, end, "host ")) return LOG_NOTHING;
    peer = at + 5;
    at = log_postfix_peer_end(peer, end, " ");
    if (!at) return LOG_UNSURE;
    if (takes_peer && !log_postfix_peer(scan, row, peer, at)) return LOG_UNSURE;
    if (LOG_STARTS(at, end, " said: ")) {
        at += 7;
        marker = LOG_FIND_LAST(at, end, " (in reply to ");
        if (marker) {
            const uint8_t *words = marker + 14;
            command = log_postfix_command(words, end - (end > words && end[-1] == ')'));
            if (command == LOG_NO_STAGE) return LOG_UNSURE;
            reply_end = marker;
            is_whole = 1;
        }
    } else if (LOG_STARTS(at, end, " refused to talk to me: ")) {
        at += 24;
        command = LOG_CONNECT;
    } else {
        return LOG_UNSURE;
    }
    row->stage = log_own(command);
    return log_postfix_reply(scan, row, at, reply_end, is_whole, command) ? LOG_TAKEN : LOG_UNSURE;
}

/* Whether words may be of the kinds of which a server, a stage or a reply is told. */
static int log_postfix_may_tell(const uint8_t *at, const uint8_t *end) {
    if (at == end) return 0;
    switch (*at) {
    case 'c':
        return LOG_STARTS(at, end, "connect to ") || LOG_STARTS(at, end, "conversation with ") ||
               LOG_STARTS(at, end, "client TLS ");
    case 'C':
        return LOG_STARTS(at, end, "Cannot start TLS: ");
    case 'd':
        return LOG_STARTS(at, end, "delivery ");
    case 'h':
        return LOG_STARTS(at, end, "host ");
    case 'l':
        return LOG_STARTS(at, end, "lost connection with ") ||
               LOG_STARTS(at, end, "local data error ");
    case 'P':
        return LOG_STARTS(at, end, "Protocol error: ");
    case 'S':
        return LOG_STARTS(at, end, "SASL ") || LOG_STARTS(at, end, "Sender requested") ||
               LOG_STARTS(at, end, "Server certificate ");
    case 'T':
        return LOG_STARTS(at, end, "TLS is required");
    case 'u':
        return LOG_STARTS(at, end, "unexpected server message");
    default:
        return 0;
    }
}

/* Trouble without a reply; LOG_UNSURE for what is not told in the usual way. */
static log_answer log_postfix_trouble(log_scan *scan, log_row *row, const uint8_t *at,
                                      const uint8_t *end, int takes_peer) {
    const uint8_t *first = at, *peer, *behind;
    int command = LOG_NO_STAGE;
    while (LOG_STARTS(at, end, "delivery temporarily suspended: ")) at += 32;
    if (LOG_STARTS(at, end, "connect to ")) {
        peer = at + 11;
        behind = log_postfix_peer_end(peer, end, ": ");
        if (!behind) return LOG_UNSURE;
        command = LOG_CONNECT;
    } else if (LOG_STARTS(at, end, "lost connection with ") ||
               LOG_STARTS(at, end, "conversation with ")) {
        const uint8_t *doing;
        peer = at + (*at == 'l' ? 21 : 18);
        behind = log_postfix_peer_end(peer, end, " ");
        if (!behind) return LOG_UNSURE;
        doing = behind + (LOG_STARTS(behind, end, " timed out") ? 10 : 0);
        if (!LOG_STARTS(doing, end, " while ")) return LOG_UNSURE;
        command = log_postfix_doing(doing + 7, end);
        if (command == LOG_NO_STAGE) return LOG_UNSURE;
    } else {
        if (at != first || log_postfix_may_tell(at, end)) return LOG_UNSURE;
        peer = behind = NULL;
    }
    if (takes_peer && peer && !log_postfix_peer(scan, row, peer, behind)) return LOG_UNSURE;
    row->stage = log_own(command);
    if (log_has_odd_end(first, end)) return LOG_UNSURE;
    if (first < end) row->text = log_piece(scan, first, end);
    if (LOG_EQUALS_TEXT(scan, row->status, "sent")) {
        log_accept(scan, row);
        return LOG_TAKEN;
    }
    if (!log_is_null(row->status) && (log_is_null(row->dsn) || !row->dsn.size)) return LOG_UNSURE;
    log_diagnose_words(scan, row, row->dsn, row->text, command);
    return LOG_TAKEN;
}

/* --- Lines ---------------------------------------------------------------------------------- */

/* Where an address that stands between "<" and ">" ends; NULL, if that is not sure. */
static const uint8_t *log_postfix_address(const uint8_t *at, const uint8_t *end, int is_original) {
    if (at < end && *at == '"') return NULL; /* what is quoted may hold all of that */
    for (; (at = log_find(at, end, '>')) != NULL; at++)
        if (LOG_STARTS(at, end, ">, relay=") ||
            (!is_original && LOG_STARTS(at, end, ">, orig_to=<")))
            return at;
    return NULL;
}

static int log_postfix_status(const uint8_t *at, const uint8_t *end, int *is_probe, int *is_good) {
    *is_good = LOG_EQUALS(at, end, "sent") || LOG_EQUALS(at, end, "deliverable");
    *is_probe = LOG_EQUALS(at, end, "deliverable") || LOG_EQUALS(at, end, "undeliverable");
    return *is_good || *is_probe || LOG_EQUALS(at, end, "bounced") ||
           LOG_EQUALS(at, end, "deferred") || LOG_EQUALS(at, end, "SOFTBOUNCE");
}

/* "to=<…>, relay=…, …, status=sent (250 …)" */
static log_answer log_postfix_delivery(log_scan *scan, log_row *row, const uint8_t *at,
                                       const uint8_t *end) {
    const uint8_t *behind;
    int is_probe, is_good, is_whole, command;
    log_answer answer;
    at += 4;
    behind = log_postfix_address(at, end, 0);
    if (!behind) return LOG_UNSURE;
    row->recipient = log_piece(scan, at, behind);
    at = behind + 1;
    if (LOG_STARTS(at, end, ", orig_to=<")) {
        at = log_postfix_address(at + 11, end, 1);
        if (!at) return LOG_UNSURE;
        at++;
    }
    at += 8;
    behind = log_find(at, end, ',');
    if (!behind || !log_postfix_peer(scan, row, at, behind)) return LOG_UNSURE;
    for (;;) {
        const uint8_t *key = behind + 2, *value = key;
        if (!LOG_STARTS(behind, end, ", ")) return LOG_UNSURE;
        if (LOG_STARTS(key, end, "status=")) {
            at = key + 7;
            break;
        }
        if (LOG_STARTS(key, end, "delays=")) {
            behind = log_find(key, end, ',');
            if (!behind) return LOG_UNSURE;
            continue;
        }
        while (value < end && (*value == '_' || (uint8_t)(*value - 'a') < 26)) value++;
        if (value == end || *value != '=' || value == key) return LOG_UNSURE;
        behind = log_find(value, end, ',');
        if (!behind) return LOG_UNSURE;
        if (LOG_STARTS(key, end, "delay=")) {
            if (!log_read_seconds(value + 1, behind, &row->delay)) return LOG_UNSURE;
        } else if (LOG_STARTS(key, end, "dsn=")) {
            row->dsn = log_piece(scan, value + 1, behind);
        }
    }
    behind = at;
    while (behind < end && (*behind == '-' || (uint8_t)((*behind | 0x20) - 'a') < 26)) behind++;
    if (!log_postfix_status(at, behind, &is_probe, &is_good)) return LOG_UNSURE;
    if (!LOG_STARTS(behind, end, " (")) return LOG_UNSURE;
    row->status = log_piece(scan, at, behind);
    row->event = is_probe ? LOG_ATTEMPT : LOG_DELIVERY;
    row->asks_sender = 1;
    at = behind + 2;
    is_whole = end > at && end[-1] == ')';
    end -= is_whole;
    if (is_good && !log_is_null(row->relay_ip)) {
        if (LOG_STARTS(at, end, "delivery via ")) return LOG_UNSURE;
        if (end - at >= 3 && scan_is_digit(at[0]) && scan_is_digit(at[1]) && scan_is_digit(at[2]) &&
            (end - at == 3 || !scan_is_digit(at[3]))) {
            command = !is_probe ? LOG_EOD : *at == '3' ? LOG_DATA : LOG_RCPT;
            row->stage = log_own(command);
            return log_postfix_reply(scan, row, at, end, is_whole, command) ? LOG_TAKEN
                                                                            : LOG_UNSURE;
        }
    }
    answer = log_postfix_said(scan, row, at, end, is_whole, 0);
    if (answer != LOG_NOTHING) return answer;
    return log_postfix_trouble(scan, row, at, end, 0);
}

/* "reject: RCPT from h[ip]: 554 …; from=<…> to=<…> proto=ESMTP helo=<…>" */
static log_answer log_postfix_reject(log_scan *scan, log_row *row, const uint8_t *at,
                                     const uint8_t *end) {
    static const char *const keys[] = {" from=<", " to=<", " helo=<"};
    const uint8_t *where, *front, *key, *behind;
    int command;
    row->status = log_piece(scan, at, at + 6);
    where = at += 8;
    while (at < end && (*at == '-' || (uint8_t)((*at | 0x20) - 'a') < 26)) at++;
    command = log_command_named(scan, where, at);
    if (LOG_EQUALS(where, at, "END-OF-MESSAGE")) command = LOG_EOD;
    if (LOG_EQUALS(where, at, "HELO")) command = LOG_EHLO;
    if (command == LOG_NO_STAGE || !LOG_STARTS(at, end, " from ")) return LOG_UNSURE;
    row->stage = log_own(command);
    at += 6;
    behind = log_postfix_peer_end(at, end, ": ");
    if (!behind || !log_postfix_peer(scan, row, at, behind)) return LOG_UNSURE;
    at = behind + 2;
    front = LOG_FIND_LAST(at, end, ";");
    if (!front || end - front > LOG_POSTFIX_KEYS) return LOG_UNSURE;
    key = front + 1;
    for (int index = 0; index < 3; index++) {
        if (index == 2 && LOG_STARTS(key, end, " proto="))
            for (key += 7; key < end && log_is_graph(*key) && !strchr(",:;", *key);) key++;
        if (!log_starts(key, end, keys[index], (int)strlen(keys[index]))) continue;
        key += strlen(keys[index]);
        behind = log_find(key, end, '>');
        if (!behind || log_find(key, behind, '"')) return LOG_UNSURE;
        if (index == 0) row->sender = log_piece(scan, key, behind);
        if (index == 1 && behind > key && !LOG_EQUALS(key, behind, "unknown"))
            row->recipient = log_piece(scan, key, behind);
        key = behind + 1;
    }
    if (key != end || key == front + 1) return LOG_UNSURE;
    if (front - at < 4 || !scan_is_digit(at[0]) || !scan_is_digit(at[1]) || !scan_is_digit(at[2]) ||
        scan_is_digit(at[3]))
        return LOG_UNSURE;
    row->event = LOG_REJECT;
    return log_postfix_reply(scan, row, at, front, 1, command) ? LOG_TAKEN : LOG_UNSURE;
}

/* What went wrong with one server, before another one is tried. */
static log_answer log_postfix_attempt(log_scan *scan, log_row *row, const uint8_t *at,
                                      const uint8_t *end) {
    log_answer answer = log_postfix_said(scan, row, at, end, 0, 1);
    row->event = LOG_ATTEMPT;
    if (answer == LOG_NOTHING) {
        answer = log_postfix_trouble(scan, row, at, end, 1);
        row->event = LOG_CONNECTION;
    }
    row->asks_sender = 1;
    return answer;
}

/* "connect to h[ip]:25: Connection refused", in front of any attempt. */
static log_answer log_postfix_connection(log_scan *scan, log_row *row, const uint8_t *text,
                                         const uint8_t *end) {
    const int command = *text == 'c' ? LOG_CONNECT : LOG_STARTTLS;
    const uint8_t *peer = text + (*text == 'c' ? 11 : 21);
    const uint8_t *behind = log_postfix_peer_end(peer, end, ": ");
    if (!behind || !log_postfix_peer(scan, row, peer, behind)) return LOG_UNSURE;
    if (log_has_odd_end(text, end)) return LOG_UNSURE;
    row->event = LOG_CONNECTION;
    row->stage = log_own(command);
    row->text = log_piece(scan, text, end);
    log_diagnose_words(scan, row, log_null, row->text, command);
    return LOG_TAKEN;
}

/* "expired, returned to sender", behind the status of what qmgr(8) has given up. */
static log_answer log_postfix_expired(log_scan *scan, log_row *row, const uint8_t *at,
                                      const uint8_t *end) {
    const uint8_t *text = at + (*at == 'e' ? 9 : 15);
    if (!LOG_STARTS(at, end, "expired, ") && !LOG_STARTS(at, end, "force-expired, "))
        return LOG_UNSURE;
    if (text >= end || log_has_odd_start(text, end) || log_has_odd_end(text, end))
        return LOG_UNSURE;
    row = log_repeat_row(scan);
    if (!row) return LOG_UNSURE;
    row->kind = LOG_RECORD;
    row->event = LOG_DELIVERY;
    row->status = log_piece(scan, at, text - 2);
    row->text = log_piece(scan, text, end);
    log_diagnose_words(scan, row, log_null, row->text, LOG_NO_STAGE);
    return LOG_TAKEN;
}

/* "from=<…>, size=…", "uid=0 from=<…>", "from=<…>, status=expired, …". */
static log_answer log_postfix_sender(log_scan *scan, log_row *row, const uint8_t *at,
                                     const uint8_t *end) {
    const uint8_t *behind = at += 6;
    if (at < end && *at == '"') return LOG_UNSURE;
    for (; (behind = log_find(behind, end, '>')) != NULL; behind++) {
        const int has_status = LOG_STARTS(behind, end, ">, status=");
        if (has_status || behind + 1 == end || LOG_STARTS(behind, end, ">, size=") ||
            LOG_STARTS(behind, end, "> orig_id=")) {
            row->kind = LOG_NOTE;
            row->sender = log_piece(scan, at, behind);
            return has_status ? log_postfix_expired(scan, row, behind + 10, end) : LOG_TAKEN;
        }
    }
    return LOG_UNSURE;
}

/* Whether a program's name is one of Postfix's: "postfix", "postfix/smtp", "postfix-out/smtp". */
static int log_postfix_knows(const uint8_t *tag, const uint8_t *end) {
    if (!LOG_STARTS(tag, end, "postfix")) return 0;
    tag += 7;
    if (tag < end && *tag == '-') {
        if (LOG_STARTS(tag, end, "-policyd")) return 0;
        while (tag < end && *tag != '/') tag++;
    }
    return tag == end || *tag == '/';
}

/* "milter-reject: ", "proxy-reject: " and their kin, which are rare. */
static inline int log_postfix_is_milter(const uint8_t *at, const uint8_t *end) {
    if (at == end || (*at != 'm' && *at != 'p')) return 0; /* nearly always */
    return LOG_STARTS(at, end, "milter-") || LOG_STARTS(at, end, "proxy-");
}

/* A line of Postfix. */
static log_answer log_postfix(log_scan *scan, log_row *row, const uint8_t *text,
                              const uint8_t *end) {
    const uint8_t *at = text;
    log_text queue_id;
    if (at < end && (*at == 'c' || *at == 'S') &&
        (LOG_STARTS(at, end, "connect to ") || LOG_STARTS(at, end, "SSL_connect error to ")))
        return log_postfix_connection(scan, row, text, end);
    at = log_alnum_end(at, scan->end);
    if (at >= end || *at != ':') /* or what no line of interest begins with */
        return log_postfix_is_milter(text, end) ? LOG_UNSURE : LOG_NOTHING;
    if (end - at < 3 || at[1] != ' ') return LOG_NOTHING;
    if (LOG_EQUALS(text, at, "reject")) return LOG_UNSURE;
    if (at - text < 5 || at - text > 40) return LOG_NOTHING;
    queue_id = log_piece(scan, text, at);
    at += 2;
    if (log_postfix_is_milter(at, end)) return LOG_UNSURE;
    if (queue_id.size <= 7) {
        const uint8_t *word_end = at - 2;
        const int is_warning = LOG_EQUALS(text, word_end, "warning");
        if (is_warning || LOG_EQUALS(text, word_end, "error") ||
            LOG_EQUALS(text, word_end, "fatal") || LOG_EQUALS(text, word_end, "panic"))
            return LOG_STARTS(at, end, "reject: ") || (is_warning && LOG_STARTS(at, end, "host "))
                       ? LOG_UNSURE
                       : LOG_NOTHING;
    }
    switch (*at) {
    case 't':
        if (!LOG_STARTS(at, end, "to=<")) return LOG_NOTHING;
        row->queue_id = queue_id;
        return log_postfix_delivery(scan, row, at, end);
    case 'u':
        if (!LOG_STARTS(at, end, "uid=")) break;
        for (at += 4; at < end && scan_is_digit(*at);) at++;
        if (at[-1] == '=' || !LOG_STARTS(at, end, " from=<")) return LOG_UNSURE;
        row->queue_id = queue_id;
        return log_postfix_sender(scan, row, at + 1, end);
    case 'f':
        if (!LOG_STARTS(at, end, "from=<")) return LOG_NOTHING;
        row->queue_id = queue_id;
        return log_postfix_sender(scan, row, at, end);
    case 'r':
        if (LOG_EQUALS(at, end, "removed")) {
            row->kind = LOG_FORGET;
            row->queue_id = queue_id;
            return LOG_TAKEN;
        }
        if (!LOG_STARTS(at, end, "reject: ")) return LOG_NOTHING;
        if (!LOG_EQUALS(text, at - 2, "NOQUEUE")) row->queue_id = queue_id;
        return log_postfix_reject(scan, row, at, end);
    case 's':
        return LOG_STARTS(at, end, "status=deferred (") ? LOG_UNSURE : LOG_NOTHING;
    }
    if (!log_postfix_may_tell(at, end)) return LOG_NOTHING;
    row->queue_id = queue_id;
    return log_postfix_attempt(scan, row, at, end);
}

#endif
