/* What Exim logs: the twin of logs/exim.py, for what it writes every day. */

#ifndef SMTPFAST_LOG_EXIM_H
#define SMTPFAST_LOG_EXIM_H

#include "log_exim_parts.h"

/* --- Deliveries ----------------------------------------------------------------------------- */

/* `_recipient`: the address behind a flag; returns where it ends, NULL if that is not sure. */
static const uint8_t *log_exim_address_of(const log_scan *scan, log_row *row, const uint8_t *at,
                                          const uint8_t *end) {
    const uint8_t *first = at, *first_end = log_graph_end(at, scan->end), *top, *behind;
    if (first_end > end) first_end = end;
    if (first == first_end || *first == '"' || (first_end < end && *first_end != ' ')) return NULL;
    if (*first == '|' || *first == '/' || *first == '>' || LOG_STARTS(first, end, "save ")) {
        for (top = first; (top = log_find(top, end, ' ')) != NULL; top++) {
            if (LOG_STARTS(top, end, " (")) return NULL;
            if (LOG_STARTS(top, end, " <")) break;
        }
        behind = top ? log_exim_angles(scan, top + 1, end) : NULL;
        if (!behind || (behind < end && *behind != ' ' && *behind != ':')) return NULL;
        return log_exim_recipient(scan, row, top + 2, behind - 1) ? behind : NULL;
    }
    behind = first_end;
    if (first_end[-1] == ':' && *first != ':') behind = --first_end;
    if (LOG_STARTS(behind, end, " (")) return NULL;
    top = NULL;
    if (LOG_STARTS(behind, end, " <")) {
        top = behind + 2;
        behind = log_exim_angles(scan, top - 1, end);
        if (!behind) return NULL;
    }
    if (log_exim_word(scan, first, first_end, '@') == first_end) {
        if (!top) return NULL;
        if (log_find(top, behind - 1, '@')) {
            first = top;
            first_end = behind - 1;
        }
    }
    if (first == top) return log_exim_recipient(scan, row, first, first_end) ? behind : NULL;
    row->recipient = log_piece(scan, first, first_end);
    return behind;
}

/* `_sent`: a delivery that is through, from its keys on. */
static log_answer log_exim_sent(log_scan *scan, log_row *row, const uint8_t *recipient,
                                const uint8_t *at, const uint8_t *end) {
    log_exim_fields fields;
    const uint8_t *said, *said_end;
    int written = LOG_EXIM_VERBATIM;
    at = log_exim_fields_of(scan, at, end, 'C', &fields);
    if (!at || (fields.has_path && log_is_null(fields.sender))) return LOG_UNSURE;
    row->status = log_own(LOG_sent);
    row->sender = fields.sender;
    if (log_exim_is_host(&fields.host)) {
        log_exim_put_host(row, &fields.host);
    } else { /* a local one; Exim names the transport */
        row->relay_host = fields.transport;
        if (log_is_null(fields.transport) && LOG_STARTS(recipient, end, ":blackhole:"))
            row->relay_host = log_piece(scan, recipient, recipient + 11);
    }
    if (!LOG_STARTS(at, end, " C=\"")) {
        if (LOG_FIND_LAST(at, end, " C=\"")) return LOG_UNSURE;
        row->delay = log_exim_delay(at, end, &fields);
        log_accept(scan, row);
        return LOG_TAKEN;
    }
    said = said_end = at + 4;
    while ((said_end = log_exim_quoted_run(said_end, scan->end)) < end && *said_end == '\\') {
        written = LOG_EXIM_QUOTED;
        said_end += 2;
    }
    if (said_end >= end) return LOG_UNSURE;
    if (said_end + 1 < end && log_find(said_end + 1, end, '"')) return LOG_UNSURE;
    if (said_end - said >= 3 && memcmp(said_end - 3, " C=", 3) == 0) return LOG_UNSURE;
    row->delay = log_exim_delay(said_end, end, &fields);
    if (said_end - said > 4 && said[3] == '\\' && log_is_alnum(said[4])) return LOG_UNSURE;
    if (log_exim_is_code(said, said_end))
        return log_exim_reply(scan, row, said, said_end, written, LOG_EOD) ? LOG_TAKEN : LOG_UNSURE;
    if (written == LOG_EXIM_QUOTED) return LOG_UNSURE;
    if (said < said_end) row->text = log_piece(scan, said, said_end);
    log_accept(scan, row);
    return LOG_TAKEN;
}

