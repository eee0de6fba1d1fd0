/* What Sendmail logs: the twin of logs/sendmail.py, for what it writes every day. */

#ifndef SMTPFAST_LOG_SENDMAIL_H
#define SMTPFAST_LOG_SENDMAIL_H

#include "log_envelope.h"
#include "log_values.h"

/* What stands behind the addresses, each only once. */
typedef struct {
    log_span delay, xdelay, mailer, relay, dsn, quarantine, reply, stat;
} log_sendmail_fields;

/* --- Addresses ------------------------------------------------------------------------------ */

/* What is behind a quoted string, or NULL, if it is open. */
static const uint8_t *log_sendmail_quoted_end(const uint8_t *at, const uint8_t *end) {
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && end - at > 1) at++;
    return at < end ? at + 1 : NULL;
}

/* What is behind a text in angle brackets, or NULL, if they are open. */
static const uint8_t *log_sendmail_bracketed_end(const uint8_t *at, const uint8_t *end) {
    at++;
    while (at && at < end && *at != '>') {
        if (*at == '<') return NULL;
        at = *at == '"' ? log_sendmail_quoted_end(at, end) : at + 1;
    }
    return at && at < end ? at + 1 : NULL;
}

/* Where an address ends, at a comma or at `end`; NULL where what is open makes it unsure. */
static const uint8_t *log_sendmail_address_end(const uint8_t *at, const uint8_t *end) {
    while (at && at < end && *at != ',') {
        if (*at == '"')
            at = log_sendmail_quoted_end(at, end);
        else if (*at == '<')
            at = log_sendmail_bracketed_end(at, end);
        else
            at++;
    }
    return at;
}

/* Whether what ends at `at` is the last address of a list: a comma and a blank stand behind it. */
static inline int log_sendmail_is_last(const uint8_t *at, const uint8_t *end) {
    return end - at < 2 || at[1] == ' ';
}

/* Without its brackets. */
static log_text log_sendmail_bare(const log_scan *scan, const uint8_t *at, const uint8_t *end) {
    const int is_bracketed = *at == '<' && end[-1] == '>';
    return log_piece(scan, at + is_bracketed, end - is_bracketed);
}

/* Where a list of addresses ends, and where the first one does; NULL: not sure. */
static const uint8_t *log_sendmail_addresses(const uint8_t *at, const uint8_t *end,
                                             const uint8_t **first_end) {
    *first_end = NULL;
    for (;; at++) {
        const uint8_t *behind = log_sendmail_address_end(at, end);
        if (!behind || behind == at || *at == ' ' || behind[-1] == ' ' ||
            !log_is_printable(at, behind))
            return NULL;
        if (!*first_end) *first_end = behind;
        if (log_sendmail_is_last(behind, end)) return behind;
        at = behind;
    }
}

/* The only address of a list; returns where the list ends, NULL: there are others, or not sure. */
static const uint8_t *log_sendmail_only(const log_scan *scan, const uint8_t *at, const uint8_t *end,
                                        log_text *address) {
    const uint8_t *first_end, *behind = log_sendmail_addresses(at, end, &first_end);
    if (!behind || behind != first_end) return NULL;
    *address = log_sendmail_bare(scan, at, behind);
    return behind;
}

/* --- Fields --------------------------------------------------------------------------------- */

static log_span *log_sendmail_field(log_sendmail_fields *fields, const uint8_t *at,
                                    const uint8_t *end) {
    if (LOG_EQUALS(at, end, "delay")) return &fields->delay;
    if (LOG_EQUALS(at, end, "xdelay")) return &fields->xdelay;
    if (LOG_EQUALS(at, end, "mailer")) return &fields->mailer;
    if (LOG_EQUALS(at, end, "relay")) return &fields->relay;
    if (LOG_EQUALS(at, end, "dsn")) return &fields->dsn;
    if (LOG_EQUALS(at, end, "reply")) return &fields->reply;
    if (LOG_EQUALS(at, end, "stat")) return &fields->stat;
    if (LOG_EQUALS(at, end, "quarantine")) return &fields->quarantine;
    return NULL;
}

