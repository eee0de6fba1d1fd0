/* What qmail-send logs: the twin of logs/qmail.py. */

#ifndef SMTPFAST_LOG_QMAIL_H
#define SMTPFAST_LOG_QMAIL_H

#include "log_envelope.h"
#include "log_values.h"

/* More lines of a reply are read in Python. */
enum { LOG_QMAIL_LINES = 32 };

#define LOG_QMAIL_TOO_OLD                                                                          \
    "/I'm_not_going_to_try_again;_this_message_has_been_in_the_queue_too_long./"
#define LOG_QMAIL_SAID "Remote_host_said:_"
#define LOG_QMAIL_GIVING_UP "/Giving_up_on_"

/* What was spoken to, and what its reply answers. */
typedef struct {
    const uint8_t *ip, *ip_end; /* NULL: not told */
    int command;
} log_qmail_peer;

/* --- Reports -------------------------------------------------------------------------------- */

static int log_qmail_is_ip(const uint8_t *at, const uint8_t *end) {
    const uint8_t separator = log_find(at, end, ':') ? ':' : '.';
    int separators = 0, digits = 0;
    for (; at < end; at++) {
        if (*at == separator) {
            if (separator == '.' && !digits) return 0;
            separators++;
            digits = 0;
        } else {
            const int is_hex = separator == ':' && (uint8_t)((*at | 0x20) - 'a') < 6;
            if (!scan_is_digit(*at) && !is_hex) return 0;
            if (++digits > (separator == '.' ? 3 : 4)) return 0;
        }
    }
    return separator == '.' ? separators == 3 && digits : separators >= 2 && separators <= 7;
}

/* What qmail-remote says of the host behind the address, "." or the end behind it; `*command` is
   what was answered. */
static int log_qmail_is_stage(const uint8_t *at, const uint8_t *end, int *command) {
    static const log_phrase stages[] = {
        {"accepted_message", LOG_EOD},         {"does_not_like_recipient", LOG_RCPT},
        {"failed_on_DATA_command", LOG_DATA},  {"failed_after_I_sent_the_message", LOG_EOD},
        {"but_greeting_failed", LOG_CONNECT},  {"but_my_name_was_rejected", LOG_EHLO},
        {"but_sender_was_rejected", LOG_MAIL}, {"but_connection_died", LOG_NO_STAGE}};
    for (size_t index = 0; index < sizeof stages / sizeof *stages; index++) {
        const char *words = stages[index].words;
        const uint8_t *behind;
        if (at == end || *at != (uint8_t)*words || !log_starts(at, end, words, (int)strlen(words)))
            continue;
        behind = at + strlen(words);
        *command = stages[index].command;
        return behind == end || *behind == '.';
    }
    return 0;
}

static log_qmail_peer log_qmail_find_peer(const uint8_t *start, const uint8_t *end) {
    log_qmail_peer peer = {NULL, NULL, LOG_NO_STAGE};
    for (const uint8_t *at = start; (at = log_find(at, end, '_')) != NULL; at++) {
        const uint8_t *ip, *ip_end = at;
        if (at == start || !log_qmail_is_stage(at + 1, end, &peer.command)) continue;
        if (ip_end[-1] == ']') ip_end--;
        for (ip = ip_end; ip > start && ip[-1] != '_' && ip[-1] != '/';) ip--;
        if (ip < ip_end && *ip == '[') ip++;
        if (!log_qmail_is_ip(ip, ip_end)) continue;
        peer.ip = ip;
        peer.ip_end = ip_end;
        if (peer.command == LOG_NO_STAGE && LOG_FIND_FIRST(start, end, "_Possible_duplicate!"))
            peer.command = LOG_EOD;
        return peer;
    }
    peer.command = LOG_NO_STAGE;
    return peer;
}

