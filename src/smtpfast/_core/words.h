/* What phrases are looked for in: the words of a text. The twin of rules/words.py. */

#ifndef SMTPFAST_WORDS_H
#define SMTPFAST_WORDS_H

#include <stdlib.h>

#include "scan.h"

enum {
    MEANING_MAX_TEXT = 16384,
    MEANING_MAX_ADDRESS_PART = 255,
    MEANING_MAX_GAP = 3,
    MEANING_BLOCKS = MEANING_MAX_TEXT / 64 + 2,
    MEANING_MAX_TOKENS = MEANING_MAX_TEXT + 8 + MEANING_MAX_GAP,
    MEANING_SHORT = 16,   /* longest word that is compared as two integers */
    MEANING_AT_ONCE = 16, /* words whose places in memory are asked for ahead */
    MEANING_UNKNOWN = 0,  /* a word in no phrase */
    MEANING_BOUNDARY = 1, /* what no phrase crosses */
};

/* Where words are looked for, as in `Phrases`; the last is for runs of letters that are not. */
enum {
    MEANING_PLAIN,
    MEANING_HOSTS,
    MEANING_URLS,
    MEANING_HINTS,
    MEANING_CONDITIONS,
    MEANING_ROOTS,
};

/* A word of some phrase. Its number is where it stands, which `meaning_find` computes. */
typedef struct {
    uint64_t low, high; /* the first 8 bytes; the next 8, or a hash of all others */
    uint32_t first[3];  /* the nodes behind it as the first word of MEANING_PLAIN, _HINTS and
                           _CONDITIONS, and what is said of it; 0: none */
    uint32_t filter;    /* of MEANING_PLAIN: where it begins in `filters`, and its size */
} meaning_word;

/* All words of phrases: a perfect hash of two steps. */
typedef struct {
    const meaning_word *words;
    const uint16_t *shifts;
    uint32_t word_mask, shift_mask;
    const uint8_t *letters;
    const uint32_t *long_words; /* where the letters of a long word begin, and their number */
    const uint8_t (*fold)[2];   /* of U+00C0–U+07FF and U+1E00–U+1FFF; FF: stays as it is */
    int32_t hosts_may_be_numbers;
    uint32_t number; /* the word "#" */
} meaning_vocabulary;

typedef struct {
    uint16_t word;   /* MEANING_UNKNOWN, MEANING_BOUNDARY, or its number */
    uint16_t number; /* the class of a number ("#", "#min"), 0 for none */
    uint16_t start, end;
    uint16_t reach; /* how many tokens from here on a gap may end before, up to a boundary */
    uint16_t key;   /* what filters know it by */
    uint64_t near;  /* a bit for each word that a gap here may end before */
} meaning_token;

/* The words of one text, and what it takes to find them. */
typedef struct {
    uint8_t folded[MEANING_MAX_TEXT + 128];
    /* A bit for each byte of the text. */
    uint64_t word[MEANING_BLOCKS];  /* alphanumeric */
    uint64_t run[MEANING_BLOCKS];   /* MEANING_RUN */
    uint64_t at[MEANING_BLOCKS];    /* an @ */
    uint64_t dot[MEANING_BLOCKS];   /* a dot; then one between two letters */
    uint64_t mark[MEANING_BLOCKS];  /* a <, a : or a " */
    uint64_t end[MEANING_BLOCKS];   /* a !, a ? or a ; */
    uint64_t space[MEANING_BLOCKS]; /* MEANING_SPACE */
    uint64_t stop[MEANING_BLOCKS];  /* the end of a sentence */
    uint16_t edges[2 * MEANING_MAX_TEXT + 8];
    meaning_token rows[3][MEANING_MAX_TOKENS]; /* plain, hosts, urls */
    int32_t counts[3];
} meaning_reading;

/* --- Words ---------------------------------------------------------------------------------- */

#define MEANING_K1 0x9E3779B97F4A7C15u
#define MEANING_K2 0xC2B2AE3D27D4EB4Fu

static inline uint64_t meaning_hash(uint64_t low, uint64_t high) {
    uint64_t mixed = low * MEANING_K1 ^ (high * MEANING_K2 + (high >> 29));
    return mixed ^ mixed >> 32;
}

static inline uint64_t meaning_hash_bytes(const uint8_t *data, int64_t size) {
    uint64_t mixed = (uint64_t)size;
    for (int64_t at = 0; at < size; at++) mixed = (mixed ^ data[at]) * MEANING_K1 ^ mixed >> 31;
    return mixed | 1;
}

