/* The shape of a reply, and its URLs: the twin of report/shapes.py, for texts in UTF-8 with the
   letters of the most usual languages.

   Nothing here knows Python. What is kept is copied in stretches, from one mask to the next. */

#ifndef SMTPFAST_LOG_SHAPES_H
#define SMTPFAST_LOG_SHAPES_H

#include "log_rows.h"

/* The names of the zones of block lists, the longest first: each ends in `data` at its `ends`. */
typedef struct {
    const uint8_t *data;
    const uint32_t *ends;
    int32_t count;
} shape_zones;

enum { SHAPE_UNSURE = -1, SHAPE_NO_ROOM = -2 };

enum {
    SHAPE_LONGEST_PART = 320,
    SHAPE_LONGEST_LOCAL_PART = 128,
    SHAPE_LONGEST_QUOTED = 200,
    SHAPE_MOST_LABELS = 126,
    SHAPE_LONGEST_LABEL = 63,
    SHAPE_LONGEST_SCHEME = 16,
    SHAPE_SHORTEST_ID = 6,
    SHAPE_LONGEST_HEX_WORD = 16,
    SHAPE_SHORTEST_ID_OF_URL = 8,
    /* Words in words, "queue:4F1B2C3D4E5:25": of deeper ones we are not sure. */
    SHAPE_DEEPEST = 4,
    /* Of longer texts and shapes beyond ASCII we are not sure: Python cuts them to so many
       characters or more, and who calls us may count octets. */
    SHAPE_LONGEST_WIDE = 512
};

/* --- Bytes ---------------------------------------------------------------------------------- */

enum {
    SHAPE_SPACE = 1 << 0,
    SHAPE_IN_WORD = 1 << 1,
    SHAPE_IN_LOCAL_PART = 1 << 2,
    SHAPE_IN_DOMAIN = 1 << 3,
    SHAPE_IN_URL = 1 << 4,
    SHAPE_IN_SCHEME = 1 << 5,
    SHAPE_IN_LABEL = 1 << 6,
    SHAPE_NO_LETTER = 1 << 7,
    SHAPE_DIGIT = 1 << 8,
    SHAPE_DOT = 1 << 9,
    SHAPE_COLON = 1 << 10,
    SHAPE_HEX = 1 << 11,
    SHAPE_EDGE = 1 << 12, /* of a word, and no part of it */
    SHAPE_END = 1 << 13,  /* behind a piece it ends the sentence */
    SHAPE_WIDE = 1 << 14  /* a part of a character beyond ASCII */
};

/* What most bytes are; then where the others may be, and what else they are. */
#define o (SHAPE_IN_WORD | SHAPE_IN_LOCAL_PART | SHAPE_IN_DOMAIN | SHAPE_IN_URL | SHAPE_NO_LETTER)
#define s (SHAPE_SPACE | SHAPE_NO_LETTER)
#define q (SHAPE_NO_LETTER)
#define u (SHAPE_IN_URL | SHAPE_NO_LETTER)
#define e (SHAPE_IN_URL | SHAPE_NO_LETTER | SHAPE_END)
#define p (SHAPE_IN_LOCAL_PART | SHAPE_IN_DOMAIN | SHAPE_IN_URL | SHAPE_NO_LETTER)
#define N (o | SHAPE_IN_LABEL | SHAPE_IN_SCHEME | SHAPE_DIGIT | SHAPE_HEX)
#define L ((o ^ SHAPE_NO_LETTER) | SHAPE_IN_LABEL | SHAPE_IN_SCHEME)
#define H (L | SHAPE_HEX)
#define w (o | SHAPE_WIDE)
#define W w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w
static const uint16_t shape_classes[256] = {
    o, o, o, o, o, o, o, o, o, s, s, s, s, s, o, o,
    o, o, o, o, o, o, o, o, o, o, o, o, s, s, s, s,
    s, p | SHAPE_END, q, o | SHAPE_EDGE, o, o, o, q,
    u, e, o | SHAPE_EDGE | SHAPE_END, o | SHAPE_IN_SCHEME,
    e, o | SHAPE_IN_LABEL | SHAPE_IN_SCHEME,
    o | SHAPE_IN_SCHEME | SHAPE_EDGE | SHAPE_END | SHAPE_DOT, o | SHAPE_EDGE,
    N, N, N, N, N, N, N, N, N, N,
    (o ^ SHAPE_IN_LOCAL_PART) | SHAPE_EDGE | SHAPE_END | SHAPE_COLON, e, q, p, q, p | SHAPE_END,
    o ^ SHAPE_IN_LOCAL_PART ^ SHAPE_IN_DOMAIN, H, H, H, H, H, H, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, u, o, e, o, o | SHAPE_IN_LABEL,
    q, H, H, H, H, H, H, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, p, p, p | SHAPE_END, o, o,
    W, W, W, W, W, W, W, W};
#undef o
#undef s
#undef q
#undef u
#undef e
#undef p
#undef N
#undef L
#undef H
#undef w
#undef W

static inline unsigned shape_class(uint8_t byte) { return shape_classes[byte]; }

static inline int shape_is(uint8_t byte, unsigned classes) {
    return (shape_class(byte) & classes) != 0;
}

static inline int shape_is_letter(uint8_t byte) { return !shape_is(byte, SHAPE_NO_LETTER); }

/* The classes of all bytes, together. */
static inline unsigned shape_classes_of(const uint8_t *at, const uint8_t *end) {
    unsigned classes = 0;
    for (; at < end; at++) classes |= shape_class(*at);
    return classes;
}

/* Where a run of bytes of one of the classes ends. */
static inline const uint8_t *shape_end_of(const uint8_t *at, const uint8_t *end, unsigned classes) {
    while (at < end && shape_is(*at, classes)) at++;
    return at;
}