/* ", key=value" up to reply= or stat=, which take all that follows; 0: not sure. */
static int log_sendmail_read_fields(const uint8_t *at, const uint8_t *end,
                                    log_sendmail_fields *fields) {
    memset(fields, 0, sizeof *fields);
    while (at && at < end) {
        const uint8_t *key = at + 2, *key_end = key, *value;
        log_span *field;
        if (!LOG_STARTS(at, end, ", ")) {
            at = LOG_FIND_FIRST(at + 1, end, ", ");
            continue;
        }
        while (key_end < end && (*key_end == '_' || (uint8_t)(*key_end - 'a') < 26)) key_end++;
        if (key_end == key || key_end == end || *key_end != '=') {
            at = LOG_FIND_FIRST(key, end, ", ");
            continue;
        }
        value = key_end + 1;
        field = log_sendmail_field(fields, key, key_end);
        if (field == &fields->reply || field == &fields->stat) {
            *field = log_span_of(value, end);
            return 1;
        }
        at = value;
        if (LOG_EQUALS(key, key_end, "ctladdr")) {
            while ((at = log_sendmail_address_end(at, end)) && !log_sendmail_is_last(at, end)) at++;
            if (!at) return 0;
        } else {
            at = LOG_FIND_FIRST(value, end, ", ");
        }
        if (field && !field->at) *field = log_span_of(value, at ? at : end);
    }
    return 1;
}

/* The reply ends at the last ", stat=", or where stat= repeats it to the letter; 0: no stat=. */
static int log_sendmail_split(log_sendmail_fields *fields) {
    static const char copy[] = ", stat=Deferred: ";
    const uint8_t *at = fields->reply.at, *end = fields->reply.end, *stat;
    const int64_t length = (end - at - (int64_t)(sizeof copy - 1)) / 2;
    if (!at) return fields->stat.at != NULL;
    stat = at + (length > 0 ? length : 0);
    if (!LOG_STARTS(stat, end, copy) || end - stat != length + (int64_t)(sizeof copy - 1) ||
        memcmp(at, stat + sizeof copy - 1, (size_t)length) != 0)
        stat = LOG_FIND_LAST(at, end, ", stat=");
    if (!stat) return 0;
    fields->reply.end = stat;
    fields->stat = log_span_of(stat + 7, end);
    return 1;
}

/* "1+02:03:04" */
static void log_sendmail_delay(log_row *row, const uint8_t *at, const uint8_t *end) {
    int64_t days = 0, hours;
    int minutes, seconds;
    const uint8_t *behind = log_digits(at, end, 9, &hours);
    if (behind > at && behind < end && *behind == '+') {
        days = hours;
        at = behind + 1;
        behind = log_digits(at, end, 9, &hours);
    }
    if (behind == at || end - behind != 6 || behind[0] != ':' || behind[3] != ':') return;
    minutes = log_two(behind + 1);
    seconds = log_two(behind + 4);
    if ((minutes | seconds) < 0) return;
    row->delay = (double)(((24 * days + hours) * 60 + minutes) * 60 + seconds);
}

/* --- Relays --------------------------------------------------------------------------------- */

/* What stands in brackets, if it is an IP address or the path of a socket; 0: not sure. */
static int log_sendmail_ip(const uint8_t *at, const uint8_t *end, log_span *ip) {
    if (LOG_STARTS(at, end, "UNIX: ")) {
        *ip = log_span_of(at + 6, end);
        return at + 6 < end;
    }
    if (LOG_STARTS(at, end, "IPv6:")) at += 5;
    if (at < end && (*at == '/' || log_is_ip(at, end))) *ip = log_span_of(at, end);
    return 1;
}

/* "[ident@]host [ip] (may be forged)"; 0: not sure. */
static int log_sendmail_relay(const log_scan *scan, log_row *row, const uint8_t *at,
                              const uint8_t *end) {
    static const char forged[] = " (may be forged)";
    const uint8_t *bracket;
    log_span ip = {NULL, NULL}, own = {NULL, NULL};
    if (at == end) return 1;
    if (*at == ' ' || end[-1] == ' ' || !log_is_printable(at, end)) return 0;
    if (end - at > 16 && memcmp(end - 16, forged, 16) == 0) end -= 16;
    bracket = LOG_FIND_LAST(at, end, " [");
    if (end[-1] == ']') {
        if (!bracket && *at != '[') return 0;
        if (bracket && !log_sendmail_ip(bracket + 2, end - 1, &ip)) return 0;
        if (ip.at) end = bracket;
    }
    for (const uint8_t *byte = end; byte > at; byte--) {
        if (byte[-1] != '@') continue;
        at = byte;
        break;
    }
    if (end - at >= 2 && *at == '[' && end[-1] == ']') {
        if (!log_sendmail_ip(++at, --end, &own)) return 0;
        if (!ip.at) ip = own;
    }
    if (ip.at) row->relay_ip = log_piece(scan, ip.at, ip.end);
    if (own.at) return 1;
    if (at < end && end[-1] == '.') end--;
    if (!log_is_no_name(at, end)) row->relay_host = log_piece(scan, at, end);
    return 1;
}