/* The last "(#5.1.1)" of qmail's own words. */
static log_text log_qmail_dsn(const log_scan *scan, const uint8_t *start, const uint8_t *end) {
    for (const uint8_t *at = end; at-- > start;) {
        const uint8_t *code = at + 2;
        int64_t number;
        if (*at != '(' || end - at < 8 || at[1] != '#') continue;
        if (!scan_is_class(*code) || code[1] != '.') continue;
        const uint8_t *subject = code + 2, *detail, *behind;
        detail = log_digits(subject, end, 3, &number);
        if (detail == subject || detail == end || *detail != '.') continue;
        behind = log_digits(detail + 1, end, 3, &number);
        if (behind == detail + 1 || behind == end || *behind != ')') continue;
        return log_piece(scan, code, behind);
    }
    return log_null;
}

/* --- What the remote host said -------------------------------------------------------------- */

/* Where a reply ends in front of qmail's own line about it, even if the log has cut that off. */
static const uint8_t *log_qmail_giving_up(const uint8_t *start, const uint8_t *end,
                                          const log_qmail_peer *peer) {
    const uint8_t *mark = LOG_FIND_LAST(start, end, LOG_QMAIL_GIVING_UP), *ip = peer->ip;
    int behind = 0;
    if (!mark) return end;
    for (const uint8_t *at = mark + sizeof LOG_QMAIL_GIVING_UP - 1; at < end; at++) {
        if (*at == '[' || *at == ']') continue;
        if (ip < peer->ip_end) {
            if (*at != *ip++) return end;
        } else if (behind == 2 || *at != "./"[behind++]) {
            return end;
        }
    }
    return mark;
}

/* Whether a line of a reply begins, which the last line is unless `*goes_on`. */
static inline int log_qmail_begins_line(const uint8_t *at, const uint8_t *end, int *goes_on) {
    if (end - at < 3 || *at < '2' || *at > '5' || !scan_is_digit(at[1]) || !scan_is_digit(at[2]))
        return 0;
    *goes_on = end - at > 3 && at[3] == '-';
    return *goes_on || end - at == 3 || at[3] == '_' || (end - at == 4 && at[3] == '/');
}

/* `_lines`: the reply, less one slash at its end; 0: Python should look. */
static int log_qmail_reply(log_scan *scan, log_row *row, const uint8_t *start, const uint8_t *end,
                           int command) {
    const uint8_t *starts[LOG_QMAIL_LINES], *ends[LOG_QMAIL_LINES], *at;
    const int64_t size = end - start;
    int count = 1, goes_on, has_end = 0;
    uint8_t *copy;
    if (!size) return 0;
    /* Room enough for all that is made of the reply, so that it stays where it is. */
    copy = log_room(scan, 3 * size + 64);
    if (!copy) return 0;
    for (int64_t index = 0; index < size; index++)
        copy[index] = start[index] == '_' ? ' ' : start[index];
    scan->arena_size += (uint32_t)size;
    starts[0] = copy;
    if (size > 3 && scan_is_digit(start[0]) && scan_is_digit(start[1]) && scan_is_digit(start[2]) &&
        start[3] == '-') {
        for (at = start; !has_end && (at = log_find(at, end, '/')) != NULL; at++)
            has_end = log_qmail_begins_line(at + 1, end, &goes_on) && !goes_on &&
                      memcmp(at + 1, start, 3) == 0;
        for (at = start, goes_on = 1; goes_on && (at = log_find(at, end, '/')) != NULL; at++) {
            int more;
            if (!log_qmail_begins_line(at + 1, end, &more)) continue;
            if (has_end && memcmp(at + 1, start, 3) != 0) continue;
            if (count == LOG_QMAIL_LINES) return 0;
            ends[count - 1] = copy + (at - start);
            starts[count++] = copy + (at + 1 - start);
            goes_on = more;
        }
    }
    ends[count - 1] = copy + size;
    return log_take_reply(scan, row, starts, ends, count, command) && row->code >= 0;
}

/* --- Lines ---------------------------------------------------------------------------------- */