/* Of a word of so many bytes, what counts of two integers. */
static const uint64_t meaning_masks[MEANING_SHORT + 1][2] = {
#define LOW(bytes) {~(uint64_t)0 >> (64 - 8 * (bytes)), 0}
#define HIGH(bytes) {~(uint64_t)0, ~(uint64_t)0 >> (64 - 8 * (bytes))}
    {0, 0},  LOW(1),  LOW(2),  LOW(3),  LOW(4),  LOW(5),  LOW(6),  LOW(7),  LOW(8),
    HIGH(1), HIGH(2), HIGH(3), HIGH(4), HIGH(5), HIGH(6), HIGH(7), HIGH(8),
#undef LOW
#undef HIGH
};

/* A folded word as two integers; `data` has 16 readable bytes. */
static inline void meaning_key(const uint8_t *data, int64_t length, uint64_t *low, uint64_t *high) {
    if (length <= MEANING_SHORT) {
        *low = scan_load(data) & meaning_masks[length][0];
        *high = scan_load(data + 8) & meaning_masks[length][1];
    } else {
        *low = scan_load(data);
        *high = meaning_hash_bytes(data + 8, length - 8) | 0xFF; /* no short word ends so */
    }
}

static inline uint32_t meaning_slot(uint64_t hash, uint32_t shift, uint32_t mask) {
    return ((uint32_t)hash + shift * ((uint32_t)(hash >> 17) | 1)) & mask;
}

/* A folded word on its way to its number. */
typedef struct {
    uint64_t low, high;
    uint32_t place; /* its number, if it is a word of some phrase */
} meaning_sought;

static inline meaning_sought meaning_seek(const meaning_vocabulary *vocabulary, const uint8_t *data,
                                          int64_t length) {
    meaning_sought sought;
    uint64_t hash;
    meaning_key(data, length, &sought.low, &sought.high);
    hash = meaning_hash(sought.low, sought.high);
    sought.place = meaning_slot(hash, vocabulary->shifts[hash >> 40 & vocabulary->shift_mask],
                                vocabulary->word_mask);
    return sought;
}

/* The number of a word; MEANING_UNKNOWN for one of no phrase. */
static inline uint32_t meaning_found(const meaning_vocabulary *vocabulary,
                                     const meaning_sought *sought, const uint8_t *data,
                                     int64_t length) {
    const uint32_t place = sought->place;
    const meaning_word *word = &vocabulary->words[place];
    /* Bitwise: which word comes next cannot be foretold. */
    if (length <= MEANING_SHORT)
        return -(uint32_t)((word->low == sought->low) & (word->high == sought->high)) & place;
    if (word->low != sought->low || word->high != sought->high ||
        vocabulary->long_words[2 * place + 1] != length ||
        memcmp(vocabulary->letters + vocabulary->long_words[2 * place], data, (size_t)length))
        return MEANING_UNKNOWN;
    return place;
}

static inline uint32_t meaning_find(const meaning_vocabulary *vocabulary, const uint8_t *data,
                                    int64_t length) {
    const meaning_sought sought = meaning_seek(vocabulary, data, length);
    return meaning_found(vocabulary, &sought, data, length);
}

/* Find a shift for each hash & shift_mask so that no two words share a place, beginning with the
   largest of these buckets: 0 if there is none. MEANING_UNKNOWN and MEANING_BOUNDARY stay free.
   `order` holds the words sorted by bucket, the largest bucket first; `is_taken` is clear, a byte
   a place. */
static int meaning_arrange(const uint64_t *hashes, const uint32_t *order, int32_t count,
                           uint32_t shift_mask, uint16_t *shifts, uint32_t mask, uint8_t *is_taken,
                           uint32_t *places) {
    is_taken[MEANING_BOUNDARY] = 1;
    is_taken[MEANING_UNKNOWN] = 1;
    for (int32_t start = 0, end; start < count; start = end) {
        const uint32_t bucket = (uint32_t)(hashes[order[start]] >> 40) & shift_mask;
        uint32_t shift = 0;
        for (end = start; end < count; end++)
            if (((uint32_t)(hashes[order[end]] >> 40) & shift_mask) != bucket) break;
        for (; shift < 65536; shift++) {
            int32_t index = start;
            for (; index < end; index++) {
                const uint32_t place = meaning_slot(hashes[order[index]], shift, mask);
                if (is_taken[place]) break;
                is_taken[place] = 1;
                places[order[index]] = place;
            }
            if (index == end) break;
            while (index-- > start) is_taken[places[order[index]]] = 0;
        }
        if (shift == 65536) return 0;
        shifts[bucket] = (uint16_t)shift;
    }
    return 1;
}

/* The class of a word that begins with a digit: "#", "#min" …; 0 where no phrase has it. */
static inline uint32_t meaning_number(const meaning_vocabulary *vocabulary, const uint8_t *data,
                                      int64_t length) {
    uint8_t class_[MEANING_SHORT + 8] = "#";
    int64_t digits = 1;
    while (digits < length && scan_is_digit(data[digits])) digits++;
    if (digits == length) return vocabulary->number;
    if (length - digits >= MEANING_SHORT) return 0;
    for (int64_t at = digits; at < length; at++) {
        if ((uint8_t)(data[at] - 'a') >= 26) return 0;
        class_[1 + at - digits] = data[at];
    }
    return meaning_find(vocabulary, class_, 1 + length - digits);
}