/* --- Words ---------------------------------------------------------------------------------- */

/* Without the blanks around it; 0: there may be other ones. */
static int log_sendmail_strip(log_span *words) {
    while (words->at < words->end && *words->at == ' ') words->at++;
    while (words->at < words->end && words->end[-1] == ' ') words->end--;
    return !log_has_odd_start(words->at, words->end) && !log_has_odd_end(words->at, words->end);
}

/* What was answered to a client, or words of which nobody says that they are a reply. */
static log_answer log_sendmail_said(log_scan *scan, log_row *row, const uint8_t *at,
                                    const uint8_t *end, int command) {
    log_span words = {at, end};
    if (log_is_reply(at, end))
        return log_take_line(scan, row, at, end, command) ? LOG_TAKEN : LOG_UNSURE;
    if (log_find(at, end, '\r') || !log_sendmail_strip(&words)) return LOG_UNSURE;
    return log_take_words(scan, row, words.at, words.end, "", command) ? LOG_TAKEN : LOG_UNSURE;
}

/* --- Deliveries ----------------------------------------------------------------------------- */

/* What stat= says of an attempt; 0: not sure. */
static int log_sendmail_outcome(log_scan *scan, log_row *row, const log_sendmail_fields *fields) {
    log_span words = fields->stat;
    const uint8_t *reply = fields->reply.at, *reply_end = fields->reply.end;
    const char *code = "5.0.0";
    int status = LOG_bounced;
    if (LOG_EQUALS(words.at, words.end, "Sent") || LOG_STARTS(words.at, words.end, "Sent ") ||
        LOG_STARTS(words.at, words.end, "Sent(")) {
        status = LOG_sent;
        words.at += 4;
        if (!log_sendmail_strip(&words)) return 0;
        if (words.end - words.at >= 2 && *words.at == '(' && words.end[-1] == ')') {
            words.at++;
            words.end--;
            if (!log_sendmail_strip(&words)) return 0;
        }
    } else if (LOG_STARTS(words.at, words.end, "Deferred") ||
               LOG_STARTS(words.at, words.end, "I/O error") ||
               LOG_STARTS(words.at, words.end, "Operating system error") ||
               (fields->dsn.at && *fields->dsn.at == '4')) {
        status = LOG_deferred;
        code = "4.0.0";
        if (LOG_STARTS(words.at, words.end, "Deferred")) words.at += 8;
        if (words.at < words.end && *words.at == ':') words.at++;
        if (!log_sendmail_strip(&words)) return 0;
    }
    row->status = log_own(status);
    if (reply && reply < reply_end) {
        if (log_is_reply(reply, reply_end))
            return log_take_line(scan, row, reply, reply_end, LOG_NO_STAGE);
        if (words.at == words.end || log_find(reply, reply_end, '\r')) return 0;
    }
    if (status == LOG_deferred && log_is_reply(words.at, words.end))
        return log_take_line(scan, row, words.at, words.end, LOG_NO_STAGE);
    if (log_find(words.at, words.end, '\r')) return 0;
    if (status != LOG_sent)
        return log_take_words(scan, row, words.at, words.end, code, LOG_NO_STAGE);
    if (words.at < words.end) row->text = log_piece(scan, words.at, words.end);
    log_accept(scan, row);
    return 1;
}

/* Why a message was not taken, or LOG_NOTHING: the client gave it up with this command. */
static log_answer log_sendmail_undelivered(const log_sendmail_fields *fields) {
    const uint8_t *at = fields->stat.at, *end = fields->stat.end;
    int has_others = 0, has_strange = 0;
    for (; at < end; at++) {
        has_strange |= *at >= 0x80;
        has_others |= (uint8_t)(*at - 'A') >= 26;
    }
    if (has_strange || fields->reply.at) return LOG_UNSURE;
    if (!has_others) return LOG_NOTHING;
    return LOG_EQUALS(fields->stat.at, end, "discarded") ? LOG_UNSURE : LOG_TAKEN;
}