/* What went wrong with a recipient; in front of it may stand an error of the system. */
static log_answer log_exim_unsent(log_scan *scan, log_row *row, const log_exim_message *message,
                                  const uint8_t *error, const uint8_t *error_end) {
    const char *const class_code =
        LOG_EQUALS_TEXT(scan, row->status, "bounced") ? "5.0.0" : "4.0.0";
    log_text words;
    if (message->reply) return log_exim_message_reply(scan, row, message) ? LOG_TAKEN : LOG_UNSURE;
    row->stage = log_own(message->stage);
    if (!log_exim_words(scan, message->words, message->end, &words)) return LOG_UNSURE;
    if (error < error_end && words.size) {
        const uint32_t start = scan->arena_size;
        if (!log_room(scan, (error_end - error) + 2 + (int64_t)words.size)) return LOG_UNSURE;
        log_put(scan, error, error_end - error);
        log_put(scan, (const uint8_t *)": ", 2);
        log_put(scan, log_bytes(scan, words), words.size);
        words = log_put_since(scan, start);
    } else if (error < error_end) {
        words = log_piece(scan, error, error_end);
    }
    if (words.size) row->text = words;
    return log_exim_diagnose(scan, row, class_code, words, message->stage) ? LOG_TAKEN : LOG_UNSURE;
}

/* `_deferred`: "… defer (-44) H=…: message", from its keys on. */
static log_answer log_exim_deferred(log_scan *scan, log_row *row, const uint8_t *at,
                                    const uint8_t *end) {
    log_exim_fields fields, behind;
    log_exim_message message;
    const uint8_t *error, *error_end, *number;
    int has_minus = 0, has_error = 0;
    at = log_exim_fields_of(scan, at, end, 0, &fields);
    if (!at) return LOG_UNSURE;
    if (LOG_STARTS(at, end, " routing")) at += 8;
    if (!LOG_STARTS(at, end, " defer (")) return LOG_UNSURE;
    for (number = at += 8; at < end && *at != ')'; at++) {
        has_minus |= *at == '-';
        has_error |= *at != '-' && *at != '0';
        if (!log_is_graph(*at) || *at == '(') return LOG_UNSURE;
    }
    if (at == end || at - number > 12) return LOG_UNSURE;
    error = error_end = ++at;
    if (has_error && !has_minus && LOG_STARTS(at, end, ": ")) {
        error = error_end = at + 2;
        while (error_end < end && !LOG_STARTS(error_end, end, " H=") &&
               !LOG_STARTS(error_end, end, " DT=") && !LOG_STARTS(error_end, end, ": "))
            error_end++;
        at = error_end;
    }
    at = log_exim_fields_of(scan, at, end, 0, &behind);
    if (!at || !log_is_null(behind.sender)) return LOG_UNSURE;
    if ((fields.has_path || behind.has_path) && log_is_null(fields.sender)) return LOG_UNSURE;
    row->status = log_own(LOG_deferred);
    row->sender = fields.sender;
    log_exim_put_host(row, &behind.host);
    if (at < end && *at == ':') at++;
    while (at < end && *at == ' ') at++;
    if (!behind.has_time) end = log_exim_without_time(at, end);
    if (!log_exim_message_of(scan, at, end, log_exim_is_host(&behind.host), &message))
        return LOG_UNSURE;
    return log_exim_unsent(scan, row, &message, error, error_end);
}

