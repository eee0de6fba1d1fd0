/* What the lines of a block of a mail log say, as rows: what the readers of all MTAs share.

   Nothing here knows Python. A reader (log_postfix.h …) takes a line only if it is sure of all that
   the line says; any other one is left to the reader in Python, which is the specification, and
   says the same more slowly. A row says nothing of other lines: what these tell of its queue id and
   of the year is put in afterwards, in the order of the lines (`log_join`). */

#ifndef SMTPFAST_LOG_ROWS_H
#define SMTPFAST_LOG_ROWS_H

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "log_joins.h"
#include "meaning.h"

/* What a reader makes of a line. */
typedef enum {
    LOG_NOTHING, /* of no interest */
    LOG_TAKEN,   /* the row is filled */
    LOG_UNSURE,  /* for the reader in Python */
} log_answer;

/* What a row is: a record, or something to be done when its turn has come. */
enum {
    LOG_RECORD,
    LOG_LINE,   /* to be read in Python */
    LOG_DAY,    /* a stamp without a year, of another day than the one before */
    LOG_NOTE,   /* the sender of a queue id */
    LOG_FORGET, /* a queue id is done with */
};

/* As in `Event`; MTAs in the order in which the reader in Python asks them. */
enum { LOG_DELIVERY, LOG_ATTEMPT, LOG_REJECT, LOG_CONNECTION, LOG_OTHER };
enum { LOG_POSTFIX, LOG_EXIM, LOG_SENDMAIL, LOG_OPENSMTPD, LOG_QMAIL, LOG_HARAKA, LOG_MTAS };

/* A piece of the block, of the arena, of `log_words` or of the names of providers and lists. */
typedef struct {
    uint32_t at, size;
} log_text;

#define LOG_IN_ARENA 0x80000000u
#define LOG_IN_WORDS 0x40000000u
#define LOG_IN_NAMES 0xC0000000u
#define LOG_MOST_BYTES 0x3FFFFFFF /* of a block */
#define LOG_NONE 0xFFFFFFFFu
static const log_text log_null = {0, LOG_NONE};

static inline int log_is_null(log_text text) { return text.size == LOG_NONE; }

/* Words that no line need hold. The commands come first, in the order of COMMANDS. */
#define LOG_COMMANDS(word)                                                                         \
    word(CONNECT) word(EHLO) word(STARTTLS) word(AUTH) word(MAIL) word(RCPT) word(DATA) word(EOD)  \
        word(BDAT) word(RSET) word(NOOP) word(VRFY) word(EXPN) word(ETRN) word(QUIT)
#define LOG_OTHER_WORDS(word) word(XFORWARD) word(sent) word(deferred) word(bounced)
#define LOG_FIELD(name) char name[sizeof(#name)];
#define LOG_VALUE(name) #name,
#define LOG_NUMBER(name) LOG_##name,
#define LOG_PLACE(name) {LOG_IN_WORDS | (uint32_t)offsetof(log_word_list, name), sizeof(#name) - 1},
/* What may be read behind the bytes of a text that is not in the block. */
enum { LOG_SLACK = 32 };
typedef struct {
    LOG_COMMANDS(LOG_FIELD)
    LOG_OTHER_WORDS(LOG_FIELD)
    char slack[LOG_SLACK];
} log_word_list;
static const log_word_list log_words = {LOG_COMMANDS(LOG_VALUE) LOG_OTHER_WORDS(LOG_VALUE)};
typedef enum {
    LOG_NO_STAGE = -1,
    LOG_COMMANDS(LOG_NUMBER) LOG_COMMAND_COUNT,
    LOG_XFORWARD = LOG_COMMAND_COUNT,
    LOG_sent,
    LOG_deferred,
    LOG_bounced,
} log_word;
static const log_text log_word_texts[] = {LOG_COMMANDS(LOG_PLACE) LOG_OTHER_WORDS(LOG_PLACE)};

static inline log_text log_own(int word) {
    return word == LOG_NO_STAGE ? log_null : log_word_texts[word];
}