/* "to=<…>,<…>, delay=…, mailer=…, relay=…, dsn=…, stat=Sent (…)": a row for each recipient. */
static log_answer log_sendmail_delivery(log_scan *scan, log_row *row, const uint8_t *at,
                                        const uint8_t *end, log_text queue_id) {
    log_sendmail_fields fields;
    log_span stat;
    const uint8_t *first_end, *list_end = log_sendmail_addresses(at += 3, end, &first_end);
    int is_attempt = 1;
    if (!list_end || !log_sendmail_read_fields(list_end, end, &fields)) return LOG_UNSURE;
    if (!log_sendmail_split(&fields)) return LOG_UNSURE;
    if (!log_sendmail_strip(&fields.stat) || fields.stat.at == fields.stat.end) return LOG_UNSURE;
    stat = fields.stat;
    if (fields.quarantine.at || LOG_EQUALS(stat.at, stat.end, "queued") ||
        LOG_EQUALS(stat.at, stat.end, "quarantined"))
        return LOG_NOTHING;
    if (!fields.mailer.at && !fields.xdelay.at && !LOG_STARTS(stat.at, stat.end, "Sent") &&
        !LOG_STARTS(stat.at, stat.end, "Deferred")) {
        const log_answer answer = log_sendmail_undelivered(&fields);
        if (answer != LOG_TAKEN) return answer;
        is_attempt = 0;
    }
    row->event = is_attempt ? LOG_DELIVERY : LOG_REJECT;
    row->queue_id = queue_id;
    row->asks_sender = 1;
    row->recipient = log_sendmail_bare(scan, at, first_end);
    if (fields.dsn.at) {
        if (fields.dsn.at == fields.dsn.end ||
            log_graph_end(fields.dsn.at, fields.dsn.end) != fields.dsn.end)
            return LOG_UNSURE;
        row->dsn = log_piece(scan, fields.dsn.at, fields.dsn.end);
    }
    if (fields.delay.at) log_sendmail_delay(row, fields.delay.at, fields.delay.end);
    if (fields.relay.at) {
        if (!log_sendmail_relay(scan, row, fields.relay.at, fields.relay.end)) return LOG_UNSURE;
    } else if (fields.mailer.at && (LOG_EQUALS(fields.mailer.at, fields.mailer.end, "local") ||
                                    LOG_EQUALS(fields.mailer.at, fields.mailer.end, "prog") ||
                                    LOG_EQUALS(fields.mailer.at, fields.mailer.end, "*file*"))) {
        row->relay_host = log_piece(scan, fields.mailer.at, fields.mailer.end);
    }
    if (is_attempt ? !log_sendmail_outcome(scan, row, &fields)
                   : !log_take_words(scan, row, stat.at, stat.end, "", LOG_NO_STAGE))
        return LOG_UNSURE;
    for (at = first_end; at < list_end; at = first_end) {
        first_end = log_sendmail_address_end(++at, end);
        row = log_repeat_row(scan);
        if (!row) return LOG_TAKEN;
        row->recipient = log_sendmail_bare(scan, at, first_end);
    }
    return LOG_TAKEN;
}

/* --- Rejects -------------------------------------------------------------------------------- */

/* The command that a ruleset is asked at. */
static int log_sendmail_stage(const uint8_t *at, const uint8_t *end) {
    static const struct {
        const char *name;
        int command;
    } rulesets[] = {
        {"check_relay", LOG_CONNECT}, {"greet_pause", LOG_CONNECT}, {"tls_client", LOG_STARTTLS},
        {"check_mail", LOG_MAIL},     {"check_rcpt", LOG_RCPT},     {"check_data", LOG_DATA},
        {"check_eoh", LOG_EOD},       {"check_eom", LOG_EOD},       {"check_etrn", LOG_ETRN},
        {"check_vrfy", LOG_VRFY},     {"check_expn", LOG_EXPN}};
    for (size_t index = 0; index < sizeof rulesets / sizeof *rulesets; index++)
        if (log_equals(at, end, rulesets[index].name, (int)strlen(rulesets[index].name)))
            return rulesets[index].command;
    return LOG_NO_STAGE;
}