/* `_bounced`: "…: message", from its keys on. */
static log_answer log_exim_bounced(log_scan *scan, log_row *row, const uint8_t *at,
                                   const uint8_t *end) {
    log_exim_fields fields;
    log_exim_message message;
    at = log_exim_fields_of(scan, at, end, 0, &fields);
    if (!at || (fields.has_path && log_is_null(fields.sender))) return LOG_UNSURE;
    row->status = log_own(LOG_bounced);
    row->sender = fields.sender;
    log_exim_put_host(row, &fields.host);
    while (at < end && *at == ' ') at++;
    if (at < end && *at == ':') at++;
    while (at < end && *at == ' ') at++;
    end = log_exim_without_time(at, end);
    if (!log_exim_message_of(scan, at, end, log_exim_is_host(&fields.host), &message))
        return LOG_UNSURE;
    if (message.stage == LOG_NO_STAGE && !message.reply) {
        /* Of an error of the system and a message, as in "… : Timed out : SMTP timeout after …". */
        const uint8_t *colon = at;
        while ((colon = log_exim_colon(colon, end)) != NULL && (colon == at || colon[-1] != ' '))
            colon++;
        if (colon && (log_exim_said(colon + 2, end) || log_exim_unsaid(colon + 2, end)))
            return LOG_UNSURE;
    }
    return log_exim_unsent(scan, row, &message, at, at);
}

/* "=> address …", "** address …", from the flag on. */
static log_answer log_exim_delivery(log_scan *scan, log_row *row, const uint8_t *rest,
                                    const uint8_t *end) {
    const uint8_t *recipient = rest + 3, *at;
    if (end - rest < 4 || LOG_STARTS(rest, end, "=> blackhole ")) return LOG_UNSURE;
    at = log_exim_address_of(scan, row, recipient, end);
    if (!at) return LOG_UNSURE;
    row->event = LOG_DELIVERY;
    row->asks_sender = 1;
    if (rest[1] == '>') return log_exim_sent(scan, row, recipient, at, end);
    return *rest == '=' ? log_exim_deferred(scan, row, at, end)
                        : log_exim_bounced(scan, row, at, end);
}

/* --- Attempts and rejects ------------------------------------------------------------------- */

/* `_COLONLESS`: whether what stands behind a host tells of it, without a colon. */
static int log_exim_is_told(const uint8_t *at, const uint8_t *end) {
    if (LOG_STARTS(at, end, " SMTP error ") || LOG_STARTS(at, end, " LMTP error ") ||
        LOG_STARTS(at, end, " TLS error on "))
        return 1;
    if (end - at < 2 || *at != ' ' || !log_exim_is_letter(at[1])) return 0;
    if (LOG_STARTS(at, end, " rejected ") || LOG_STARTS(at, end, " temporarily rejected "))
        return 0;
    while (at < end && (log_exim_is_letter(*at) || *at == ' ' || *at == ',' || *at == '\'' ||
                        *at == '/' || *at == '-'))
        at++;
    return at == end;
}

/* `_attempt`: "H=host [address]: what it said"; LOG_NOTHING: no such line. */
static log_answer log_exim_attempt(log_scan *scan, log_row *row, log_text queue_id,
                                   const uint8_t *rest, const uint8_t *end) {
    log_exim_host host;
    log_exim_message message;
    log_text words;
    const uint8_t *at = log_exim_server(scan, rest + 2, end, &host);
    if (!host.has_address) return LOG_NOTHING;
    if (LOG_STARTS(at, end, ": ")) at += 2;
    else if (log_exim_is_told(at, end)) at++;
    else return LOG_NOTHING;
    if (!log_exim_message_of(scan, at, end, 1, &message)) return LOG_UNSURE;
    row->queue_id = queue_id;
    row->asks_sender = !log_is_null(queue_id);
    log_exim_put_host(row, &host);
    if (message.reply) {
        row->event = LOG_ATTEMPT;
        if (!log_is_null(message.recipient)) {
            const uint8_t *recipient = log_bytes(scan, message.recipient);
            if (!log_exim_recipient(scan, row, recipient, recipient + message.recipient.size))
                return LOG_UNSURE;
        }
        return log_exim_message_reply(scan, row, &message) ? LOG_TAKEN : LOG_UNSURE;
    }
    row->event = LOG_CONNECTION;
    row->stage = log_own(message.stage);
    if (!log_exim_words(scan, at, end, &words)) return LOG_UNSURE;
    row->text = words;
    return log_exim_diagnose(scan, row, NULL, words, message.stage) ? LOG_TAKEN : LOG_UNSURE;
}