/* `_spaced`: the report in words, with the line ends that are qmail's own. */
static log_text log_qmail_spaced(log_scan *scan, const uint8_t *at, const uint8_t *end) {
    const uint32_t start = scan->arena_size;
    uint8_t *copy = log_room(scan, end - at);
    log_text text = log_null;
    if (!copy) return text;
    if (end > at && end[-1] == '/') end--;
    for (; at < end; at++) {
        uint8_t byte = *at;
        if (byte == '_') byte = ' ';
        if (byte == '/' &&
            (LOG_STARTS(at, end, "/I'm_not_going_to_try") ||
             LOG_STARTS(at, end, LOG_QMAIL_GIVING_UP) || LOG_STARTS(at, end, "/" LOG_QMAIL_SAID) ||
             LOG_STARTS(at, end, "/it_isn't_in_my_control/locals")))
            byte = '\n';
        *copy++ = byte;
    }
    scan->arena_size = (uint32_t)(copy - scan->arena);
    text = log_put_since(scan, start);
    for (; text.size && scan_is_space(*log_bytes(scan, text)); text.at++) text.size--;
    while (text.size && scan_is_space(log_bytes(scan, text)[text.size - 1])) text.size--;
    return text.size ? text : log_null;
}

/* A report without a reply. */
static void log_qmail_own_words(log_scan *scan, log_row *row, const uint8_t *at, const uint8_t *end,
                                int command) {
    log_text code = row->dsn;
    row->text = log_qmail_spaced(scan, at, end);
    if (LOG_EQUALS_TEXT(scan, row->status, "success")) {
        log_accept(scan, row);
        return;
    }
    if (log_is_null(code)) {
        const uint32_t start = scan->arena_size;
        const int is_failure = LOG_EQUALS_TEXT(scan, row->status, "failure");
        log_put(scan, (const uint8_t *)(is_failure ? "5.0.0" : "4.0.0"), 5);
        code = log_put_since(scan, start);
    }
    log_diagnose_words(scan, row, code, row->text, command);
}

/* "delivery 7: success: …" as if it were to a remote host, which `log_qmail_join` finds out. */
static log_answer log_qmail_delivery(log_scan *scan, log_row *row, const uint8_t *at,
                                     const uint8_t *end) {
    const uint8_t *words, *words_end, *said = NULL;
    log_qmail_peer peer;
    if (LOG_STARTS(at, end, "success:"))
        words = at + 7;
    else if (LOG_STARTS(at, end, "failure:"))
        words = at + 7;
    else if (LOG_STARTS(at, end, "deferral:"))
        words = at + 8;
    else
        return LOG_UNSURE;
    row->status = log_piece(scan, at, words);
    row->event = LOG_DELIVERY;
    row->asks_sender = 1;
    at = ++words;
    if (at < end && *at != ' ') return LOG_UNSURE;
    words = at += at < end;
    /* qmail writes a mark for all that does not print; what is there all the same is Python's. */
    if (!log_is_printable(at, end)) return LOG_UNSURE;
    words_end = end;
    if (end - at >= (int)sizeof LOG_QMAIL_TOO_OLD - 1 &&
        LOG_STARTS(end - (sizeof LOG_QMAIL_TOO_OLD - 1), end, LOG_QMAIL_TOO_OLD))
        words_end -= sizeof LOG_QMAIL_TOO_OLD - 1;
    if (LOG_STARTS(at, words_end, LOG_QMAIL_SAID)) {
        said = at + sizeof LOG_QMAIL_SAID - 1;
    } else {
        said = LOG_FIND_FIRST(at, words_end, "/" LOG_QMAIL_SAID);
        if (said) said += sizeof LOG_QMAIL_SAID;
    }
    if (said) {
        const uint8_t *first = said;
        while (first < words_end && *first == '/') first++;
        if (first == words_end) said = NULL;
    }
    if (!said) {
        peer = log_qmail_find_peer(at, words_end);
        row->dsn = log_qmail_dsn(scan, at, words_end);
    } else {
        const uint8_t *own_end = said - (sizeof LOG_QMAIL_SAID - 1);
        own_end -= own_end > at;
        peer = log_qmail_find_peer(at, own_end);
        row->dsn = log_qmail_dsn(scan, at, own_end);
    }
    if (peer.ip) row->relay_ip = log_piece(scan, peer.ip, peer.ip_end);
    row->stage = log_own(peer.command);
    if (!said) {
        log_qmail_own_words(scan, row, at, end, peer.command);
        return LOG_TAKEN;
    }
    end = words_end;
    if (peer.command == LOG_RCPT) {
        const uint8_t *mark = log_qmail_giving_up(said, end, &peer);
        end = mark < end ? mark + 1 : end;
    }
    end -= end > said && end[-1] == '/';
    return log_qmail_reply(scan, row, said, end, peer.command) ? LOG_TAKEN : LOG_UNSURE;
}