/* Whether all bytes are of one of the classes. */
static inline int shape_is_all(const uint8_t *at, const uint8_t *end, unsigned classes) {
    return shape_end_of(at, end, classes) == end;
}

static inline uint8_t shape_lower(uint8_t byte) {
    return (uint8_t)(byte - 'A') < 26 ? byte | 0x20 : byte;
}

/* Where a run of `least` to `most` digits ends, or NULL. */
static inline const uint8_t *shape_digits(const uint8_t *at, const uint8_t *end, int least,
                                          int most) {
    const uint8_t *start = at;
    while (at < end && at - start < most && scan_is_digit(*at)) at++;
    return at - start >= least ? at : NULL;
}

/* Where "://" begins, or NULL. */
static inline const uint8_t *shape_find_slashes(const uint8_t *at, const uint8_t *end) {
    for (; (at = log_find(at, end, ':')); at++)
        if (LOG_STARTS(at, end, "://")) return at;
    return NULL;
}

/* --- Characters beyond ASCII ---------------------------------------------------------------- */

/* Characters of which is known that they are letters, and no numbers, or signs, and no spaces:
   the first and the last of each range. */
static const struct {
    uint16_t first, last;
} shape_known[] = {
    {0xA1, 0xA1}, {0xA7, 0xA7}, {0xAB, 0xAB}, {0xB0, 0xB0}, {0xB7, 0xB7}, {0xBB, 0xBB},
    {0xBF, 0xBF}, {0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x24F}, /* Latin */
    {0x391, 0x3A1}, {0x3A3, 0x3CE},                          /* Greek */
    {0x400, 0x481}, {0x48A, 0x4FF},                          /* Cyrillic */
    {0x2013, 0x2014}, {0x2018, 0x2019}, {0x201C, 0x201E}, {0x2026, 0x2026},
    {0x3001, 0x3002}, {0x3008, 0x3011},
    {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x30FC, 0x30FC}, /* Japanese */
    {0x4E00, 0x9FA5},                                     /* Chinese */
    {0xAC00, 0xD7A3},                                     /* Korean */
    {0xFF01, 0xFF01}, {0xFF08, 0xFF09}, {0xFF0C, 0xFF0C}, {0xFF1A, 0xFF1B}, {0xFF1F, 0xFF1F}};

static inline int shape_continues(uint8_t byte) { return (byte & 0xC0) == 0x80; }