/* A record, or with `kind` something else that needs only some of it. */
typedef struct {
    int64_t time; /* microseconds since 1970; since midnight, where there is a month */
    double delay; /* NaN: none */
    log_text host, process, queue_id, sender, recipient, relay_host, relay_ip, status;
    log_text enhanced, dsn, stage, text, blocklist, problem;
    log_text domain; /* of the recipient, in lower case */
    log_text provider;
    log_text told; /* in which a block list names itself, at told_start */
    int32_t told_start, told_end;
    uint32_t hash;                         /* of a queue id that is looked for */
    uint32_t line;                         /* in the block, from 0 */
    int32_t relay_port, code, retry_after; /* -1: none */
    int8_t reason, disposition;            /* -1: none */
    uint8_t kind, mta, event;
    uint8_t has_time, is_local;
    uint8_t month, day;  /* of a stamp without a year; 0: it has one */
    uint8_t asks_sender; /* the queue id tells it */
} log_row;

/* What was said before, and why, by its hash: servers say the same to all. */
enum { LOG_REMEMBERED = 2048, LOG_LONGEST_REMEMBERED = 208 };

typedef struct {
    uint32_t hash;
    int32_t command;
    uint32_t size, text; /* of what was said; where the text begins that was diagnosed */
    meaning_decision found;
    uint8_t said[LOG_LONGEST_REMEMBERED];
} log_memory;

/* The work of one thread on one block. */
typedef struct {
    const uint8_t *data, *end;
    uint64_t seed;              /* of the hashes of queue ids */
    const meaning_rules *rules; /* NULL: reasons are not asked for */
    meaning_scratch *scratch;
    /* Of providers and block lists, by their number; a list of size 0 names itself. */
    const uint8_t *names;
    const log_text *providers, *blocklists;
    uint8_t *arena;
    log_row *rows;
    uint32_t arena_size, arena_room;
    int64_t row_count, row_room;
    uint32_t lines;
    int is_next_empty;
    int has_failed; /* for want of memory */
} log_scan;

/* --- Room ----------------------------------------------------------------------------------- */

/* Room for `size` more bytes in the arena, or NULL; the pointer holds until the next call. */
static uint8_t *log_room(log_scan *scan, int64_t size) {
    if (scan->arena_size + size + LOG_SLACK > scan->arena_room) {
        const int64_t needed = scan->arena_size + size + LOG_SLACK;
        const int64_t room = 2 * needed + 4096 < LOG_MOST_BYTES ? 2 * needed + 4096 : LOG_MOST_BYTES;
        uint8_t *arena = needed <= room ? realloc(scan->arena, (size_t)room) : NULL;
        if (!arena) {
            scan->has_failed = 1;
            return NULL;
        }
        scan->arena = arena;
        scan->arena_room = (uint32_t)room;
    }
    return scan->arena + scan->arena_size;
}

/* Put `size` bytes in the arena, behind what is there. */
static void log_put(log_scan *scan, const uint8_t *data, int64_t size) {
    uint8_t *room = log_room(scan, size);
    if (!room) return;
    memcpy(room, data, (size_t)size);
    scan->arena_size += (uint32_t)size;
}

/* What has been put in the arena from `start` on. */
static inline log_text log_put_since(const log_scan *scan, uint32_t start) {
    log_text text = {start | LOG_IN_ARENA, scan->arena_size - start};
    return text;
}

static inline const uint8_t *log_bytes(const log_scan *scan, log_text text) {
    if (text.at >= LOG_IN_NAMES) return scan->names + (text.at & ~LOG_IN_NAMES);
    if (text.at & LOG_IN_ARENA) return scan->arena + (text.at & ~LOG_IN_ARENA);
    if (text.at & LOG_IN_WORDS) return (const uint8_t *)&log_words + (text.at & ~LOG_IN_WORDS);
    return scan->data + text.at;
}

/* The bytes from `start` to `end` of the block. */
static inline log_text log_piece(const log_scan *scan, const uint8_t *start, const uint8_t *end) {
    log_text text = {(uint32_t)(start - scan->data), (uint32_t)(end - start)};
    return text;
}