static inline void meaning_push(meaning_reading *reading, int row, uint32_t word, uint32_t number,
                                int64_t start, int64_t end) {
    meaning_token *token = &reading->rows[row][reading->counts[row]++];
    token->word = (uint16_t)word;
    token->number = (uint16_t)number;
    token->start = (uint16_t)start;
    token->end = (uint16_t)end;
}

static inline void meaning_push_boundary(meaning_reading *reading, int row) {
    meaning_push(reading, row, MEANING_BOUNDARY, 0, 0, 0);
}

static inline void meaning_push_sought(const meaning_vocabulary *vocabulary,
                                       meaning_reading *reading, int row,
                                       const meaning_sought *sought, const uint8_t *folded,
                                       int64_t length, int64_t start, int64_t end) {
    const uint32_t word = meaning_found(vocabulary, sought, folded, length);
    const uint32_t number =
        scan_is_digit(folded[0]) ? meaning_number(vocabulary, folded, length) : 0;
    meaning_push(reading, row, word, number, start, end);
}

static inline void meaning_push_word(const meaning_vocabulary *vocabulary, meaning_reading *reading,
                                     int row, const uint8_t *folded, int64_t length, int64_t start,
                                     int64_t end) {
    const meaning_sought sought = meaning_seek(vocabulary, folded, length);
    meaning_push_sought(vocabulary, reading, row, &sought, folded, length, start, end);
}

/* Where a text is, as its words are read. */
typedef struct {
    const uint8_t *text;
    int64_t size;
    int64_t stop;                /* the next end of a sentence; `size` if there is none */
    uint32_t code, escaped_code; /* as folded words: "550", and "n550" of Exim's \n */
} meaning_source;

static inline uint32_t meaning_load4(const uint8_t *data) {
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
           (uint32_t)data[3] << 24;
}

static inline meaning_source meaning_source_of(const uint8_t *text, int64_t size, int32_t code) {
    const uint32_t digits = (uint32_t)('0' + code / 100) | (uint32_t)('0' + code / 10 % 10) << 8 |
                            (uint32_t)('0' + code % 10) << 16;
    meaning_source source = {text, size, 0, digits, digits << 8 | 'n'};
    if (code < 0) source.code = source.escaped_code = ~(uint32_t)0;
    return source;
}

/* Whether a folded word, which has 4 readable bytes, repeats the reply code. */
static inline int meaning_repeats_code(const meaning_source *source, const uint8_t *folded,
                                       int64_t length, int64_t start) {
    const uint32_t four = meaning_load4(folded);
    if ((four & 0xFFFFFF) == source->code) return length == 3;
    return four == source->escaped_code && length == 4 && start > 0 &&
           source->text[start - 1] == '\\';
}

/* --- Text: letter by letter ----------------------------------------------------------------- */

enum {
    MEANING_SPACE = 1, /* white space and controls */
    MEANING_RUN = 2,   /* may be part of an address, a host name or a path */
    MEANING_LETTER = 4,
    MEANING_URL_END = 8,
    MEANING_AT = 16,
    MEANING_SLASH = 32,
    MEANING_DOT = 64,
};

/* The classes of ASCII; of all else `meaning_letter_at` knows. */
static const uint8_t meaning_classes[256] = {
#define S 9
#define L 6
#define R 2
#define E 8
#define A 18
#define H 34
#define D 66
    S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S,
    S, R, E, R, R, R, R, R, 0, 0, R, R, 0, R, D, H, L, L, L, L, L, L, L, L, L, L, 0, 0, E, R, E, R,
    A, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, 0, 0, 0, R, R,
    R, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, R, R, R, R, S,
#undef S
#undef L
#undef R
#undef E
#undef A
#undef H
#undef D
};

static inline int meaning_class(uint8_t byte) { return meaning_classes[byte]; }

/* One letter of UTF-8. */
typedef struct {
    int32_t size; /* in bytes */
    int32_t class_;
    int32_t is_sign; /* a word by itself */
    int32_t is_stop; /* ends a sentence by itself */
    uint8_t folded[3];
    int32_t folded_size;
} meaning_letter;

static inline int meaning_continues(uint8_t byte) { return (byte & 0xC0) == 0x80; }