/* The size of such a character of two or three bytes; 0: it is another one, or none. */
static int shape_wide(const uint8_t *at, const uint8_t *end) {
    const int size = *at < 0xE0 ? 2 : 3;
    uint32_t value;
    size_t index = 0;
    if (*at < 0xC2 || *at > 0xEF || end - at < size) return 0;
    if (!shape_continues(at[1]) || !shape_continues(at[size - 1])) return 0;
    if (size == 2) value = (at[0] & 0x1Fu) << 6 | (at[1] & 0x3Fu);
    else value = (at[0] & 0xFu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    if (size == 3 && value < 0x800) return 0; /* there is a shorter way to write it */
    while (index < sizeof shape_known / sizeof *shape_known && value > shape_known[index].last)
        index++;
    return index < sizeof shape_known / sizeof *shape_known && value >= shape_known[index].first
               ? size
               : 0;
}

/* Whether such a character is a letter: in blocks of signs are no letters that are known. */
static inline int shape_is_wide_letter(const uint8_t *at) {
    return *at != 0xC2 && *at != 0xE2 && *at != 0xEF && (*at != 0xE3 || at[1] != 0x80);
}

/* Whether only ASCII and, in a short text, such characters stand there. */
static int shape_knows(const uint8_t *at, const uint8_t *end) {
    if (scan_is_ascii(at, end - at)) return 1;
    if (end - at > SHAPE_LONGEST_WIDE) return 0;
    while (at < end) {
        const int size = *at < 0x80 ? 1 : shape_wide(at, end);
        if (!size) return 0;
        at += size;
    }
    return 1;
}

static inline int64_t shape_characters(const uint8_t *at, const uint8_t *end) {
    int64_t count = 0;
    for (; at < end; at++) count += !shape_continues(*at);
    return count;
}

/* Whether no letter and no digit stands at `at`. */
static inline int shape_ends_word(const uint8_t *at, const uint8_t *end) {
    if (at == end) return 1;
    return *at < 0x80 ? !scan_is_word(*at) : !shape_is_wide_letter(at);
}

/* Whether none stands in front of `at`. */
static inline int shape_begins_word(const uint8_t *at, const uint8_t *start) {
    if (at == start) return 1;
    at--;
    if (*at < 0x80) return !scan_is_word(*at);
    while (shape_continues(*at)) at--;
    return !shape_is_wide_letter(at);
}

/* The same, for what may stand in the middle of names: not behind "-" and "." */
static inline int shape_ends_name(const uint8_t *at, const uint8_t *end) {
    return shape_ends_word(at, end) && (at == end || *at != '-');
}

static inline int shape_begins_name(const uint8_t *at, const uint8_t *start) {
    return shape_begins_word(at, start) && (at == start || (at[-1] != '-' && at[-1] != '.'));
}

/* --- What comes out ------------------------------------------------------------------------- */

typedef struct {
    const shape_zones *zones;
    uint8_t *at, *end;
    const uint8_t *kept; /* of the text, from here on nothing has come out */
    int is_unsure, is_full;
} shape_out;

static inline uint8_t *shape_room(shape_out *out, int64_t size) {
    uint8_t *room = out->at;
    if (size > out->end - out->at) {
        out->is_full = 1;
        return NULL;
    }
    out->at += size;
    return room;
}

static inline void shape_put(shape_out *out, const void *data, int64_t size) {
    uint8_t *room = shape_room(out, size);
    if (room) memcpy(room, data, (size_t)size);
}

static void shape_put_lower(shape_out *out, const uint8_t *at, const uint8_t *end) {
    uint8_t *room = shape_room(out, end - at);
    if (!room) return;
    while (at < end) *room++ = shape_lower(*at++);
}

/* Keep the text up to `at`; what comes out next stands for the text up to `behind`. */
static inline void shape_keep(shape_out *out, const uint8_t *at, const uint8_t *behind) {
    if (at > out->kept) shape_put(out, out->kept, at - out->kept);
    out->kept = behind;
}

static inline void shape_mask(shape_out *out, const uint8_t *at, const uint8_t *end,
                              const char *mask, int size) {
    shape_keep(out, at, end);
    shape_put(out, mask, size);
}
#define SHAPE_MASK(out, at, end, mask) shape_mask(out, at, end, mask, sizeof(mask) - 1)

/* --- What words are ------------------------------------------------------------------------- */

static int shape_is_ip4(const uint8_t *at, const uint8_t *end) {
    for (int part = 0; part < 4; part++) {
        if (part && (at == end || *at++ != '.')) return 0;
        at = shape_digits(at, end, 1, 3);
        if (!at) return 0;
    }
    return at == end;
}

static int shape_is_ip6(const uint8_t *at, const uint8_t *end) {
    for (int part = 0; part < 2; part++) {
        at = shape_end_of(at, end, SHAPE_HEX);
        if (at == end || *at++ != ':') return 0;
    }
    at = shape_end_of(at, end, SHAPE_HEX | SHAPE_COLON | SHAPE_DOT);
    if (end - at < 2 || *at != '%') return at == end;
    for (at++; at < end && scan_is_word(*at);) at++;
    return at == end;
}

/* Whether all of it is an IP address; "::" alone is none. */
static inline int shape_is_ip(const uint8_t *at, const uint8_t *end) {
    return shape_is_ip4(at, end) || (end - at > 2 && shape_is_ip6(at, end));
}

/* Where the host name's top begins, or NULL: it is none. `*is_list`: a label is one of a list's. */
static const uint8_t *shape_host(const uint8_t *at, const uint8_t *end, int *is_list) {
    const uint8_t *label = at, *top;
    int labels = 0;
    *is_list = 0;
    if (end - at > SHAPE_LONGEST_PART) return NULL;
    for (; (top = label, label = log_find(label, end, '.')); label++) {
        const uint8_t *last = label - 1;
        if (label == top || label - top > SHAPE_LONGEST_LABEL || ++labels > SHAPE_MOST_LABELS)
            return NULL;
        if (!shape_is_all(top, label, SHAPE_IN_LABEL)) return NULL;
        if (scan_is_digit(*last)) last--;
        if (last > top && (*last | 0x20) == 'l' && (last[-1] | 0x20) == 'b' &&
            !memchr(top, '_', (size_t)(label - top)))
            *is_list = 1;
    }
    if (!labels) return NULL;
    if (LOG_STARTS(top, end, "xn--"))
        return end - top > 4 && shape_is_all(top, end, SHAPE_IN_LABEL) ? top : NULL;
    if (end - top < 2 || end - top > SHAPE_LONGEST_LABEL) return NULL;
    for (label = top; label < end; label++)
        if (!shape_is_letter(*label)) return NULL;
    return top;
}

static inline int shape_equals_lower(const uint8_t *at, const uint8_t *lower, int64_t size) {
    for (; size; size--)
        if (shape_lower(*at++) != *lower++) return 0;
    return 1;
}

#define SHAPE_EQUALS(at, lower) shape_equals_lower(at, (const uint8_t *)(lower), sizeof(lower) - 1)

/* "Please": where a sentence ends and another one begins. */
static int shape_is_title(const uint8_t *at, const uint8_t *end) {
    if (*at > 'Z') return 0;
    for (at++; at < end; at++)
        if (*at <= 'Z') return 0;
    return 1;
}

/* "smtp.mailfrom": what Authentication-Results names. */
static int shape_is_property(const uint8_t *at, const uint8_t *end) {
    const int64_t size = log_find(at, end, '.') - at;
    return (size == 4 && (SHAPE_EQUALS(at, "smtp") || SHAPE_EQUALS(at, "body"))) ||
           (size == 6 && (SHAPE_EQUALS(at, "header") || SHAPE_EQUALS(at, "policy")));
}

/* Mask a host name, or name the zone of a block list; 0: it is neither. */
static int shape_mask_host(shape_out *out, const uint8_t *at, const uint8_t *end) {
    const shape_zones *zones = out->zones;
    const int64_t size = end - at;
    int is_list;
    const uint8_t *top = shape_host(at, end, &is_list);
    uint32_t start = 0;
    if (!top || shape_is_title(top, end) || shape_is_property(at, end)) return 0;
    for (int32_t zone = 0; zone < zones->count; start = zones->ends[zone++]) {
        const int64_t length = zones->ends[zone] - start;
        if (length > size || (length < size && end[-length - 1] != '.')) continue;
        if (!shape_equals_lower(end - length, zones->data + start, length)) continue;
        shape_keep(out, at, end);
        shape_put(out, zones->data + start, length);
        return 1;
    }
    if (!is_list) SHAPE_MASK(out, at, end, "<host>");
    return 1;
}

/* "550-5.1.1", "5.1.1" */
static int shape_is_code(const uint8_t *at, const uint8_t *end) {
    if (end - at > 3 && scan_is_class(at[0]) && (uint8_t)(at[1] - '0') <= 5 &&
        scan_is_digit(at[2])) {
        at += 3;
        if (*at == '-') at++;
        if (at < end && *at == '#') at++;
    }
    if (at == end || !scan_is_class(*at)) return 0;
    for (int part = 0; part < 2; part++) {
        at++;
        if (at == end || *at != '.') return 0;
        at = shape_digits(at + 1, end, 1, 3);
        if (!at) return 0;
        at--;
    }
    return at + 1 == end;
}

typedef struct {
    const uint8_t *minutes, *seconds, *end; /* where each of them ends */
} shape_clock_ends;

/* "10:20", "10:20:30" or "10:20:30.123"; 0: none. */
static int shape_clock(const uint8_t *at, const uint8_t *end, shape_clock_ends *ends) {
    at = shape_digits(at, end, 1, 2);
    if (!at || at == end || *at != ':') return 0;
    at = shape_digits(at + 1, end, 2, 2);
    if (!at) return 0;
    ends->minutes = ends->seconds = ends->end = at;
    if (at == end || *at != ':') return 1;
    at = shape_digits(at + 1, end, 2, 2);
    if (!at) return 1;
    ends->seconds = ends->end = at;
    if (at == end || (*at != '.' && *at != ',')) return 1;
    at = shape_digits(at + 1, end, 1, 9);
    if (at) ends->end = at;
    return 1;
}

/* Where the unit of "12kB", "4.5%" or "12/34" begins, which is kept; NULL: it is no number. */
static const uint8_t *shape_unit(const uint8_t *at, const uint8_t *end) {
    const uint8_t *start = at, *unit;
    if (*at == '+' || *at == '-') at++;
    unit = shape_end_of(at, end, SHAPE_DIGIT);
    if (unit == at) return NULL;
    at = unit;
    if (end - at > 1 && *at == '.' && scan_is_digit(at[1]))
        unit = shape_end_of(at + 1, end, SHAPE_DIGIT);
    if (unit == end || (*unit == '%' && end - unit == 1)) return unit;
    if (shape_is_letter(*unit)) {
        for (at = unit; at < end && shape_is_letter(*at);) at++;
        return at == end && at - unit <= 7 ? unit : NULL;
    }
    if (!scan_is_digit(*start)) return NULL;
    while (at < end && (*at == '/' || *at == ':' || *at == '-')) {
        const uint8_t *digits = at + 1;
        at = shape_end_of(digits, end, SHAPE_DIGIT);
        if (at == digits) return NULL;
    }
    return at == end ? end : NULL;
}

/* A server's own name for what it says, "S3150" or "OU-001", or of a version, "TLSv1.2". */
static int shape_is_label(const uint8_t *at, const uint8_t *end) {
    const uint8_t *start = at, *first = at, *behind;
    while (at < end && (uint8_t)(*at - 'A') < 26) at++;
    if (at > start && at - start <= 4 && at < end) {
        if (*at == '-' || *at == '#') at++;
        behind = shape_digits(at, end, 1, 6);
        if (behind == end) return 1;
    }
    while (first < end && shape_is_letter(*first)) first++;
    if (first - start < 2 || first - start > 6 || first[-1] != 'v') return 0;
    if (first == end || !scan_is_digit(*first)) return 0;
    return end - first == 1 || (end - first == 3 && first[1] == '.' && scan_is_digit(first[2]));
}

static int shape_colons(const uint8_t *at, const uint8_t *end) {
    int count = 0;
    for (; at < end; at++) count += *at == ':';
    return count;
}

/* Whether it is an IP address, with or without a tag in front and a length of a prefix behind. */
static int shape_is_network(const uint8_t *at, const uint8_t *end) {
    const uint8_t *slash;
    if (end - at >= 5 && SHAPE_EQUALS(at, "ipv6:")) at += 5;
    if (end - at <= 2 || shape_colons(at, end) == 1) return 0;
    slash = log_find(at, end, '/');
    if (!slash) slash = end;
    return shape_is_ip4(at, slash) || shape_is_ip6(at, slash);
}

/* `_mask_of` */
static void shape_mask_word(shape_out *out, const uint8_t *at, const uint8_t *end, int depth) {
    for (;; depth++) {
        const unsigned classes = shape_classes_of(at, end);
        const uint8_t *colon, *unit;
        shape_clock_ends clock;
        if (!(classes & (SHAPE_DIGIT | SHAPE_DOT | SHAPE_COLON))) {
            if (end - at >= SHAPE_LONGEST_HEX_WORD && shape_is_all(at, end, SHAPE_HEX))
                SHAPE_MASK(out, at, end, "<id>");
            return;
        }
        if ((classes & SHAPE_WIDE) && !(classes & (SHAPE_DOT | SHAPE_COLON))) {
            if (shape_characters(at, end) >= SHAPE_SHORTEST_ID) SHAPE_MASK(out, at, end, "<id>");
            return;
        }
        if (depth > SHAPE_DEEPEST || (classes & SHAPE_WIDE)) {
            out->is_unsure = 1;
            return;
        }
        if ((classes & SHAPE_DIGIT) && scan_is_digit(*at)) {
            if ((classes & SHAPE_DOT) && shape_is_code(at, end)) return;
            if ((classes & SHAPE_COLON) && shape_clock(at, end, &clock) && clock.end == end) {
                SHAPE_MASK(out, at, end, "<time>");
                return;
            }
        }
        if (end - at <= SHAPE_LONGEST_PART) {
            if (((classes & SHAPE_COLON) || scan_is_digit(*at)) && shape_is_network(at, end)) {
                SHAPE_MASK(out, at, end, "<ip>");
                return;
            }
            colon = end;
            if ((classes & SHAPE_COLON) && (classes & SHAPE_DOT))
                while (scan_is_digit(colon[-1])) colon--;
            if (colon < end && colon > at && colon[-1] == ':' && log_find(at, colon, '.')) {
                shape_mask_word(out, at, colon - 1, depth + 1);
                SHAPE_MASK(out, colon, end, "<n>");
                return;
            }
        }
        if (classes & SHAPE_DIGIT) {
            unit = shape_unit(at, end);
            if (unit) {
                SHAPE_MASK(out, at, unit, "<n>");
                return;
            }
        }
        if ((classes & SHAPE_DOT) && shape_mask_host(out, at, end)) return;
        if (!(classes & SHAPE_DIGIT) || end - at < SHAPE_SHORTEST_ID || shape_is_label(at, end))
            return;
        for (colon = at; shape_is_letter(*colon);) colon++; /* a digit stands somewhere */
        if (colon == at || *colon != ':' || colon + 1 == end) {
            SHAPE_MASK(out, at, end, "<id>");
            return;
        }
        at = colon + 1;
    }
}

/* `_word` */
static void shape_word(shape_out *out, const uint8_t *at, const uint8_t *end) {
    const int begins_ip6 = LOG_STARTS(at, end, "::");
    const uint8_t *start = shape_end_of(at, end, SHAPE_EDGE);
    if (start == end) return;
    while (shape_is(end[-1], SHAPE_EDGE) && !(begins_ip6 && end[-1] == ':')) end--;
    shape_mask_word(out, begins_ip6 ? at : start, end, 0);
}

/* --- URLs ----------------------------------------------------------------------------------- */

/* Where the name of a page, "example.org.html", loses its extension. */
static const uint8_t *shape_page(const uint8_t *at, const uint8_t *end) {
    static const char *extensions[] = {".html", ".htm", ".php", ".cgi", ".asp", ".aspx"};
    for (size_t index = 0; index < sizeof extensions / sizeof *extensions; index++) {
        const int size = (int)strlen(extensions[index]);
        if (end - at >= size && memcmp(end - size, extensions[index], (size_t)size) == 0)
            return end - size;
    }
    return end;
}

/* "bounce-codes-2024": mostly words, with nothing mixed. */
static int shape_is_page(const uint8_t *at, const uint8_t *end, int64_t digits) {
    unsigned classes = 0;
    if (digits * 2 >= end - at) return 0;
    for (; at < end; at++) {
        if (*at == '-' || *at == '_' || *at == '.') {
            classes = 0;
            continue;
        }
        if (!scan_is_digit(*at) && !shape_is_letter(*at)) return 0;
        classes |= scan_is_digit(*at) ? 1 : 2;
        if (classes == 3) return 0;
    }
    return 1;
}

/* `_part_of_path` */
static void shape_part_of_path(shape_out *out, const uint8_t *at, const uint8_t *end) {
    const uint8_t *page, *found = at;
    int64_t digits = 0;
    int is_list;
    int is_address = log_find(at, end, '@') != NULL;
    while (!is_address && (found = log_find(found, end, '%'))) {
        is_address = LOG_STARTS(found, end, "%40");
        found++;
    }
    if (is_address) {
        SHAPE_MASK(out, at, end, "<addr>");
        return;
    }
    if (end - at <= SHAPE_LONGEST_PART && shape_is_ip(at, end)) {
        SHAPE_MASK(out, at, end, "<ip>");
        return;
    }
    page = shape_page(at, end);
    if (shape_host(at, page, &is_list)) {
        SHAPE_MASK(out, at, page, "<host>");
        return;
    }
    for (found = at; found < end; found++) digits += scan_is_digit(*found);
    if (end - at < SHAPE_SHORTEST_ID_OF_URL || !digits || shape_is_page(at, end, digits)) return;
    if (digits == end - at) SHAPE_MASK(out, at, end, "<n>");
    else SHAPE_MASK(out, at, end, "<id>");
}

/* `_url`; returns where what stands behind it begins. */
static const uint8_t *shape_url(shape_out *out, const uint8_t *at, const uint8_t *end) {
    const uint8_t *place = at, *host, *host_end;
    while (shape_is(end[-1], SHAPE_END)) end--;
    while (place < end && *place != '?' && *place != '#' && *place != ';' && *place != '&' &&
           *place != '=')
        place++;
    shape_keep(out, at, end);
    host = shape_find_slashes(at, place);
    host = host ? host + 3 : at;
    shape_put_lower(out, at, host);
    host_end = log_find(host, place, '/');
    if (!host_end) host_end = place;
    for (at = host; at && (at = log_find(at, host_end, '@'));) host = ++at;
    shape_put_lower(out, host, host_end);
    out->kept = host_end;
    for (at = host_end; at < place;) {
        const uint8_t *part = at + 1;
        at = log_find(part, place, '/');
        if (!at) at = place;
        shape_part_of_path(out, part, at);
    }
    shape_keep(out, place, end);
    return end;
}

/* --- Times ---------------------------------------------------------------------------------- */

static int shape_is_one_of(const uint8_t *at, const uint8_t *end, const char *names) {
    if (end - at < 3) return 0;
    for (; *names; names += 3)
        if (memcmp(at, names, 3) == 0) return 1;
    return 0;
}

/* Where a number of four digits ends that no letter follows, or NULL. */
static const uint8_t *shape_four(const uint8_t *at, const uint8_t *end) {
    at = shape_digits(at, end, 4, 4);
    return at && shape_ends_word(at, end) ? at : NULL;
}

/* Where ", " ends or " ", or NULL. */
static const uint8_t *shape_comma(const uint8_t *at, const uint8_t *end) {
    if (at < end && *at == ',') at++;
    return at < end && *at == ' ' ? at + 1 : NULL;
}

/* Where a time of RFC 5322 or asctime(3) ends, or NULL. */
static const uint8_t *shape_time_of_mail(const uint8_t *at, const uint8_t *end) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const uint8_t *behind;
    shape_clock_ends clock;
    if (shape_is_one_of(at, end, "MonTueWedThuFriSatSun")) {
        at = shape_comma(at + 3, end);
        if (!at) return NULL;
        if (at < end && *at == ' ') at++;
    }
    if (at < end && scan_is_digit(*at)) {
        at = shape_digits(at, end, 1, 2);
        if (at == end || *at != ' ' || !shape_is_one_of(at + 1, end, months)) return NULL;
        at += 4;
    } else {
        if (!shape_is_one_of(at, end, months)) return NULL;
        at += 3;
        if (at == end || *at++ != ' ') return NULL;
        if (at < end && *at == ' ') at++;
        at = shape_digits(at, end, 1, 2);
        if (!at) return NULL;
    }
    if (!shape_ends_name(at, end)) return NULL;
    if ((behind = shape_comma(at, end)) && (behind = shape_four(behind, end))) at = behind;
    if ((behind = shape_comma(at, end)) && shape_clock(behind, end, &clock)) {
        at = clock.end;
        if (at < end && *at == ' ' && (behind = shape_four(at + 1, end))) at = behind;
    }
    behind = at < end && *at == ' ' ? at + 1 : at;
    if (behind < end && (*behind == '+' || *behind == '-')) {
        behind = shape_four(behind + 1, end);
        return behind ? behind : at;
    }
    if (behind > at && (LOG_STARTS(behind, end, "GMT") || LOG_STARTS(behind, end, "UTC")) &&
        shape_ends_word(behind + 3, end))
        return behind + 3;
    return at;
}