/* Where a number ends; NULL for none. */
static inline const uint8_t *log_qmail_number(const uint8_t *at, const uint8_t *end) {
    const uint8_t *start = at;
    while (at < end && scan_is_digit(*at)) at++;
    return at > start && at - start <= 20 ? at : NULL;
}

/* "new msg 12", "end msg 12": whatever is known of the number is over. */
static log_answer log_qmail_forget(log_scan *scan, log_row *row, const uint8_t *at,
                                   const uint8_t *end) {
    if (log_qmail_number(at + 8, end) != end) return LOG_UNSURE;
    row->kind = LOG_FORGET;
    row->queue_id = log_piece(scan, at + 4, end);
    return LOG_TAKEN;
}

/* "info msg 12: bytes 345 from <…> qp 678 uid 9" */
static log_answer log_qmail_info(log_scan *scan, log_row *row, const uint8_t *at,
                                 const uint8_t *end) {
    const uint8_t *message = at + 5, *sender;
    at = log_qmail_number(at + 9, end);
    if (!at || !LOG_STARTS(at, end, ": bytes ")) return LOG_UNSURE;
    row->queue_id = log_piece(scan, message, at);
    at = log_qmail_number(at + 8, end);
    if (!at || !LOG_STARTS(at, end, " from <")) return LOG_UNSURE;
    sender = at += 7;
    while ((at = log_find(at, end, '>')) != NULL && !LOG_STARTS(at, end, "> qp ")) at++;
    if (!at) return LOG_UNSURE;
    row->kind = LOG_NOTE;
    row->sender = log_piece(scan, sender, at);
    return LOG_TAKEN;
}

/* "starting delivery 7: msg 12 to remote …": what stands behind the colon is noted. */
static log_answer log_qmail_starting(log_scan *scan, log_row *row, const uint8_t *at,
                                     const uint8_t *end) {
    const uint8_t *delivery = at + 9, *message;
    at = log_qmail_number(at + 18, end);
    if (!at || !LOG_STARTS(at, end, ": msg ")) return LOG_UNSURE;
    row->queue_id = log_piece(scan, delivery, at);
    message = at + 2;
    at = log_qmail_number(at + 6, end);
    if (!at) return LOG_UNSURE;
    if (LOG_STARTS(at, end, " to remote "))
        at += 11;
    else if (LOG_STARTS(at, end, " to local "))
        at += 10;
    else
        return LOG_UNSURE;
    if (at == end || !log_is_graph(*at)) return LOG_UNSURE;
    row->kind = LOG_NOTE;
    row->sender = log_piece(scan, message, end);
    return LOG_TAKEN;
}