/* "ruleset=check_rcpt, arg1=<…>, relay=host [ip], reject=550 …" */
static log_answer log_sendmail_ruleset(log_scan *scan, log_row *row, const uint8_t *at,
                                       const uint8_t *end, log_text queue_id) {
    const uint8_t *name = at + 8, *name_end = name, *relay, *reject;
    log_span words;
    while (name_end < end && scan_is_word(*name_end)) name_end++;
    if (!LOG_STARTS(name_end, end, ", arg1=")) return LOG_UNSURE;
    at = name_end + 7;
    if (LOG_EQUALS(name, name_end, "check_compat")) return LOG_UNSURE;
    if (LOG_EQUALS(name, name_end, "check_mail")) {
        at = log_sendmail_only(scan, at, end, &row->sender);
    } else if (LOG_EQUALS(name, name_end, "check_rcpt")) {
        at = log_sendmail_only(scan, at, end, &row->recipient);
    } else if ((relay = LOG_FIND_LAST(at, end, ", relay=")) != NULL) {
        at = relay; /* what is in front may be the client's words */
    }
    if (!at) return LOG_UNSURE;
    reject = LOG_FIND_FIRST(at, end, ", reject=");
    if (!reject) return LOG_UNSURE;
    relay = LOG_FIND_FIRST(at, reject, ", relay=");
    if (relay && !log_sendmail_relay(scan, row, relay + 8, reject)) return LOG_UNSURE;
    row->queue_id = queue_id;
    row->asks_sender = 1;
    at = reject + 9;
    if (LOG_EQUALS(name, name_end, "tls_server") || LOG_EQUALS(name, name_end, "tls_rcpt") ||
        LOG_EQUALS(name, name_end, "try_tls")) { /* nobody said this to anybody */
        row->event = LOG_CONNECTION;
        words = log_span_of(at, end);
        if (!log_sendmail_strip(&words) || words.at == words.end) return LOG_UNSURE;
        return log_take_words(scan, row, words.at, words.end, "", LOG_NO_STAGE) ? LOG_TAKEN
                                                                                : LOG_UNSURE;
    }
    row->event = LOG_REJECT;
    return log_sendmail_said(scan, row, at, end, log_sendmail_stage(name, name_end));
}

/* "connect: host=client.example.net, addr=192.0.2.9"; 0: not sure. */
static int log_sendmail_client(const log_scan *scan, log_row *row, const uint8_t *at,
                               const uint8_t *end) {
    const uint8_t *host_end;
    log_span ip = {NULL, NULL};
    at += 14;
    host_end = LOG_FIND_FIRST(at, end, ", addr=");
    if (!host_end || !log_sendmail_relay(scan, row, at, host_end)) return 0;
    at = host_end + 7;
    if (log_graph_end(at, end) != end || !log_sendmail_ip(at, end, &ip)) return 0;
    row->relay_ip = ip.at ? log_piece(scan, ip.at, ip.end) : log_null;
    return 1;
}

/* "Milter: to=<…>, reject=550 …"; of other commands Python tells. */
static log_answer log_sendmail_milter(log_scan *scan, log_row *row, const uint8_t *at,
                                      const uint8_t *end, log_text queue_id) {
    static const char errormode[] = ", errormode=4";
    const uint8_t *reject;
    int command;
    at += 8;
    if (!LOG_FIND_FIRST(at, end, ", reject=")) return LOG_NOTHING;
    if (LOG_STARTS(at, end, "to=")) {
        command = LOG_RCPT;
        at = log_sendmail_only(scan, at + 3, end, &row->recipient);
    } else if (LOG_STARTS(at, end, "from=")) {
        command = LOG_MAIL;
        at = log_sendmail_only(scan, at + 5, end, &row->sender);
    } else if (LOG_STARTS(at, end, "data, ")) {
        command = LOG_EOD;
    } else if (LOG_STARTS(at, end, "cmd=data, ")) {
        command = LOG_DATA;
    } else if (LOG_STARTS(at, end, "helo=")) {
        command = LOG_EHLO;
    } else if (LOG_STARTS(at, end, "connect: host=")) {
        command = LOG_CONNECT;
    } else {
        return LOG_UNSURE;
    }
    reject = at ? LOG_FIND_FIRST(at, end, ", reject=") : NULL;
    if (!reject) return LOG_UNSURE;
    if (command == LOG_CONNECT && !log_sendmail_client(scan, row, at, reject)) return LOG_UNSURE;
    at = reject + 9;
    if (end - at >= 13 && memcmp(end - 13, errormode, 13) == 0) end -= 13;
    row->event = LOG_REJECT;
    row->queue_id = queue_id;
    row->asks_sender = 1;
    return log_sendmail_said(scan, row, at, end, command);
}