/* Where "Z", "+0100" or "+01:00" ends; `at` for none. */
static const uint8_t *shape_zone(const uint8_t *at, const uint8_t *end) {
    const uint8_t *behind = at;
    if (at == end || *at == 'Z') return at == end ? at : at + 1;
    if (*at != '+' && *at != '-') return at;
    behind = shape_digits(at + 1, end, 2, 2);
    if (!behind) return at;
    if (behind < end && *behind == ':') behind++;
    behind = shape_digits(behind, end, 2, 2);
    return behind ? behind : at;
}

/* Where a time of ISO 8601 ends, with as much as there is of it; or NULL. */
static const uint8_t *shape_time_of_iso(const uint8_t *at, const uint8_t *end) {
    shape_clock_ends clock;
    at = shape_digits(at, end, 4, 4);
    for (int part = 0; part < 2; part++) {
        if (!at || at == end || (*at != '-' && *at != '/')) return NULL;
        at = shape_digits(at + 1, end, 2, 2);
    }
    if (!at) return NULL;
    if (at < end && (*at == 'T' || *at == ' ') && shape_clock(at + 1, end, &clock)) {
        const uint8_t *zone = shape_zone(clock.end, end);
        if (shape_ends_name(zone, end)) return zone;
        if (shape_ends_name(clock.end, end)) return clock.end;
        if (clock.end != clock.seconds) return clock.seconds;
        if (clock.seconds != clock.minutes) return clock.minutes;
    }
    return shape_ends_name(at, end) ? at : NULL;
}