/* The same, of the block or of the arena. */
static log_text log_piece_of(const log_scan *scan, const uint8_t *start, const uint8_t *end) {
    const uintptr_t at = (uintptr_t)start - (uintptr_t)scan->arena;
    log_text text = {(uint32_t)at | LOG_IN_ARENA, (uint32_t)(end - start)};
    return scan->arena && at <= scan->arena_size ? text : log_piece(scan, start, end);
}

static void log_clear_row(log_row *row) {
    static const log_row empty = {.relay_port = -1,
                                  .code = -1,
                                  .retry_after = -1,
                                  .reason = -1,
                                  .disposition = -1,
                                  .host = {0, LOG_NONE},
                                  .process = {0, LOG_NONE},
                                  .queue_id = {0, LOG_NONE},
                                  .sender = {0, LOG_NONE},
                                  .recipient = {0, LOG_NONE},
                                  .relay_host = {0, LOG_NONE},
                                  .relay_ip = {0, LOG_NONE},
                                  .status = {0, LOG_NONE},
                                  .enhanced = {0, LOG_NONE},
                                  .dsn = {0, LOG_NONE},
                                  .stage = {0, LOG_NONE},
                                  .text = {0, LOG_NONE},
                                  .blocklist = {0, LOG_NONE},
                                  .problem = {0, LOG_NONE},
                                  .domain = {0, LOG_NONE},
                                  .provider = {0, LOG_NONE},
                                  .told = {0, LOG_NONE},
                                  .delay = NAN};
    memcpy(row, &empty, sizeof empty); /* GCC takes slow string instructions for an assignment */
}

/* Room for the next row, which is empty. A reader that answers LOG_NOTHING has left it so. */
static log_row *log_next_row(log_scan *scan) {
    if (scan->row_count == scan->row_room) {
        const int64_t room = 2 * scan->row_room + 256;
        log_row *rows = realloc(scan->rows, (size_t)room * sizeof *rows);
        if (!rows) {
            scan->has_failed = 1;
            return NULL;
        }
        scan->rows = rows;
        scan->row_room = room;
        scan->is_next_empty = 0;
    }
    if (!scan->is_next_empty) log_clear_row(&scan->rows[scan->row_count]);
    scan->is_next_empty = 1;
    return &scan->rows[scan->row_count];
}

/* The next row has been filled. */
static inline void log_keep_row(log_scan *scan) {
    log_row *row = &scan->rows[scan->row_count++];
    row->line = scan->lines;
    if (!log_is_null(row->queue_id))
        row->hash = log_joins_hash(scan->seed, log_bytes(scan, row->queue_id), row->queue_id.size);
    scan->is_next_empty = 0;
}

/* Keep the next row; the one behind it says the same, of another recipient. */
static log_row *log_repeat_row(log_scan *scan) {
    log_row *row;
    log_keep_row(scan);
    row = log_next_row(scan);
    if (row) *row = row[-1];
    return row;
}

/* The next row may have been filled in part. */
static inline void log_forget_row(log_scan *scan) { scan->is_next_empty = 0; }

static log_row *log_add_row(log_scan *scan, int kind) {
    log_row *row = log_next_row(scan);
    if (!row) return NULL;
    row->kind = (uint8_t)kind;
    log_keep_row(scan);
    return row;
}

/* A row that the lines before it have made unsure: its line, in which `place` is, for Python. */
static void log_leave_row(const log_scan *scan, log_row *row, log_text place) {
    const uint8_t *start = log_bytes(scan, place);
    const uint8_t *end = memchr(start, '\n', (size_t)(scan->end - start));
    while (start > scan->data && start[-1] != '\n') start--;
    row->kind = LOG_LINE;
    row->text = log_piece(scan, start, end ? end : scan->end);
}

/* Rows and arenas of blocks that are gone, for the next ones: fresh memory costs a page fault every
   4 KiB. */
enum { LOG_SPARES = 4, LOG_LARGEST_SPARE = 1 << 25 };
static void *log_spares[LOG_SPARES];