/* `_reject_of`: "RCPT <address>: why", behind "rejected ". */
static log_answer log_exim_rejected(log_scan *scan, log_row *row, const uint8_t *at,
                                    const uint8_t *end, int is_temporary) {
    const uint8_t *behind;
    log_text words;
    int command;
    if (LOG_STARTS(at, end, "RCPT <") || LOG_STARTS(at, end, "MAIL <")) {
        behind = log_exim_angles(scan, at + 5, end);
        if (!behind) return LOG_UNSURE;
        command = *at == 'R' ? LOG_RCPT : LOG_MAIL;
        if (command == LOG_MAIL) row->sender = log_piece(scan, at + 6, behind - 1);
        else if (!log_exim_recipient(scan, row, at + 6, behind - 1)) return LOG_UNSURE;
        at = behind;
    } else if (LOG_STARTS(at, end, "EHLO or HELO ")) {
        command = LOG_EHLO;
        at += 12;
    } else if (LOG_STARTS(at, end, "after DATA: ")) {
        command = LOG_EOD;
        at += 10;
    } else if (LOG_STARTS(at, end, "DATA: ")) {
        command = LOG_DATA;
        at += 4;
    } else if (LOG_STARTS(at, end, "AUTH ")) {
        command = LOG_AUTH;
        at += 4;
    } else {
        return LOG_UNSURE;
    }
    row->event = LOG_REJECT;
    row->stage = log_own(command);
    at = log_exim_colon(at, end);
    at = at ? at + 2 : end;
    if (at < end && *at == (is_temporary ? '4' : '5') && log_exim_is_code(at, end)) {
        return log_exim_reply(scan, row, at, end, LOG_EXIM_VERBATIM, command) ? LOG_TAKEN
                                                                              : LOG_UNSURE;
    }
    if (!log_exim_words(scan, at, end, &words)) return LOG_UNSURE;
    if (words.size) row->text = words;
    return log_exim_diagnose(scan, row, is_temporary ? "4.0.0" : "5.0.0", words, command)
               ? LOG_TAKEN
               : LOG_UNSURE;
}

/* `_reject`: "H=(helo) [address] F=<sender> rejected …"; LOG_NOTHING: no such line. */
static log_answer log_exim_reject(log_scan *scan, log_row *row, log_text queue_id,
                                  const uint8_t *rest, const uint8_t *end) {
    log_exim_host host;
    log_exim_fields fields;
    const uint8_t *at = log_exim_client(scan, rest + 2, end, &host), *status;
    if (!at) return LOG_UNSURE;
    at = log_exim_fields_of(scan, at, end, 0, &fields);
    if (!at) return LOG_UNSURE;
    if (at < end && *at == ' ') at++;
    status = at;
    if (LOG_STARTS(at, end, "temporarily ")) at += 12;
    if (!LOG_STARTS(at, end, "rejected ") || end - at < 10) {
        if (!fields.has_user) return LOG_NOTHING;
        /* What ident or AUTH tells may hold spaces. */
        return LOG_FIND_LAST(rest, end, "rejected") ? LOG_UNSURE : LOG_NOTHING;
    }
    if (!log_exim_is_host(&host)) return LOG_UNSURE;
    row->queue_id = queue_id;
    row->sender = fields.sender;
    log_exim_put_host(row, &host);
    row->status = log_piece(scan, status, at + 8);
    return log_exim_rejected(scan, row, at + 9, end, *status == 't');
}

/* --- Lines ---------------------------------------------------------------------------------- */