/* A line that qmail-send writes every day; LOG_UNSURE for any other. */
static log_answer log_qmail_daily(log_scan *scan, log_row *row, const uint8_t *at,
                                  const uint8_t *end) {
    if (LOG_STARTS(at, end, "status: local "))
        return end - at > 14 && scan_is_digit(at[14]) ? LOG_NOTHING : LOG_UNSURE;
    if (LOG_STARTS(at, end, "delivery ")) {
        const uint8_t *behind = log_qmail_number(at + 9, end);
        if (!behind || !LOG_STARTS(behind, end, ": ")) return LOG_UNSURE;
        row->queue_id = log_piece(scan, at, behind);
        return log_qmail_delivery(scan, row, behind + 2, end);
    }
    if (LOG_STARTS(at, end, "starting delivery ")) return log_qmail_starting(scan, row, at, end);
    if (LOG_STARTS(at, end, "info msg ")) return log_qmail_info(scan, row, at, end);
    if (LOG_STARTS(at, end, "new msg ") || LOG_STARTS(at, end, "end msg "))
        return log_qmail_forget(scan, row, at, end);
    if (LOG_STARTS(at, end, "bounce msg ")) {
        at = log_qmail_number(at + 11, end);
        return at && LOG_STARTS(at, end, " qp ") ? LOG_NOTHING : LOG_UNSURE;
    }
    if (LOG_STARTS(at, end, "triple bounce: discarding ") || LOG_EQUALS(at, end, "status: exiting"))
        return LOG_NOTHING;
    return LOG_UNSURE;
}

/* Whether a line that names no program may be qmail-send's. */
static int log_qmail_may_know(const uint8_t *at, const uint8_t *end) {
    int64_t ignored;
    if (at == end) return 0;
    if (scan_is_digit(*at)) return log_epoch(at, end, &ignored) != NULL;
    return *at == '@' || LOG_STARTS(at, end, "status: ") || LOG_STARTS(at, end, "delivery ") ||
           LOG_STARTS(at, end, "starting delivery ") || LOG_STARTS(at, end, "info msg ") ||
           LOG_STARTS(at, end, "new msg ") || LOG_STARTS(at, end, "end msg ") ||
           LOG_STARTS(at, end, "bounce msg ") || LOG_STARTS(at, end, "triple bounce: ");
}

/* A line of qmail-send, also where multilog or splogger has put a stamp in front. */
static log_answer log_qmail(log_scan *scan, log_row *row, const uint8_t *at, const uint8_t *end) {
    if (at < end && (*at == '@' || scan_is_digit(*at))) {
        int64_t ignored;
        at = *at == '@' ? log_tai64n(at, end, &ignored) : log_epoch(at, end, &ignored);
        if (!at) return LOG_UNSURE;
    }
    return log_qmail_daily(scan, row, at, end);
}

/* What the start of a delivery has told of it; what is not sure becomes a line for Python. */
static int log_qmail_join(log_scan *scan, log_row *row, log_joins *joins) {
    const log_text key = row->queue_id;
    const uint32_t start = scan->arena_size;
    const uint8_t *noted, *channel, *end;
    uint32_t size, key_size, at;
    int is_local;
    noted = log_joins_get(joins, log_bytes(scan, key), key.size, row->hash, &size);
    row->queue_id = log_null;
    if (!noted) return 1;
    /* "msg 12 to remote to@example.com" */
    log_put(scan, noted, size);
    if (scan->has_failed) return 0;
    noted = scan->arena + start;
    end = noted + size;
    channel = log_find(noted + 4, end, ' ') + 4;
    is_local = *channel == 'l';
    at = (uint32_t)(channel - noted) + (is_local ? 6 : 7);
    if ((is_local && (row->code >= 0 || !log_is_null(row->relay_ip))) ||
        !log_is_printable(noted + at, end)) {
        log_leave_row(scan, row, key);
        return 1;
    }
    log_joins_forget(joins, log_bytes(scan, key), key.size, row->hash);
    row->recipient.at = (start + at) | LOG_IN_ARENA;
    row->recipient.size = size - at;
    if (is_local) {
        row->relay_host.at = (start + (uint32_t)(channel - noted)) | LOG_IN_ARENA;
        row->relay_host.size = 5;
    }
    row->queue_id.at = (start + 4) | LOG_IN_ARENA;
    row->queue_id.size = (uint32_t)(channel - noted) - 8;
    key_size = (uint32_t)(channel - noted) - 4;
    noted =
        log_joins_get(joins, noted, key_size, log_joins_hash(scan->seed, noted, key_size), &size);
    if (noted) {
        const uint32_t sender = scan->arena_size;
        log_put(scan, noted, size);
        row->sender = log_put_since(scan, sender);
    }
    return 1;
}

#endif