static void log_take_room(log_scan *scan) {
    for (int spare = 0; spare < LOG_SPARES && !scan->rows; spare++) {
        log_scan *kept = scan_swap(&log_spares[spare], NULL);
        if (!kept) continue;
        scan->rows = kept->rows;
        scan->row_room = kept->row_room;
        scan->arena = kept->arena;
        scan->arena_room = kept->arena_room;
        free(kept);
    }
}

/* Give back what a block of odd lines took, of which no records came. */
static void log_trim_rows(log_scan *scan) {
    const int64_t room = scan->row_count + 1;
    if (scan->row_room * (int64_t)sizeof *scan->rows > LOG_LARGEST_SPARE / 4 &&
        room < scan->row_room / 4) {
        log_row *rows = realloc(scan->rows, (size_t)room * sizeof *rows);
        if (!rows) return;
        scan->rows = rows;
        scan->row_room = room;
    }
}

static void log_leave_room(const log_scan *scan) {
    const int64_t size = scan->row_room * (int64_t)sizeof *scan->rows + scan->arena_room;
    log_scan *kept = scan->rows && size <= LOG_LARGEST_SPARE ? malloc(sizeof *kept) : NULL;
    if (!kept) {
        free(scan->rows);
        free(scan->arena);
        return;
    }
    *kept = *scan;
    for (int spare = 0; spare < LOG_SPARES && kept; spare++)
        kept = scan_swap(&log_spares[spare], kept);
    if (kept) {
        free(kept->rows);
        free(kept->arena);
        free(kept);
    }
}

/* --- Reading -------------------------------------------------------------------------------- */

static inline int log_is_alnum(uint8_t byte) {
    return scan_is_digit(byte) || (uint8_t)((byte | 0x20) - 'a') < 26;
}

/* Printable ASCII without the space: what is no white space in any sense of Python's. */
static inline int log_is_graph(uint8_t byte) { return (uint8_t)(byte - 0x21) < 0x5E; }

static inline int log_starts(const uint8_t *at, const uint8_t *end, const char *word, int size) {
    return end - at >= size && memcmp(at, word, (size_t)size) == 0;
}
#define LOG_STARTS(at, end, word) log_starts(at, end, word, sizeof(word) - 1)

static inline int log_equals(const uint8_t *at, const uint8_t *end, const char *word, int size) {
    return end - at == size && memcmp(at, word, (size_t)size) == 0;
}
#define LOG_EQUALS(at, end, word) log_equals(at, end, word, sizeof(word) - 1)

static inline int log_text_equals(const log_scan *scan, log_text text, const char *word, int size) {
    return text.size == (uint32_t)size && memcmp(log_bytes(scan, text), word, (size_t)size) == 0;
}
#define LOG_EQUALS_TEXT(scan, text, word) log_text_equals(scan, text, word, sizeof(word) - 1)

/* Where a run of bytes of one class ends, 16 of them at a time as long as the block has so many:
   `limit` is the end of the block, and no line end is of any class. */
#ifdef SCAN_SSE2
typedef __m128i log_bytes16;
static inline log_bytes16 log_in_range(log_bytes16 bytes, uint8_t first, uint8_t last) {
    const __m128i from_first = _mm_sub_epi8(bytes, _mm_set1_epi8((char)first));
    const __m128i width = _mm_set1_epi8((char)(last - first));
    return _mm_cmpeq_epi8(_mm_min_epu8(from_first, width), from_first);
}
static inline log_bytes16 log_is_byte(log_bytes16 bytes, uint8_t byte) {
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)byte));
}
#define LOG_RUN(CLASS16)                                                                           \
    for (; limit - at >= 16; at += 16) {                                                           \
        const __m128i bytes = _mm_loadu_si128((const __m128i *)at);                                \
        const uint32_t others = (uint32_t)_mm_movemask_epi8(CLASS16) ^ 0xFFFF;                     \
        if (others) return at + scan_lowest_bit(others);                                           \
    }
#else
#define LOG_RUN(CLASS16)
#endif