/* --- Pieces --------------------------------------------------------------------------------- */

enum {
    SHAPE_OF_SPACE,
    SHAPE_OF_SIGN,
    SHAPE_OF_PLAIN_WORD, /* of which nothing is masked */
    SHAPE_OF_WORD,
    SHAPE_OF_NUMBER,
    SHAPE_OF_ADDRESS,
    SHAPE_OF_ANGLE_ADDRESS,
    SHAPE_OF_ANGLE,
    SHAPE_OF_QUOTED,
    SHAPE_OF_TIME,
    SHAPE_OF_URL
};

typedef struct {
    const uint8_t *start, *end;
    const uint8_t *next_at;   /* the next "@", or `end`; for pieces in front of it */
    const uint8_t *local_end; /* of the bytes of local parts that stand in front of it */
    int is_ascii, is_unsure;
} shape_text;

static inline shape_text shape_text_of(const uint8_t *start, const uint8_t *end) {
    const uint8_t *next_at = log_find(start, end, '@');
    const int is_ascii = scan_is_ascii(start, end - start);
    shape_text text = {start, end, next_at ? next_at : end, start, is_ascii, 0};
    return text;
}

/* Where the address without "<>" ends that begins at `at`, or NULL. */
static inline const uint8_t *shape_address(shape_text *text, const uint8_t *at) {
    int is_long;
    if (text->next_at < at) {
        text->next_at = log_find(at, text->end, '@');
        if (!text->next_at) text->next_at = text->end;
    }
    is_long = text->next_at - at > SHAPE_LONGEST_LOCAL_PART;
    if (text->next_at == text->end || (is_long && text->is_ascii)) return NULL;
    /* Looked for once for all pieces in it. */
    if (text->local_end <= at) text->local_end = shape_end_of(at, text->end, SHAPE_IN_LOCAL_PART);
    if (text->local_end != text->next_at || text->local_end == at) return NULL;
    text->is_unsure |= is_long; /* perhaps not, in characters */
    at = text->next_at + 1;
    if (at == text->end || !shape_is(*at, SHAPE_IN_DOMAIN)) return NULL;
    return shape_end_of(at, text->end, SHAPE_IN_DOMAIN);
}