/* `_HEAD` as far as the queue id: a stamp and a process id; returns where they end. */
static const uint8_t *log_exim_head(const uint8_t *at, const uint8_t *end) {
    static const char stamp[] = "dddd-dd-dd dd:dd:dd";
    const uint8_t *behind = at;
    int64_t ignored;
    int index = 0;
    if (at < end && scan_is_digit(*at)) {
        for (; stamp[index] && behind < end; index++, behind++)
            if (stamp[index] == 'd' ? !scan_is_digit(*behind) : *behind != (uint8_t)stamp[index])
                break;
        if (!stamp[index]) {
            const uint8_t *zone;
            if (behind < end && *behind == '.') {
                zone = log_digits(behind + 1, end, 6, &ignored);
                if (zone > behind + 1) behind = zone;
            }
            zone = end - behind > 6 && (behind[1] == '+' || behind[1] == '-') ? behind + 2 : NULL;
            if (zone && *behind == ' ' && log_digits(zone, end, 4, &ignored) == zone + 4 &&
                zone[4] == ' ')
                behind = zone + 4;
            if (behind < end && *behind == ' ') at = behind + 1;
        }
    }
    if (at < end && *at == '[') {
        behind = log_digits(at + 1, end, 10, &ignored);
        if (behind > at + 1 && LOG_STARTS(behind, end, "] ")) at = behind + 2;
    }
    return at;
}

/* Which of 16 bytes are no letters and no digits, the first one lowest. */
static inline uint32_t log_exim_signs(const uint8_t *at) {
#ifdef SCAN_SSE2
    const __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const __m128i others =
        _mm_or_si128(log_in_range(bytes, '0', '9'), log_in_range(lower, 'a', 'z'));
    return (uint32_t)_mm_movemask_epi8(others) ^ 0xFFFF;
#else
    uint32_t signs = 0;
    for (int index = 0; index < 16; index++) signs |= (uint32_t)!log_is_alnum(at[index]) << index;
    return signs;
#endif
}

/* A queue id in one of its two forms; returns where it ends, NULL if it is none. */
static inline const uint8_t *log_exim_queue_id(const uint8_t *at, const uint8_t *end) {
    uint32_t signs;
    if (end - at < 16 || at[6] != '-') return NULL;
    signs = log_exim_signs(at);
    if (signs == (1 << 6 | 1 << 13)) {
        if (at[13] != '-') return NULL;
        at += 16;
    } else {
        if (signs != 1 << 6 || end - at < 23 || at[18] != '-') return NULL;
        if (log_exim_signs(at + 7) != 1 << 11) return NULL;
        at += 23;
    }
    return at == end || *at == ' ' ? at : NULL;
}

/* Whether a line without a host in front may tell of a reject, or of what is read in Python. */
static int log_exim_may_tell(const uint8_t *at, const uint8_t *end) {
    const uint8_t *behind = at;
    if (at == end) return 0;
    switch (*at) {
    case ' ':
        return 1;
    case 'n':
        return LOG_STARTS(at, end, "no IP address found for host ") && !log_find(at + 29, end, ' ');
    case 'r':
        return LOG_STARTS(at, end, "rejected ") || LOG_STARTS(at, end, "refused connection from ");
    case 't':
        return LOG_STARTS(at, end, "temporarily rejected ") ||
               LOG_STARTS(at, end, "too many recipients: ");
    case 'u':
        return LOG_STARTS(at, end, "unqualified ");
    }
    if (!log_exim_is_capital(*at)) return 0;
    if (LOG_STARTS(at, end, "Connection from ") ||
        LOG_STARTS(at, end, "SMTP protocol synchronization error "))
        return 1;
    while (behind < end && log_exim_is_letter(*behind) && behind - at < 6) behind++;
    if (behind < end && *behind == '=' && behind - at < 6) return 1;
    return log_exim_mark(at, end) != NULL;
}

/* Whether a line without a tag and without a queue id can be of no other MTA: it begins with a
   word that is none of qmail's, no key of Haraka, and neither a type nor a header of PowerMTA. */
static int log_exim_is_nobodys(const uint8_t *at, const uint8_t *end) {
    const uint8_t *behind = at;
    if (at == end) return 1;
    if (!log_exim_is_letter(*at)) return 0;
    while (behind < end && (log_is_alnum(*behind) || *behind == '_' || *behind == '-')) behind++;
    if (behind == end) return 0;
    if (*behind != ' ' && *behind != '=' && *behind != ':') return 0;
    return !(LOG_EQUALS(at, behind, "new") || LOG_EQUALS(at, behind, "info") ||
             LOG_EQUALS(at, behind, "starting") || LOG_EQUALS(at, behind, "delivery") ||
             LOG_EQUALS(at, behind, "end") || LOG_EQUALS(at, behind, "status") ||
             LOG_EQUALS(at, behind, "bounce") || LOG_EQUALS(at, behind, "triple") ||
             LOG_EQUALS(at, behind, "level"));
}