/* "<recipient>... User unknown": what a client was told. */
static log_answer log_sendmail_user_error(log_scan *scan, log_row *row, const uint8_t *at,
                                          const uint8_t *end, log_text queue_id) {
    const uint8_t *behind = log_graph_end(at, end);
    if (behind - at < 5 || !LOG_STARTS(behind - 3, end, "... ")) return LOG_UNSURE;
    behind -= 3;
    if (log_find(at, behind, ',') || log_sendmail_address_end(at, behind) != behind ||
        behind[-1] != '>')
        return LOG_UNSURE;
    row->event = LOG_REJECT;
    row->queue_id = queue_id;
    row->asks_sender = 1;
    row->recipient = log_sendmail_bare(scan, at, behind);
    return log_sendmail_said(scan, row, behind + 4, end, LOG_NO_STAGE);
}

/* --- Trouble -------------------------------------------------------------------------------- */

/* "lost input channel from host [ip] to …": `at` is where the host begins, which `behind` follows;
   `line` is all of it. */
static log_answer log_sendmail_lost(log_scan *scan, log_row *row, const uint8_t *line,
                                    const uint8_t *at, const uint8_t *end, const char *behind,
                                    log_text queue_id) {
    const uint8_t *peer_end = log_graph_end(at, end);
    const int is_timeout = *line == 't';
    if (peer_end == at) return LOG_UNSURE;
    if (!is_timeout && LOG_STARTS(peer_end, end, " [")) {
        const uint8_t *bracket = log_find(peer_end, end, ']');
        if (!bracket || log_graph_end(peer_end + 1, bracket) != bracket) return LOG_UNSURE;
        peer_end = bracket + 1;
    }
    if (!log_starts(peer_end, end, behind, (int)strlen(behind))) return LOG_UNSURE;
    if (!log_sendmail_relay(scan, row, at, peer_end - (peer_end[-1] == ':'))) return LOG_UNSURE;
    row->event = *line == 'r' ? LOG_REJECT : LOG_CONNECTION;
    row->queue_id = queue_id;
    row->asks_sender = 1;
    return log_take_words(scan, row, line, end, "", *line == 'r' ? LOG_CONNECT : LOG_NO_STAGE)
               ? LOG_TAKEN
               : LOG_UNSURE;
}

/* "host: SMTP RCPT protocol error: 600 …"; what is none is nothing. */
static log_answer log_sendmail_protocol(log_scan *scan, log_row *row, const uint8_t *at,
                                        const uint8_t *end, log_text queue_id) {
    static const log_phrase commands[] = {{"MAIL protocol error: ", LOG_MAIL},
                                          {"RCPT protocol error: ", LOG_RCPT},
                                          {"DATA-1 protocol error: ", LOG_DATA},
                                          {"DATA-2 protocol error: ", LOG_EOD},
                                          {"DATA-3 protocol error: ", LOG_EOD}};
    const uint8_t *word_end = log_find(at, end, ' '), *words;
    if (!word_end || word_end == at || word_end[-1] != ':' || !LOG_STARTS(word_end, end, " SMTP "))
        return LOG_NOTHING;
    words = word_end + 6;
    for (size_t index = 0; index < sizeof commands / sizeof *commands; index++) {
        const int size = (int)strlen(commands[index].words);
        if (!log_starts(words, end, commands[index].words, size)) continue;
        if (log_graph_end(at, word_end) != word_end || words + size == end) return LOG_UNSURE;
        if (!log_sendmail_relay(scan, row, at, word_end - 1)) return LOG_UNSURE;
        if (*(words += size) == ' ' || end[-1] == ' ') return LOG_UNSURE;
        row->event = LOG_ATTEMPT;
        row->queue_id = queue_id;
        row->asks_sender = 1;
        return log_sendmail_said(scan, row, words, end, commands[index].command);
    }
    return LOG_NOTHING;
}

/* --- Lines ---------------------------------------------------------------------------------- */