/* Without case and accents; what is no letter of the table stays as it is. */
static inline void meaning_fold(const meaning_vocabulary *vocabulary, uint32_t code,
                                meaning_letter *letter) {
    const uint32_t index = code < 0x800 ? code - 0xC0 : code - 0x1E00 + (0x800 - 0xC0);
    const uint8_t *pair = vocabulary->fold[index];
    if (pair[0] == 0xFF) return;
    letter->folded[0] = pair[0];
    letter->folded[1] = pair[1];
    letter->folded_size = pair[1] ? 2 : pair[0] != 0;
}

static inline meaning_letter meaning_letter_at(const meaning_vocabulary *vocabulary,
                                               const uint8_t *data, int64_t at, int64_t size) {
    meaning_letter letter = {1, 0, 0, 0, {data[at], 0, 0}, 1};
    const uint8_t byte = data[at];
    const int64_t left = size - at;
    if (byte < 0x80) {
        letter.class_ = meaning_class(byte);
        if ((uint8_t)(byte - 'A') < 26) letter.folded[0] = byte | 0x20;
        return letter;
    }
    if (byte >= 0xC2 && byte <= 0xDF && left >= 2 && meaning_continues(data[at + 1])) {
        letter.size = 2;
        if (byte == 0xC2) return letter;
        letter.class_ = MEANING_LETTER | MEANING_RUN;
        letter.folded[1] = data[at + 1];
        letter.folded_size = 2;
        meaning_fold(vocabulary, (uint32_t)(byte & 0x1F) << 6 | (data[at + 1] & 0x3F), &letter);
        return letter;
    }
    if ((byte & 0xF0) == 0xE0 && left >= 3 && meaning_continues(data[at + 1]) &&
        meaning_continues(data[at + 2])) {
        const uint32_t code = (uint32_t)(byte & 0xF) << 12 | (uint32_t)(data[at + 1] & 0x3F) << 6 |
                              (data[at + 2] & 0x3F);
        if (code >= 0x800 && (code < 0xD800 || code > 0xDFFF)) {
            letter.size = 3;
            letter.folded_size = 3;
            letter.folded[1] = data[at + 1];
            letter.folded[2] = data[at + 2];
            if (code < 0x2000) letter.class_ = MEANING_LETTER | MEANING_RUN;
            if (code >= 0x1E00 && code < 0x2000) meaning_fold(vocabulary, code, &letter);
            letter.is_sign = code >= 0x3040 && code < 0xD800;
            letter.is_stop = code == 0x3002 || code == 0xFF01 || code == 0xFF1B || code == 0xFF1F;
            return letter;
        }
    }
    if ((byte & 0xF8) == 0xF0 && left >= 4 && meaning_continues(data[at + 1]) &&
        meaning_continues(data[at + 2]) && meaning_continues(data[at + 3])) {
        const uint32_t top = (uint32_t)(byte & 7) << 2 | (data[at + 1] & 0x3F) >> 4;
        if (top >= 1 && top <= 16) {
            letter.size = 4;
            return letter;
        }
    }
    if (byte >= 0xC0) { /* no UTF-8: the letter of Latin-1 */
        letter.class_ = MEANING_LETTER | MEANING_RUN;
        letter.folded[0] = (uint8_t)(0xC0 | byte >> 6);
        letter.folded[1] = (uint8_t)(0x80 | (byte & 0x3F));
        letter.folded_size = 2;
        meaning_fold(vocabulary, byte, &letter);
    }
    return letter;
}

/* Whether a bit of bits[start:end] is set. */
static inline int meaning_any(const uint64_t *bits, int64_t start, int64_t end) {
    if (start >= end) return 0;
    const int64_t first = start >> 6, last = (end - 1) >> 6;
    const uint64_t from = ~(uint64_t)0 << (start & 63),
                   to = ~(uint64_t)0 >> (63 - ((end - 1) & 63));
    if (first == last) return (bits[first] & from & to) != 0;
    if (bits[first] & from) return 1;
    for (int64_t block = first + 1; block < last; block++)
        if (bits[block]) return 1;
    return (bits[last] & to) != 0;
}

static inline void meaning_clear(uint64_t *bits, int64_t start, int64_t end) {
    if (start >= end) return;
    const int64_t first = start >> 6, last = (end - 1) >> 6;
    const uint64_t from = ~(uint64_t)0 << (start & 63),
                   to = ~(uint64_t)0 >> (63 - ((end - 1) & 63));
    if (first == last) {
        bits[first] &= ~(from & to);
        return;
    }
    bits[first] &= ~from;
    for (int64_t block = first + 1; block < last; block++) bits[block] = 0;
    bits[last] &= ~to;
}

static inline int meaning_is_scheme_end(const uint8_t *text, int64_t at, int64_t size) {
    return size - at >= 3 && text[at] == ':' && text[at + 1] == '/' && text[at + 2] == '/';
}

static inline int64_t meaning_url_end(const uint8_t *text, int64_t at, int64_t size) {
    while (at < size && !(meaning_class(text[at]) & MEANING_URL_END)) at++;
    return at;
}