/* `_ALONE`, of "H=": whether a line without a queue id is one of Exim's. */
static int log_exim_is_client(const uint8_t *at, const uint8_t *end) {
    const uint8_t *start = at += 2;
    while (at < end && *at != ' ' && *at != '(' && *at != '[') at++;
    if (at > start) {
        if (at == end || *at != ' ') return 0;
        at++;
    }
    return at < end && (*at == '(' || *at == '[');
}

/* "<= sender …" */
static log_answer log_exim_arrival(const log_scan *scan, log_row *row, const uint8_t *at,
                                   const uint8_t *end) {
    const uint8_t *behind;
    if (at >= end || *at == ' ') return LOG_NOTHING;
    if (*at == '"') return LOG_UNSURE; /* what is quoted may hold spaces */
    behind = log_exim_word(scan, at, end, ' ');
    row->kind = LOG_NOTE;
    row->sender =
        LOG_EQUALS(at, behind, "<>") ? log_piece(scan, at, at) : log_piece(scan, at, behind);
    return LOG_TAKEN;
}

/* A line about a message, from what stands behind its queue id on. */
static log_answer log_exim_told(log_scan *scan, log_row *row, log_text queue_id,
                                const uint8_t *rest, const uint8_t *end, int has_tag) {
    if (end - rest >= 2 && (end - rest == 2 || rest[2] == ' ')) {
        const uint8_t flag = rest[0], sign = rest[1];
        if (sign == '=' && (flag == '<' || flag == '(')) {
            const log_answer answer = log_exim_arrival(scan, row, rest + 3, end);
            if (answer == LOG_TAKEN) row->queue_id = queue_id;
            return answer;
        }
        if ((sign == '>' && (flag == '=' || flag == '-' || flag == '>' || flag == '*')) ||
            (sign == flag && (flag == '=' || flag == '*'))) {
            row->queue_id = queue_id;
            return log_exim_delivery(scan, row, rest, end);
        }
    }
    if (LOG_EQUALS(rest, end, "Completed") || LOG_STARTS(rest, end, "Completed QT=") ||
        (has_tag && LOG_STARTS(rest, end, "Completed "))) {
        row->kind = LOG_FORGET;
        row->queue_id = queue_id;
        return LOG_TAKEN;
    }
    if (LOG_STARTS(rest, end, "H=")) {
        log_answer answer;
        if (end - rest < 3 || !log_is_graph(rest[2])) return LOG_UNSURE;
        answer = log_exim_attempt(scan, row, queue_id, rest, end);
        return answer == LOG_NOTHING ? log_exim_reject(scan, row, queue_id, rest, end) : answer;
    }
    return log_exim_may_tell(rest, end) ? LOG_UNSURE : LOG_NOTHING;
}

/* A line of Exim, or one without a tag, which may be anybody's. */
static log_answer log_exim(log_scan *scan, log_row *row, const uint8_t *text, const uint8_t *end,
                           int has_tag) {
    const uint8_t *at = log_exim_head(text, end), *behind;
    if (has_tag && at == text && at < end && *at == '[') return LOG_UNSURE; /* a piece of a line */
    behind = log_exim_queue_id(at, end);
    if (behind) {
        log_text queue_id = log_piece(scan, at, behind);
        return log_exim_told(scan, row, queue_id, behind + (behind < end), end, has_tag);
    }
    if (LOG_STARTS(at, end, "H=") && log_exim_is_client(at, end)) {
        log_answer answer = log_exim_attempt(scan, row, log_null, at, end);
        return answer == LOG_NOTHING ? log_exim_reject(scan, row, log_null, at, end) : answer;
    }
    if (log_exim_may_tell(at, end)) return LOG_UNSURE;
    return has_tag || log_exim_is_nobodys(at, end) ? LOG_NOTHING : LOG_UNSURE;
}

#endif