/* What stands in <>; its "@" says that it is an address. */
static inline int shape_angle(shape_text *text, const uint8_t *at, const uint8_t **behind) {
    const uint8_t *limit = text->end, *part = at + 1;
    int kind = SHAPE_OF_ANGLE;
    for (at = part; at < limit && at - part <= SHAPE_LONGEST_PART; at++) {
        if (*at == '>') {
            *behind = at + 1;
            return kind;
        }
        if (*at == '<' || shape_is(*at, SHAPE_SPACE)) return SHAPE_OF_SIGN;
        if (*at == '@' && kind == SHAPE_OF_ANGLE) {
            kind = SHAPE_OF_ANGLE_ADDRESS;
            part = at + 1;
        }
    }
    if (at < limit) text->is_unsure |= !text->is_ascii; /* perhaps not too long, in characters */
    return SHAPE_OF_SIGN;
}

/* What stands in quotes, or an address whose local part does. */
static int shape_quoted(shape_text *text, const uint8_t *at, const uint8_t **behind) {
    const uint8_t quote = *at, *first = at + 1, *last = first;
    const uint8_t *limit =
        text->end - first > SHAPE_LONGEST_QUOTED + 1 ? first + SHAPE_LONGEST_QUOTED + 1 : text->end;
    if (quote == '\'' && !shape_begins_word(at, text->start)) return SHAPE_OF_SIGN;
    while (last < limit && *last != quote && *last != '\n' && (quote != '`' || *last != '\''))
        last++;
    if (last == limit && last < text->end) text->is_unsure |= !text->is_ascii;
    if (last == limit || *last == '\n') return SHAPE_OF_SIGN;
    if (quote == '"' && text->end - last > 2 && last[1] == '@' &&
        shape_is(last[2], SHAPE_IN_DOMAIN) &&
        shape_characters(first, last) <= SHAPE_LONGEST_LOCAL_PART) {
        const uint8_t *odd = first;
        while (odd < last && *odd != '@' && *odd != '<' && *odd != '>') odd++;
        if (odd == last) {
            *behind = shape_end_of(last + 2, text->end, SHAPE_IN_DOMAIN);
            return SHAPE_OF_ADDRESS;
        }
    }
    if (last == first) return SHAPE_OF_SIGN;
    if (quote == '\'' && !shape_ends_word(last + 1, text->end)) return SHAPE_OF_SIGN;
    *behind = last + 1;
    return SHAPE_OF_QUOTED;
}