/* Where the address in angle brackets ends that begins at `at`; 0 if there is none. */
static inline int64_t meaning_bracket_end(const meaning_vocabulary *vocabulary, const uint8_t *text,
                                          int64_t at, int64_t size) {
    int64_t letters = 0;
    int has_at = 0;
    for (at++; at < size; letters++) {
        const uint8_t byte = text[at];
        if (byte == '<' || (byte == '>' && !has_at)) return 0;
        if (byte == '>') return at + 1;
        if (byte == '@' && !has_at) {
            has_at = 1;
            letters = -1;
        } else if (letters == MEANING_MAX_ADDRESS_PART) {
            return 0;
        }
        at += byte < 0x80 ? 1 : meaning_letter_at(vocabulary, text, at, size).size;
    }
    return 0;
}

/* The first place from `at` on, and before `end`, whose bit is `is_set`; `end` if there is none. */
static inline int64_t meaning_next(const uint64_t *bits, int64_t at, int64_t end, int is_set) {
    const uint64_t flip = is_set ? 0 : ~(uint64_t)0;
    int64_t block = at >> 6;
    uint64_t found;
    if (at >= end) return end;
    found = (bits[block] ^ flip) & ~(uint64_t)0 << (at & 63);
    while (!found) {
        if (++block * 64 >= end) return end;
        found = bits[block] ^ flip;
    }
    at = block * 64 + scan_lowest_bit(found);
    return at < end ? at : end;
}

/* A word of a sentence, unless it repeats the reply code. */
static inline void meaning_push_plain(const meaning_vocabulary *vocabulary,
                                      meaning_reading *reading, meaning_source *source,
                                      const meaning_sought *sought, const uint8_t *folded,
                                      int64_t length, int64_t start, int64_t end) {
    if (meaning_repeats_code(source, folded, length, start)) return;
    if (source->stop < start) {
        meaning_push_boundary(reading, MEANING_PLAIN);
        source->stop = meaning_next(reading->stop, start, source->size, 1);
    }
    meaning_push_sought(vocabulary, reading, MEANING_PLAIN, sought, folded, length, start, end);
}

/* The words of text[start:end]: of a sentence, or with a boundary behind them those of a name. */
static void meaning_push_words(const meaning_vocabulary *vocabulary, meaning_reading *reading,
                               int kind, meaning_source *source, int64_t start, int64_t end) {
    const uint8_t *text = source->text;
    const int64_t size = source->size, longest = 256;
    uint8_t folded[256 + 32];
    int64_t at = start;
    while (at < end) {
        const int64_t from = at;
        int64_t length = 0;
        int is_number = 1, is_cut = 0; /* a long number loses digits, but not what is behind it */
        while (at < end) {
            if (text[at] < 0x80) {
                if (!(meaning_class(text[at]) & MEANING_LETTER)) break;
                is_number &= scan_is_digit(text[at]);
                is_cut |= is_number & (length == longest / 2);
                if (length < longest && !(is_number && length == longest / 2))
                    folded[length++] = text[at] | 0x20;
                at++;
            } else {
                const meaning_letter letter = meaning_letter_at(vocabulary, text, at, size);
                if (letter.is_sign && length) break;
                if (!letter.is_sign && !(letter.class_ & MEANING_LETTER)) break;
                is_number &= letter.folded_size == 0;
                for (int32_t byte = 0; byte < letter.folded_size; byte++)
                    if (length < longest) folded[length++] = letter.folded[byte];
                at += letter.size;
                if (letter.is_sign) break;
            }
        }
        if (at == from) {
            at += text[at] < 0x80 ? 1 : meaning_letter_at(vocabulary, text, at, size).size;
        } else if (length) {
            if (kind == MEANING_PLAIN) {
                const meaning_sought sought = meaning_seek(vocabulary, folded, length);
                meaning_push_plain(vocabulary, reading, source, &sought, folded, length, from, at);
            } else {
                meaning_push_word(vocabulary, reading, kind, folded, length, from, at);
            }
            if (is_cut | (length == longest)) {
                meaning_token *token = &reading->rows[kind][reading->counts[kind] - 1];
                token->word = MEANING_UNKNOWN;
                if (length == longest) token->number = 0;
            }
        }
    }
    if (kind != MEANING_PLAIN) meaning_push_boundary(reading, kind);
}