static inline const uint8_t *log_alnum_end(const uint8_t *at, const uint8_t *limit) {
    LOG_RUN(_mm_or_si128(log_in_range(bytes, '0', '9'),
                         log_in_range(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z')))
    while (at < limit && log_is_alnum(*at)) at++;
    return at;
}

static inline const uint8_t *log_digits_end(const uint8_t *at, const uint8_t *limit) {
    LOG_RUN(log_in_range(bytes, '0', '9'))
    while (at < limit && scan_is_digit(*at)) at++;
    return at;
}

static inline const uint8_t *log_graph_end(const uint8_t *at, const uint8_t *limit) {
    LOG_RUN(log_in_range(bytes, 0x21, 0x7E))
    while (at < limit && log_is_graph(*at)) at++;
    return at;
}

/* The name of a program: in front of a bracket or a colon. */
static inline const uint8_t *log_tag_end(const uint8_t *at, const uint8_t *limit) {
    LOG_RUN(_mm_andnot_si128(_mm_or_si128(log_is_byte(bytes, '['), log_is_byte(bytes, ':')),
                             log_in_range(bytes, 0x21, 0x7E)))
    while (at < limit && log_is_graph(*at) && *at != '[' && *at != ':') at++;
    return at;
}

/* The first `byte`, or NULL. */
static inline const uint8_t *log_find(const uint8_t *at, const uint8_t *end, uint8_t byte) {
    return memchr(at, byte, (size_t)(end - at));
}

/* The last place where `word` begins, or NULL. */
static const uint8_t *log_find_last(const uint8_t *at, const uint8_t *end, const char *word,
                                    int size) {
    for (const uint8_t *start = end - size; start >= at; start--)
        if (*start == (uint8_t)word[0] && memcmp(start, word, (size_t)size) == 0) return start;
    return NULL;
}
#define LOG_FIND_LAST(at, end, word) log_find_last(at, end, word, sizeof(word) - 1)

/* A number of up to `most` digits from `at` on; returns where it ends, `at` for none. */
static inline const uint8_t *log_digits(const uint8_t *at, const uint8_t *end, int most,
                                        int64_t *value) {
    *value = 0;
    for (; at < end && most && scan_is_digit(*at); at++, most--) *value = 10 * *value + *at - '0';
    return at;
}

/* "12" or "0.034" as Python reads it, to the last bit: both parts of the division are exact. */
static inline int log_read_seconds(const uint8_t *at, const uint8_t *end, double *value) {
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    int64_t whole, part = 0;
    const uint8_t *behind = log_digits(at, end, 9, &whole);
    int digits = 0;
    if (behind == at) return 0;
    if (behind < end && *behind == '.') {
        const uint8_t *first = behind + 1;
        behind = log_digits(first, end, 6, &part);
        digits = (int)(behind - first);
        if (!digits) return 0;
    }
    for (int digit = 0; digit < digits; digit++) whole *= 10;
    *value = (double)(whole + part) / powers[digits];
    return behind == end;
}

/* --- What all rows have --------------------------------------------------------------------- */

/* Why something was said that begins with a reply or has one in it. */
static void log_decide(const log_scan *scan, const uint8_t *said, uint32_t size, int command,
                       log_memory *decided) {
    int64_t end = size;
    scan_line line;
    while (end && (said[end - 1] == '\n' || said[end - 1] == '\r')) end--;
    line = scan_one(said, 0, end);
    if (line.code < 0) {
        const int64_t inner = meaning_inner_reply(said, end);
        if (inner >= 0) line = scan_one(said, inner, end);
    }
    decided->text = (uint32_t)line.text;
    decided->found = meaning_decide(scan->rules, scan->scratch, line.code, line.enhanced,
                                    said + line.text, end - line.text, end - line.text, command);
}

/* The same, unless it was found before; `fresh` is for what is too long to be remembered. */
static const log_memory *log_recall(const log_scan *scan, const uint8_t *said, uint32_t size,
                                    int command, log_memory *fresh) {
    log_memory *known = fresh;
    if (size <= LOG_LONGEST_REMEMBERED) {
        const uint32_t hash = log_joins_hash(scan->seed, said, size);
        known = (log_memory *)scan->scratch->memory + hash % LOG_REMEMBERED;
        if (known->hash == hash && known->size == size && known->command == command &&
            memcmp(known->said, said, size) == 0)
            return known;
        known->hash = hash;
        known->size = size;
        known->command = command;
        memcpy(known->said, said, size);
    }
    log_decide(scan, said, size, command, known);
    return known;
}

/* Why it was said, of a reply or of the MTA's words, as `said` has them with their codes. */
static void log_diagnose(log_scan *scan, log_row *row, log_text said, int command) {
    const log_memory *known;
    log_memory fresh;
    scan_line line;
    if (!scan->rules || !said.size) return;
    line = scan_one(log_bytes(scan, said), 0, said.size);
    if (meaning_is_success(line.code)) {
        const meaning_decision found = meaning_success(scan->rules, line.code, 0);
        row->reason = (int8_t)found.reason;
        row->disposition = (int8_t)found.disposition;
        return;
    }
    known = log_recall(scan, log_bytes(scan, said), said.size,
                       command < LOG_COMMAND_COUNT ? command : LOG_NO_STAGE, &fresh);
    row->reason = (int8_t)known->found.reason;
    row->disposition = (int8_t)known->found.disposition;
    row->retry_after = known->found.retry_after;
    if (known->found.provider >= 0) {
        row->provider = scan->providers[known->found.provider];
        row->provider.at |= LOG_IN_NAMES;
    }
    if (known->found.blocklist >= 0) {
        const log_text name = scan->blocklists[known->found.blocklist];
        if (name.size) {
            row->blocklist = name;
            row->blocklist.at |= LOG_IN_NAMES;
        } else {
            row->told.at = said.at + known->text;
            row->told.size = said.size - known->text;
            row->told_start = known->found.blocklist_start;
            row->told_end = known->found.blocklist_end;
        }
    }
}

/* What is through, where the log has no reply. */
static inline void log_accept(const log_scan *scan, log_row *row) {
    if (!scan->rules) return;
    row->reason = (int8_t)scan->rules->accepted;
    row->disposition = (int8_t)scan->rules->delivered;
}

/* The MTA's own words, with the enhanced code that it claims in front of them. */
static void log_diagnose_words(log_scan *scan, log_row *row, log_text code, log_text words,
                               int command) {
    const uint32_t start = scan->arena_size;
    log_text said;
    if (!scan->rules) return;
    if (!log_room(scan, (log_is_null(words) ? 0 : (int64_t)words.size) + 64)) return;
    if (!log_is_null(code)) log_put(scan, log_bytes(scan, code), code.size);
    log_put(scan, (const uint8_t *)" ", 1);
    if (!log_is_null(words)) log_put(scan, log_bytes(scan, words), words.size);
    said = log_put_since(scan, start);
    for (; said.size && scan_is_space(*log_bytes(scan, said)); said.at++) said.size--;
    while (said.size && scan_is_space(log_bytes(scan, said)[said.size - 1])) said.size--;
    if (said.size) log_diagnose(scan, row, said, command);
}

/* Whether a character that is no ASCII is white space to Python; `at` and `end` are where it begins
   and the text ends. */
static int log_is_odd_blank(const uint8_t *at, const uint8_t *end) {
    if (end - at < 2) return 0;
    if (at[0] == 0xC2) return at[1] == 0x85 || at[1] == 0xA0;
    if (end - at < 3) return 0;
    if (at[0] == 0xE2 && at[1] == 0x80)
        return at[2] <= 0x8A || at[2] == 0xA8 || at[2] == 0xA9 || at[2] == 0xAF;
    return memcmp(at, "\xE1\x9A\x80", 3) == 0 || memcmp(at, "\xE2\x81\x9F", 3) == 0 ||
           memcmp(at, "\xE3\x80\x80", 3) == 0;
}

/* Whether the first character of a text may be white space to Python and not to us. */
static inline int log_has_odd_start(const uint8_t *at, const uint8_t *end) {
    return at < end && (*at < ' ' || (*at >= 0x80 && log_is_odd_blank(at, end)));
}

/* The same of the last one. */
static inline int log_has_odd_end(const uint8_t *at, const uint8_t *end) {
    if (at == end || (end[-1] >= ' ' && end[-1] < 0x80)) return 0;
    return end[-1] < ' ' || (end - at >= 2 && log_is_odd_blank(end - 2, end)) ||
           (end - at >= 3 && log_is_odd_blank(end - 3, end));
}

/* One line of a reply, as `classify` has it; its code counts only if a separator stands behind. */
static int log_read_reply_line(log_scan *scan, log_row *row, const uint8_t *start,
                               const uint8_t *end, const uint8_t **text) {
    const scan_line line = scan_one(start, 0, end - start);
    const uint8_t *word = start + line.text;
    *text = word;
    row->code = -1;
    row->enhanced = log_null;
    if (line.code < 0) return 1;
    if (line.enhanced) {
        const uint8_t *behind = start + 4;
        while (behind < end && !scan_is_blank(*behind)) behind++;
        row->enhanced = log_piece_of(scan, start + 4, behind);
    } else if (word < end && scan_is_digit(*word)) {
        /* "5.1.1:" may be an enhanced code all the same. */
        while (word < end && *word != ' ') word++;
        if (word[-1] == ':') return 0;
    }
    if (end - start == 3 || start[3] == ' ' || start[3] == '-')
        row->code = line.code;
    else
        row->enhanced = log_null;
    return 1;
}

/* The reply of a row whose lines begin at starts[] and end at ends[]; 0: Python should look. Lines
   in the arena need room behind it, twice their size and 64 bytes more, so that they stay there. */
static int log_take_reply(log_scan *scan, log_row *row, const uint8_t *const *starts,
                          const uint8_t *const *ends, int count, int command) {
    const uint8_t *text;
    uint32_t at;
    if (count == 1) {
        if (!log_read_reply_line(scan, row, starts[0], ends[0], &text)) return 0;
        row->text = log_piece_of(scan, text, ends[0]);
        log_diagnose(scan, row, log_piece_of(scan, starts[0], ends[0]), command);
        return 1;
    }
    at = scan->arena_size;
    for (int line = 0; line < count; line++) {
        if (!log_read_reply_line(scan, row, starts[line], ends[line], &text)) return 0;
        if (line) log_put(scan, (const uint8_t *)"\n", 1);
        log_put(scan, text, ends[line] - text);
    }
    row->text = log_put_since(scan, at);
    if (scan->rules) {
        at = scan->arena_size;
        for (int line = 0; line < count; line++) {
            if (line) log_put(scan, (const uint8_t *)"\r\n", 2);
            log_put(scan, starts[line], ends[line] - starts[line]);
        }
        log_diagnose(scan, row, log_put_since(scan, at), command);
    }
    return 1;
}

/* --- Recipients ----------------------------------------------------------------------------- */

/* The domain of the recipient in lower case; 0, if Python has to make it so. */
static int log_find_domain(log_scan *scan, log_row *row) {
    const log_text address = row->recipient;
    const uint8_t *at, *end;
    uint8_t all = 0, has_capitals = 0;
    uint32_t start;
    if (log_is_null(address) || !log_is_null(row->domain)) return 1;
    at = log_bytes(scan, address);
    end = at + address.size;
    for (const uint8_t *sign; (sign = log_find(at, end, '@')) != NULL;) at = sign + 1;
    if (at == log_bytes(scan, address)) return 1;
    start = (uint32_t)(at - log_bytes(scan, address));
    while (end > at && end[-1] == '.') end--;
    if (end == at) return 1;
    for (const uint8_t *letter = at; letter < end; letter++) {
        all |= *letter;
        has_capitals |= (uint8_t)(*letter - 'A') < 26;
    }
    if (all >= 0x80) return 0;
    row->domain.at = address.at + start;
    row->domain.size = (uint32_t)(end - at);
    if (has_capitals) {
        const uint32_t size = row->domain.size;
        uint8_t *lower = log_room(scan, size);
        if (!lower) return 1;
        at = log_bytes(scan, row->domain);
        for (uint32_t index = 0; index < size; index++)
            lower[index] = at[index] | (uint8_t)(((uint8_t)(at[index] - 'A') < 26) << 5);
        row->domain.at = scan->arena_size | LOG_IN_ARENA;
        scan->arena_size += size;
    }
    return 1;
}

#endif