/* "from=<…>, size=…" */
static log_answer log_sendmail_sender(const log_scan *scan, log_row *row, const uint8_t *at,
                                      const uint8_t *end, log_text queue_id) {
    const uint8_t *behind = log_find(at, end, ' ');
    /* No line of another kind that looks like it. */
    if (!behind || behind[-1] == ':') return LOG_UNSURE;
    at += 5;
    behind = log_sendmail_only(scan, at, end, &row->sender);
    if (!behind || end - behind < 2) return LOG_UNSURE;
    row->kind = LOG_NOTE;
    row->queue_id = queue_id;
    return LOG_TAKEN;
}

/* "7BQAa1bC004242: DSN: User unknown": an envelope without a sender, of which another one tells. */
static int log_sendmail_bounce(const log_scan *scan, log_row *row, const uint8_t *at,
                               const uint8_t *end) {
    const uint8_t *behind = log_alnum_end(at, end);
    const log_text queue_id = log_piece(scan, at, behind);
    if (behind - at < 8 || behind - at > 20 || !LOG_STARTS(behind, end, ": ")) return 0;
    at = behind + 2;
    if (!LOG_STARTS(at, end, "DSN: ") && !LOG_STARTS(at, end, "return to sender: ") &&
        !LOG_STARTS(at, end, "sender notify: ") && !LOG_STARTS(at, end, "postmaster notify: "))
        return 0;
    row->kind = LOG_NOTE;
    row->queue_id = queue_id;
    row->sender = log_piece(scan, at, at);
    return 1;
}

/* Where a message begins, behind "[ID 801593 mail.info] " of Solaris. */
static const uint8_t *log_sendmail_message(const uint8_t *at, const uint8_t *end) {
    const uint8_t *start = at, *first;
    if (!LOG_STARTS(at, end, "[ID ")) return start;
    first = at + 4;
    for (at = first; at < end && scan_is_digit(*at);) at++;
    if (at == first || at == end || *at != ' ') return start;
    for (first = ++at; at < end && (scan_is_digit(*at) || (uint8_t)(*at - 'a') < 26);) at++;
    if (at == first || at == end || *at != '.') return start;
    for (first = ++at; at < end && (uint8_t)(*at - 'a') < 26;) at++;
    return at > first && LOG_STARTS(at, end, "] ") ? at + 2 : start;
}

/* A queue id of 8 to 20 letters and digits, at least one of these. */
static int log_sendmail_is_queue_id(const uint8_t *at, const uint8_t *end) {
    if (end - at < 8 || end - at > 20) return 0;
    for (; at < end; at++)
        if (scan_is_digit(*at)) return 1;
    return 0;
}

/* A line without escapes. */
static log_answer log_sendmail_line(log_scan *scan, log_row *row, const uint8_t *at,
                                    const uint8_t *end) {
    log_text queue_id = log_null;
    const uint8_t *behind = log_alnum_end(at = log_sendmail_message(at, end), end);
    if (LOG_STARTS(behind, end, ": ")) {
        if (LOG_EQUALS(at, behind, "NOQUEUE")) {
            at = behind + 2;
        } else if (log_sendmail_is_queue_id(at, behind)) {
            queue_id = log_piece(scan, at, behind);
            at = behind + 2;
        }
    }
    switch (at < end ? *at : 0) {
    case 't':
        if (LOG_STARTS(at, end, "to=")) return log_sendmail_delivery(scan, row, at, end, queue_id);
        if (LOG_STARTS(at, end, "timeout waiting for input from "))
            return log_sendmail_lost(scan, row, at, at + 31, end, " during ", queue_id);
        break;
    case 'f':
        if (LOG_STARTS(at, end, "from=") && !log_is_null(queue_id))
            return log_sendmail_sender(scan, row, at, end, queue_id);
        break;
    case 'r':
        if (LOG_STARTS(at, end, "ruleset="))
            return log_sendmail_ruleset(scan, row, at, end, queue_id);
        if (LOG_STARTS(at, end, "rejecting commands from "))
            return log_sendmail_lost(scan, row, at, at + 24, end, " due to ", queue_id);
        break;
    case 'l':
        if (LOG_STARTS(at, end, "lost input channel from "))
            return log_sendmail_lost(scan, row, at, at + 24, end, " to ", queue_id);
        break;
    case 'M':
        if (LOG_STARTS(at, end, "Milter: "))
            return log_sendmail_milter(scan, row, at, end, queue_id);
        break;
    case 'c':
        if (LOG_STARTS(at, end, "clone ") && !log_is_null(queue_id)) return LOG_UNSURE;
        break;
    case '<':
        return log_sendmail_user_error(scan, row, at, end, queue_id);
    }
    if (!log_is_null(queue_id) && log_sendmail_bounce(scan, row, at, end)) return LOG_TAKEN;
    return log_sendmail_protocol(scan, row, at, end, queue_id);
}