/* Whether the word from `at` to `end`, or what begins like it, is a URL. */
static inline int shape_begins_url(const shape_text *text, const uint8_t *at, const uint8_t *end,
                                   unsigned classes) {
    const uint8_t *colon;
    if (*at == 'w' && LOG_STARTS(at, text->end, "www."))
        return text->end - at > 4 && shape_is(at[4], SHAPE_IN_URL);
    if (!(classes & SHAPE_COLON)) return 0;
    colon = shape_end_of(at, end, SHAPE_IN_SCHEME);
    return colon - at <= SHAPE_LONGEST_SCHEME && LOG_STARTS(colon, text->end, "://") &&
           text->end - colon > 3 && shape_is(colon[3], SHAPE_IN_URL);
}

/* Where "1,234,567" ends, or NULL. */
static const uint8_t *shape_thousands(const shape_text *text, const uint8_t *at) {
    const uint8_t *end = text->end, *group;
    if (at > text->start && at[-1] == ',') return NULL;
    at = shape_digits(at, end, 1, 3);
    if (at == end || *at != ',') return NULL;
    while (at < end && *at == ',' && (group = shape_digits(at + 1, end, 3, 3))) at = group;
    return shape_ends_word(at, end) && (at == end || *at != ',') ? at : NULL;
}

/* Where the time ends that begins with the word from `at` to `word_end`, or NULL. */
static inline const uint8_t *shape_time(const shape_text *text, const uint8_t *at,
                                        const uint8_t *word_end) {
    const int64_t size = word_end - at;
    const int is_number = scan_is_digit(*at);
    if (is_number ? size > 2 && size < 10 : size != 3 || (uint8_t)(*at - 'A') >= 26) return NULL;
    if (!shape_begins_name(at, text->start)) return NULL;
    return size > 3 ? shape_time_of_iso(at, text->end) : shape_time_of_mail(at, text->end);
}

/* The kind of the piece that begins at `at`; `*behind` is where it ends. */
static inline int shape_piece(shape_text *text, const uint8_t *at, const uint8_t **behind) {
    const unsigned first = shape_class(*at);
    const uint8_t *end = at, *found;
    unsigned classes = 0;
    *behind = at + 1;
    if (first & SHAPE_SPACE) {
        *behind = shape_end_of(at, text->end, SHAPE_SPACE);
        return SHAPE_OF_SPACE;
    }
    if (!(first & (SHAPE_IN_WORD | SHAPE_IN_LOCAL_PART))) {
        if (*at == '<') return shape_angle(text, at, behind);
        if (*at == '"' || *at == '\'' || *at == '`') return shape_quoted(text, at, behind);
        return SHAPE_OF_SIGN;
    }
    for (; end < text->end && shape_is(*end, SHAPE_IN_WORD); end++) classes |= shape_class(*end);
    found = shape_time(text, at, end);
    if (found) {
        *behind = found;
        return SHAPE_OF_TIME;
    }
    if (!(first & SHAPE_NO_LETTER) && shape_begins_url(text, at, end, classes)) {
        *behind = shape_end_of(at, text->end, SHAPE_IN_URL);
        if (!text->is_ascii && (shape_classes_of(at, *behind) & SHAPE_WIDE)) text->is_unsure = 1;
        return SHAPE_OF_URL;
    }
    found = shape_address(text, at);
    if (found) {
        *behind = found;
        return SHAPE_OF_ADDRESS;
    }
    if (!(first & SHAPE_IN_WORD)) return SHAPE_OF_SIGN;
    if ((first & SHAPE_DIGIT) && end - at <= 3 && (found = shape_thousands(text, at)) &&
        shape_begins_name(at, text->start)) {
        *behind = found;
        return SHAPE_OF_NUMBER;
    }
    *behind = end;
    return (classes & (SHAPE_DIGIT | SHAPE_DOT | SHAPE_COLON)) || end - at >= SHAPE_LONGEST_HEX_WORD
               ? SHAPE_OF_WORD
               : SHAPE_OF_PLAIN_WORD;
}