/* Where an address with a quoted local part ends that begins at `at`; 0 if there is none. */
static inline int64_t meaning_quoted_end(const meaning_vocabulary *vocabulary, const uint8_t *text,
                                         int64_t at, int64_t size) {
    int64_t letters = 0;
    for (at++; at < size && text[at] != '"'; letters++) {
        if (text[at] == '@' || text[at] == '<' || text[at] == '>') return 0;
        if (letters == MEANING_MAX_ADDRESS_PART) return 0;
        at += text[at] < 0x80 ? 1 : meaning_letter_at(vocabulary, text, at, size).size;
    }
    if (size - at < 2 || text[at + 1] != '@') return 0;
    for (at += 2; at < size;) {
        if (text[at] < 0x80) {
            if (!(meaning_class(text[at]) & MEANING_RUN)) break;
            at++;
        } else {
            const meaning_letter letter = meaning_letter_at(vocabulary, text, at, size);
            if (!(letter.class_ & MEANING_RUN)) break;
            at += letter.size;
        }
    }
    return at;
}

/* Where an address ends that begins with a bracket or a quote; 0 if there is none. */
static inline int64_t meaning_enclosed_end(const meaning_vocabulary *vocabulary,
                                           const uint8_t *text, int64_t at, int64_t size) {
    if (text[at] == '<') return meaning_bracket_end(vocabulary, text, at, size);
    return text[at] == '"' ? meaning_quoted_end(vocabulary, text, at, size) : 0;
}

/* What a run is, beginning at `start`: where it ends, and what kind of words it holds. */
typedef struct {
    int64_t end;
    int kind; /* MEANING_ROOTS: an address */
} meaning_run;

static inline meaning_run meaning_run_at(const meaning_vocabulary *vocabulary, const uint8_t *text,
                                         int64_t start, int64_t size) {
    meaning_run run = {start, MEANING_PLAIN};
    int seen = 0, before = 0, has_inner_dot = 0;
    while (run.end < size) {
        int class_ = meaning_class(text[run.end]), length = 1;
        if (text[run.end] >= 0x80) {
            const meaning_letter letter = meaning_letter_at(vocabulary, text, run.end, size);
            class_ = letter.class_;
            length = letter.size;
        }
        if (!(class_ & MEANING_RUN)) break;
        /* Whether this is a letter behind a dot behind a letter. */
        has_inner_dot |= before & class_ >> 2 & 1;
        before = (class_ >> 2 & 1) << 1 | (class_ >> 6 & before >> 1);
        seen |= class_;
        run.end += length;
    }
    if (meaning_is_scheme_end(text, run.end, size)) {
        run.end = meaning_url_end(text, run.end, size);
        run.kind = MEANING_URLS;
    } else if (seen & MEANING_AT) {
        run.kind = MEANING_ROOTS;
    } else if (has_inner_dot) {
        run.kind = seen & MEANING_SLASH ? MEANING_URLS : MEANING_HOSTS;
    }
    return run;
}

/* Any text, letter by letter. */
static void meaning_read_letters(const meaning_vocabulary *vocabulary, meaning_reading *reading,
                                 meaning_source *source) {
    const uint8_t *text = source->text;
    const int64_t size = source->size;
    int64_t at = 0;
    memset(reading->stop, 0, (size_t)(size / 64 + 1) * sizeof(uint64_t));
    while (at < size) {
        const uint8_t byte = text[at];
        int is_stop = byte == '.' || byte == '!' || byte == '?' || byte == ';', length = 1;
        if (byte < 0x80) {
            is_stop &= at + 1 < size && meaning_class(text[at + 1]) & MEANING_SPACE;
        } else {
            const meaning_letter letter = meaning_letter_at(vocabulary, text, at, size);
            is_stop = letter.is_stop;
            length = letter.size;
        }
        reading->stop[at >> 6] |= (uint64_t)is_stop << (at & 63);
        at += length;
    }
    source->stop = meaning_next(reading->stop, 0, size, 1);
    for (at = 0; at < size;) {
        meaning_letter letter = {1, 0, 0, 0, {0, 0, 0}, 0};
        int64_t end = meaning_enclosed_end(vocabulary, text, at, size);
        if (text[at] < 0x80)
            letter.class_ = meaning_class(text[at]);
        else
            letter = meaning_letter_at(vocabulary, text, at, size);
        if (end) {
            at = end;
        } else if (letter.is_sign) {
            end = at + letter.size;
            meaning_push_words(vocabulary, reading, MEANING_PLAIN, source, at, end);
            at = end;
        } else if (letter.class_ & MEANING_RUN || meaning_is_scheme_end(text, at, size)) {
            const meaning_run run = meaning_run_at(vocabulary, text, at, size);
            if (run.kind != MEANING_ROOTS)
                meaning_push_words(vocabulary, reading, run.kind, source, at, run.end);
            at = run.end;
        } else {
            at += letter.size;
        }
    }
}

/* --- Text: ASCII, by blocks of 64 bytes ----------------------------------------------------- */

/* The classes of the 64 bytes of a block, which are stored folded; returns those beyond ASCII. Only
   `size` of them are of the text. */