/* Undo what has made a line printable, `to` has room for it; returns where it ends. */
static uint8_t *log_sendmail_unescape(const uint8_t *at, const uint8_t *end, uint8_t *to) {
    while (at < end) {
        if (*at != '\\' || end - at < 2) {
            *to++ = *at++;
        } else if (end - at >= 4 && (at[1] & ~3) == '0' && (at[2] & ~7) == '0' &&
                   (at[3] & ~7) == '0') {
            *to++ = (uint8_t)((at[1] & 3) << 6 | (at[2] & 7) << 3 | (at[3] & 7));
            at += 4;
        } else if (at[1] == '\\' || at[1] == 'n' || at[1] == 't' || at[1] == 'r') {
            *to++ = at[1] == 'n' ? '\n' : at[1] == 't' ? '\t' : at[1] == 'r' ? '\r' : '\\';
            at += 2;
        } else {
            *to++ = *at++;
        }
    }
    return to;
}

/* A text of a row that has been read as if the arena from `start` on were the block. */
static void log_sendmail_to_arena(log_text *text, uint32_t start) {
    if (log_is_null(*text) || text->at & (LOG_IN_ARENA | LOG_IN_WORDS)) return;
    text->at = (text->at + start) | LOG_IN_ARENA;
}

/* A line with escapes: without them it is read in the arena. */
static log_answer log_sendmail_escaped(log_scan *scan, log_row *row, const uint8_t *at,
                                       const uint8_t *end) {
    const uint8_t *data = scan->data, *line_end;
    const uint32_t start = scan->arena_size;
    const int64_t first = scan->row_count;
    uint8_t *line;
    log_answer answer;
    /* With room for all that the reader adds: nothing may move. */
    if (!scan_is_ascii(at, end - at) || !(line = log_room(scan, 4 * (end - at) + 4096)))
        return LOG_UNSURE;
    line_end = log_sendmail_unescape(at, end, line);
    scan->arena_size += (uint32_t)(line_end - line);
    scan->data = line;
    answer = log_sendmail_line(scan, row, line, line_end);
    scan->data = data;
    if (scan->has_failed || (answer == LOG_TAKEN && log_find(line, line_end, '\n')))
        answer = LOG_UNSURE;
    if (answer != LOG_TAKEN) {
        scan->arena_size = start;
        return answer;
    }
    for (row = scan->rows + first; row <= scan->rows + scan->row_count; row++) {
        log_text *const texts[] = {&row->queue_id,   &row->sender,   &row->recipient,
                                   &row->relay_host, &row->relay_ip, &row->enhanced,
                                   &row->dsn,        &row->text,     &row->told};
        for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
            log_sendmail_to_arena(texts[index], start);
    }
    return LOG_TAKEN;
}

/* A line of Sendmail. */
static inline log_answer log_sendmail(log_scan *scan, log_row *row, const uint8_t *at,
                                      const uint8_t *end) {
    if (log_find(at, end, '\\')) return log_sendmail_escaped(scan, row, at, end);
    return log_sendmail_line(scan, row, at, end);
}

/* Whether a program's name is one of Sendmail's: "sendmail", "sm-mta", "sm-msp-queue". */
static int log_sendmail_knows(const uint8_t *tag, const uint8_t *end) {
    int is_sm = 0;
    if (LOG_STARTS(tag, end, "sendmail")) {
        tag += 8;
        if (tag == end) return 1;
        if (*tag != '-' && *tag != '_' && *tag != '.') return 0;
    } else {
        static const char *const programs[] = {"sm-mta", "sm-msp", "sm-que", "sm-client",
                                               "sm-acceptingconn"};
        for (size_t index = 0; index < sizeof programs / sizeof *programs && !is_sm; index++) {
            const int size = (int)strlen(programs[index]);
            is_sm = log_starts(tag, end, programs[index], size);
            if (is_sm) tag += size;
        }
        if (!is_sm) return 0;
    }
    while (tag < end && (scan_is_word(*tag) || *tag == '-' || (*tag == '.' && !is_sm))) tag++;
    return tag == end;
}

#endif