/* --- The whole ------------------------------------------------------------------------------ */

static int shape_is_mask(const uint8_t *at, const uint8_t *end) {
    return LOG_EQUALS(at, end, "<>") || LOG_EQUALS(at, end, "<n>") || LOG_EQUALS(at, end, "<ip>") ||
           LOG_EQUALS(at, end, "<id>") || LOG_EQUALS(at, end, "<addr>") ||
           LOG_EQUALS(at, end, "<host>") || LOG_EQUALS(at, end, "<time>") ||
           LOG_EQUALS(at, end, "<empty>") || LOG_EQUALS(at, end, "<quoted>");
}

/* The shape of what stands from `at` to `end` comes out. What is in quotes has at most two quotes
   of other kinds in it, so that it calls itself no deeper. */
static void shape_masked(shape_out *out, const uint8_t *at, const uint8_t *end) {
    uint8_t *first = out->at, *word = first;
    shape_text text;
    const uint8_t *behind;
    while (at < end && shape_is(*at, SHAPE_SPACE)) at++;
    while (at < end && shape_is(end[-1], SHAPE_SPACE)) end--;
    text = shape_text_of(at, end);
    out->kept = at;
    for (; at < end; at = behind) {
        switch (shape_piece(&text, at, &behind)) {
        case SHAPE_OF_SPACE:
            if (behind - at > 1 || *at != ' ') SHAPE_MASK(out, at, behind, " ");
            break;
        case SHAPE_OF_WORD: shape_word(out, at, behind); break;
        case SHAPE_OF_NUMBER: SHAPE_MASK(out, at, behind, "<n>"); break;
        case SHAPE_OF_ADDRESS: {
            const uint8_t *last = behind;
            while (shape_is(last[-1], SHAPE_END)) last--;
            SHAPE_MASK(out, at, last, "<addr>");
            break;
        }
        case SHAPE_OF_ANGLE_ADDRESS: SHAPE_MASK(out, at, behind, "<addr>"); break;
        case SHAPE_OF_ANGLE:
            if (!shape_is_mask(at, behind)) SHAPE_MASK(out, at, behind, "<quoted>");
            break;
        case SHAPE_OF_QUOTED:
            if (shape_find_slashes(at, behind)) {
                shape_keep(out, at + 1, behind - 1);
                shape_masked(out, at + 1, behind - 1);
                out->kept = behind - 1;
            } else SHAPE_MASK(out, at + 1, behind - 1, "<quoted>");
            break;
        case SHAPE_OF_TIME: SHAPE_MASK(out, at, behind, "<time>"); break;
        case SHAPE_OF_URL: shape_url(out, at, behind); break;
        default: break;
        }
    }
    shape_keep(out, end, end);
    out->is_unsure |= text.is_unsure;
    /* Nothing is left of a URL like "www.a@", but the space beside it. */
    while (out->at > first && out->at[-1] == ' ') out->at--;
    while (word < out->at && *word == ' ') word++;
    if (word > first) {
        memmove(first, word, (size_t)(out->at - word));
        out->at -= word - first;
    }
}

static inline int64_t shape_size(const shape_out *out, const uint8_t *start) {
    return out->is_unsure ? SHAPE_UNSURE : out->is_full ? SHAPE_NO_ROOM : out->at - start;
}

/* The shape of a text: at most `room` bytes of `out`; returns its size, SHAPE_UNSURE (Python should
   look) or SHAPE_NO_ROOM. Four times the size of the text is room enough. */
static int64_t shape_of(const shape_zones *zones, const uint8_t *text, int64_t size, uint8_t *out,
                        int64_t room) {
    shape_out to = {zones, out, out + room, text, 0, 0};
    if (!shape_knows(text, text + size)) return SHAPE_UNSURE;
    shape_masked(&to, text, text + size);
    if (to.at - out > SHAPE_LONGEST_WIDE && !scan_is_ascii(out, to.at - out)) return SHAPE_UNSURE;
    return shape_size(&to, out);
}

/* Whether there is "://" or "www." somewhere. */
static int shape_may_have_url(const uint8_t *text, const uint8_t *end) {
    if (shape_find_slashes(text, end)) return 1;
    for (const uint8_t *at = text; (at = log_find(at, end, '.')); at++)
        if (at - text >= 3 && at[-1] == 'w' && at[-2] == 'w' && at[-3] == 'w') return 1;
    return 0;
}

/* The URLs of a text, without queries and ids, each with a line feed behind it: the same
   answers. */
static int64_t shape_urls(const uint8_t *text, int64_t size, uint8_t *out, int64_t room) {
    shape_out to = {NULL, out, out + room, text, 0, 0};
    const uint8_t *at = text, *end = text + size, *behind;
    shape_text pieces;
    if (!shape_may_have_url(text, end)) return 0;
    if (!shape_knows(text, end)) return SHAPE_UNSURE;
    pieces = shape_text_of(at, end);
    for (; at < end; at = behind) {
        if (shape_piece(&pieces, at, &behind) != SHAPE_OF_URL) continue;
        to.kept = at;
        shape_url(&to, at, behind);
        shape_put(&to, "\n", 1);
    }
    to.is_unsure |= pieces.is_unsure;
    return shape_size(&to, out);
}

#endif