static inline uint64_t meaning_block(meaning_reading *reading, int64_t block, const uint8_t *data,
                                     int64_t size) {
    const uint64_t inside = size < 64 ? ((uint64_t)1 << size) - 1 : ~(uint64_t)0;
    uint8_t *folded = reading->folded + block * 64;
    uint64_t word = 0, run = 0, ats = 0, dots = 0, marks = 0, ends = 0, spaces = 0, high = 0;
#ifdef SCAN_SSE2
#define IS(byte) _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte))
#define OR(one, other) _mm_or_si128(one, other)
#define BETWEEN(some, first, last)                                                                 \
    _mm_cmplt_epi8(_mm_add_epi8(some, _mm_set1_epi8((char)(128 - (first)))),                       \
                   _mm_set1_epi8((char)(-128 + (last) + 1 - (first))))
#define BITS(some) ((uint64_t)(uint32_t)_mm_movemask_epi8(some) << 16 * part)
    for (int part = 0; part < 4; part++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(data + 16 * part));
        const __m128i lower = OR(bytes, _mm_set1_epi8(0x20));
        const __m128i space = OR(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x21)), IS(0x7F));
        const __m128i quote = IS('"'), less = IS('<'), colon = IS(':'), semicolon = IS(';');
        const __m128i mark = OR(OR(quote, less), colon);
        const __m128i other = OR(OR(BETWEEN(bytes, '(', ')'), BETWEEN(bytes, '[', ']')),
                                 OR(OR(IS(','), IS('>')), semicolon));
        _mm_storeu_si128((__m128i *)(folded + 16 * part), lower);
        word |= BITS(OR(BETWEEN(lower, 'a', 'z'), BETWEEN(bytes, '0', '9')));
        run |= BITS(OR(OR(space, mark), other));
        ats |= BITS(IS('@'));
        dots |= BITS(IS('.'));
        marks |= BITS(mark);
        ends |= BITS(OR(OR(IS('!'), IS('?')), semicolon));
        spaces |= BITS(space);
        high |= BITS(bytes);
    }
    run = ~run;
#undef IS
#undef OR
#undef BETWEEN
#undef BITS
#else
    for (int byte = 0; byte < 64; byte++) {
        const uint8_t value = data[byte];
        const int class_ = meaning_class(value);
        const uint64_t bit = (uint64_t)1 << byte;
        folded[byte] = value | 0x20;
        if (class_ & MEANING_LETTER) word |= bit;
        if (class_ & MEANING_RUN) run |= bit;
        if (class_ & MEANING_SPACE) spaces |= bit;
        if (value == '@') ats |= bit;
        if (value == '.') dots |= bit;
        if (value == '<' || value == ':' || value == '"') marks |= bit;
        if (value == '!' || value == '?' || value == ';') ends |= bit;
        if (value & 0x80) high |= bit;
    }
#endif
    reading->word[block] = word & inside;
    reading->run[block] = run & inside;
    reading->at[block] = ats & inside;
    reading->dot[block] = dots & inside;
    reading->mark[block] = marks & inside;
    reading->end[block] = ends & inside;
    reading->space[block] = spaces & inside;
    return high & inside;
}

static inline int meaning_highest_bit(uint64_t bits) {
#ifdef _MSC_VER
    unsigned long index;
    _BitScanReverse64(&index, bits);
    return (int)index;
#else
    return 63 - __builtin_clzll(bits);
#endif
}

/* Where the bits end that are set up to bits[at], looking back to `floor`. */
static inline int64_t meaning_first_of(const uint64_t *bits, int64_t at, int64_t floor) {
    int64_t block = at >> 6;
    uint64_t clear = ~bits[block] & (((uint64_t)1 << (at & 63)) - 1);
    while (!clear) {
        if (block * 64 <= floor) return floor;
        clear = ~bits[--block];
    }
    at = block * 64 + meaning_highest_bit(clear) + 1;
    return at < floor ? floor : at;
}

/* The words of a name in a text that is folded; nothing is kept of an IP address. */
static void meaning_push_name(const meaning_vocabulary *vocabulary, meaning_reading *reading,
                              int kind, const uint8_t *text, int64_t start, int64_t end) {
    int64_t at = start;
    if (kind == MEANING_HOSTS && !vocabulary->hosts_may_be_numbers) {
        while (at < end && (scan_is_digit(text[at]) || text[at] == '.')) at++;
        if (at == end) return;
        at = start;
    }
    while ((at = meaning_next(reading->word, at, end, 1)) < end) {
        const int64_t from = at;
        at = meaning_next(reading->word, at, end, 0);
        meaning_push_word(vocabulary, reading, kind, reading->folded + from, at - from, from, at);
    }
    meaning_push_boundary(reading, kind);
}

/* Take names and addresses out of the words of an ASCII text; keep the words of names. */
static void meaning_hide_names(const meaning_vocabulary *vocabulary, meaning_reading *reading,
                               const uint8_t *text, int64_t size) {
    int64_t hidden_to = 0;
    for (int64_t block = 0; block <= (size - 1) >> 6; block++) {
        uint64_t bits = reading->dot[block] | reading->at[block] | reading->mark[block];
        for (; bits; bits &= bits - 1) {
            const int64_t at = block * 64 + scan_lowest_bit(bits);
            int64_t start = at, end = at;
            int kind = MEANING_ROOTS; /* an address */
            if (at < hidden_to) continue;
            if (text[at] == '<' || text[at] == '"') {
                end = meaning_enclosed_end(vocabulary, text, at, size);
                if (!end) continue;
            } else {
                if (text[at] == ':' && !meaning_is_scheme_end(text, at, size)) continue;
                start = meaning_first_of(reading->run, at, hidden_to);
                end = meaning_next(reading->run, at, size, 0);
                if (meaning_is_scheme_end(text, end, size)) {
                    end = meaning_url_end(text, end, size);
                    kind = MEANING_URLS;
                } else if (!meaning_any(reading->at, start, end)) {
                    kind = memchr(text + start, '/', (size_t)(end - start)) ? MEANING_URLS
                                                                            : MEANING_HOSTS;
                }
                if (kind != MEANING_ROOTS)
                    meaning_push_name(vocabulary, reading, kind, text, start, end);
            }
            meaning_clear(reading->word, start, end);
            hidden_to = end;
        }
    }
}

/* An ASCII text; 0, and nothing done, if it is none. `readable` bytes may be read at `text`. */
static int meaning_read_ascii(const meaning_vocabulary *vocabulary, meaning_reading *reading,
                              meaning_source *source, int64_t readable) {
    const uint8_t *text = source->text;
    const int64_t size = source->size, blocks = (size + 63) >> 6;
    uint64_t high = 0, carry = 0;
    int32_t edge_count = 0;
    for (int64_t block = 0; block < blocks; block++) {
        uint8_t tail[64];
        const uint8_t *data = text + block * 64;
        if (readable - block * 64 < 64) {
            memset(tail, ' ', sizeof tail);
            memcpy(tail, data, (size_t)(size - block * 64));
            data = tail;
        }
        high |= meaning_block(reading, block, data, size - block * 64);
    }
    if (high) return 0;
    reading->word[blocks] = reading->space[blocks] = 0;
    for (int64_t block = 0; block < blocks; block++) {
        const uint64_t word = reading->word[block], dot = reading->dot[block];
        /* A stop counts before a space. */
        reading->stop[block] = (dot | reading->end[block]) &
                               (reading->space[block] >> 1 | reading->space[block + 1] << 63);
        reading->dot[block] =
            dot & (word << 1 | carry) & (word >> 1 | reading->word[block + 1] << 63);
        carry = word >> 63;
    }
    meaning_hide_names(vocabulary, reading, text, size);
    source->stop = meaning_next(reading->stop, 0, size, 1);
    carry = 0;
    for (int64_t block = 0; block < blocks; block++) {
        const uint64_t word = reading->word[block];
        uint64_t edges = word ^ (word << 1 | carry);
        carry = word >> 63;
        for (; edges; edges &= edges - 1)
            reading->edges[edge_count++] = (uint16_t)(block * 64 + scan_lowest_bit(edges));
    }
    if (edge_count & 1) reading->edges[edge_count++] = (uint16_t)size;
    /* The table of words is larger than the first caches: ask for some of them at once. */
    for (const uint16_t *edge = reading->edges, *end = edge + edge_count; edge < end;) {
        meaning_sought sought[MEANING_AT_ONCE];
        const int64_t left = (end - edge) / 2,
                      some = left < MEANING_AT_ONCE ? left : MEANING_AT_ONCE;
        for (int64_t word = 0; word < some; word++) {
            const int64_t start = edge[2 * word], length = edge[2 * word + 1] - start;
            sought[word] = meaning_seek(vocabulary, reading->folded + start, length);
            SCAN_PREFETCH(&vocabulary->words[sought[word].place]);
        }
        for (int64_t word = 0; word < some; word++, edge += 2)
            meaning_push_plain(vocabulary, reading, source, &sought[word],
                               reading->folded + edge[0], edge[1] - edge[0], edge[0], edge[1]);
    }
    return 1;
}

static void meaning_read(const meaning_vocabulary *vocabulary, meaning_reading *reading,
                         const uint8_t *text, int64_t size, int64_t readable, int32_t code) {
    meaning_source source = meaning_source_of(text, size, code);
    memset(reading->counts, 0, sizeof reading->counts);
    if (!meaning_read_ascii(vocabulary, reading, &source, readable))
        meaning_read_letters(vocabulary, reading, &source);
}

#endif
