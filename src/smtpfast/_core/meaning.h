/* What a reply means by a set of rules: the twin of pure_meaning.py.

   Nothing here knows Python, and nothing allocates. A text is cut into words (`meaning_read`), the
   words are followed through the automaton of phrases (`meaning_follow_all`), and the first rule
   that holds decides (`meaning_judge`), unless the same words have been seen behind the same codes
   before (`meaning_decide`). */

#ifndef SMTPFAST_MEANING_H
#define SMTPFAST_MEANING_H

#include "scan.h"

enum {
    MEANING_SERVICE_CLOSING = 421, /* RFC 5321 section 3.8: at any time, no answer to a command */
    MEANING_MAX_TEXT = 16384,
    MEANING_MAX_ADDRESS_PART = 255,
    MEANING_MAX_GAP = 3,
    MEANING_BLOCKS = MEANING_MAX_TEXT / 64 + 2,
    MEANING_MAX_TOKENS = MEANING_MAX_TEXT + 8,
    MEANING_SHORT = 16,      /* longest word that is compared as two integers */
    MEANING_MEMO = 1024,     /* pairs of codes that a scratch remembers */
    MEANING_MEMO_RULES = 6,  /* rules with each */
    MEANING_SHAPE = 96,      /* tokens of a reply that is remembered */
    MEANING_SHAPE_BITS = 12, /* 2 to this power is how many are */
    MEANING_NOWHERE = 0xFFFF,
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
} meaning_word;

/* A node of the automaton of phrases; its number is its place in `nodes`, in 8 bytes. Behind it
   stand the hints of its edges, hint_mask + 1 of 64 bits each: most words do not follow, and most
   of those have no bit there; the words of its edges, sorted, up to a multiple of 4 with zeros, as
   uint16_t; the nodes that they lead to, as uint32_t; and what ends there, sorted, as int32_t: ~ of
   a group, or four times a rule's number, and 2 if the rule asks for codes, and 1 if for more. */
typedef struct {
    uint32_t gap; /* 0: none */
    uint16_t edge_count, end_count;
    uint16_t hint_mask;
    uint16_t words, followers, ends; /* where they begin, in units of 8, 4 and 4 bytes from here */
} meaning_node;

typedef struct {
    int32_t class_, subject, first, last; /* class 0, subject -1: any */
} meaning_pattern;

typedef struct {
    int32_t reason;
    int32_t transient, permanent; /* dispositions */
    int32_t codes;                /* index into code_sets; -1: any */
    int32_t patterns, pattern_count;
    uint32_t commands;                                /* a bit each; 0: any */
    int32_t provider;                                 /* -1: any */
    int32_t with, with_count, without, without_count; /* in `conditions` */
    int32_t group;
} meaning_rule;

typedef struct {
    /* Words: a perfect hash of two steps. */
    const meaning_word *words;
    const uint16_t *shifts;
    uint32_t word_mask, shift_mask;
    const uint8_t *letters;
    const uint8_t (*fold)[2];   /* of U+00C0–U+07FF and U+1E00–U+1FFF; FF: stays as it is */
    const uint32_t *long_words; /* where the letters of a long word begin, and their number */
    /* Phrases. */
    const uint32_t *first[MEANING_ROOTS]; /* the node behind a first word; 0: none */
    const uint64_t *nodes;
    int32_t hosts_may_be_numbers;
    uint32_t number; /* the word "#" */
    /* Groups. */
    int32_t group_count;
    int32_t first_provider, first_blocklist, first_delay, first_condition, first_rule;
    const int32_t *command_numbers;
    const int32_t *delay_seconds;
    const int32_t *rule_of_group;
    /* Rules. */
    const meaning_rule *rules;
    const meaning_pattern *patterns;
    const int32_t *conditions; /* groups */
    const uint64_t *code_sets; /* 16 words each */
    const int32_t *code_rules; /* the rules without phrases */
    int32_t code_rule_count;
    int32_t rule_count;
    int32_t first_hint; /* the first rule of level 4 or 5 */
    int32_t unknown, unknown_transient, unknown_permanent;
    int32_t accepted, delivered, intermediate, continue_;
} meaning_rules;

typedef struct {
    uint16_t word;   /* MEANING_UNKNOWN, MEANING_BOUNDARY, or its number */
    uint16_t number; /* the class of a number ("#", "#min"), 0 for none */
    uint16_t start, end;
    uint16_t reach; /* how many tokens from here on a gap may end before, up to a boundary */
} meaning_token;

typedef struct {
    int32_t group;
    uint32_t start, end;
} meaning_hit;

typedef struct {
    int32_t code, enhanced;
    int32_t certain; /* the first rule that needs no more than these; `rule_count`: none */
    int32_t count;   /* of those before it that need more */
    int32_t rules[MEANING_MEMO_RULES];
} meaning_memo;

typedef struct {
    int32_t reason, disposition, retry_after, provider, rule;
    int32_t blocklist;                      /* -1: none */
    int32_t blocklist_start, blocklist_end; /* where it is named */
    int32_t start, end;                     /* of the evidence; 0, 0: the codes */
    int32_t code, enhanced;                 /* as they were understood */
    int32_t uses_enhanced;
} meaning_decision;

/* Where some tokens stand: in which row, from which to which. */
typedef struct {
    uint16_t row, first, last; /* MEANING_NOWHERE: none */
} meaning_place;

/* What was decided about words in this order, behind these codes: servers repeat themselves, and
   whatever is in no phrase, names and addresses above all, makes no difference. */
typedef struct {
    uint64_t hash;
    int32_t code, enhanced, command;
    uint16_t counts[3], keys[MEANING_SHAPE];
    meaning_decision decision;
    meaning_place evidence, blocklist, delay;
    int32_t delay_seconds;
} meaning_shape;

/* What one thread needs. Between two calls `is_hit` is clear, `memo` and `shapes` are right. */
typedef struct {
    uint8_t folded[MEANING_MAX_TEXT + 128];
    uint64_t word[MEANING_BLOCKS];    /* alphanumeric */
    uint64_t stop[MEANING_BLOCKS];    /* the end of a sentence */
    uint64_t special[MEANING_BLOCKS]; /* what may hide words: an inner dot, an @, a ://, a <, a " */
    uint16_t edges[2 * MEANING_MAX_TEXT + 8];
    meaning_token rows[3][MEANING_MAX_TOKENS]; /* plain, hosts, urls */
    int32_t counts[3];
    meaning_shape shapes[1 << MEANING_SHAPE_BITS];
    meaning_memo memo[MEANING_MEMO];
    meaning_hit *hits;
    uint64_t *is_hit;
    int32_t hit_count;
    const meaning_token *tokens; /* that are followed */
    /* The best rule so far that holds for certain, and where its phrase stands. */
    int32_t best, best_start, best_end;
    int32_t code, enhanced;
    int32_t knows_conditions;
} meaning_scratch;

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

/* The number of a folded word; MEANING_UNKNOWN for one of no phrase. */
static inline uint32_t meaning_find(const meaning_rules *rules, const uint8_t *data,
                                    int64_t length) {
    uint64_t low, high, hash;
    uint32_t place;
    const meaning_word *word;
    meaning_key(data, length, &low, &high);
    hash = meaning_hash(low, high);
    place = meaning_slot(hash, rules->shifts[hash >> 40 & rules->shift_mask], rules->word_mask);
    word = &rules->words[place];
    /* Bitwise: which word comes next cannot be foretold. */
    if (length <= MEANING_SHORT)
        return -(uint32_t)((word->low == low) & (word->high == high)) & place;
    if (word->low != low || word->high != high || rules->long_words[2 * place + 1] != length ||
        memcmp(rules->letters + rules->long_words[2 * place], data, (size_t)length))
        return MEANING_UNKNOWN;
    return place;
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
static inline uint32_t meaning_number(const meaning_rules *rules, const uint8_t *data,
                                      int64_t length) {
    uint8_t class_[MEANING_SHORT + 8] = "#";
    int64_t digits = 1;
    while (digits < length && scan_is_digit(data[digits])) digits++;
    if (digits == length) return rules->number;
    if (length - digits >= MEANING_SHORT) return 0;
    for (int64_t at = digits; at < length; at++) {
        if ((uint8_t)(data[at] - 'a') >= 26) return 0;
        class_[1 + at - digits] = data[at];
    }
    return meaning_find(rules, class_, 1 + length - digits);
}

static inline meaning_token meaning_token_of(const meaning_rules *rules, const uint8_t *folded,
                                             int64_t length, int64_t start, int64_t end) {
    meaning_token token = {(uint16_t)meaning_find(rules, folded, length), 0, (uint16_t)start,
                           (uint16_t)end, 0};
    if (scan_is_digit(folded[0])) token.number = (uint16_t)meaning_number(rules, folded, length);
    return token;
}

static inline int meaning_is_code(const uint8_t *word, int32_t code) {
    return word[0] == '0' + code / 100 && word[1] == '0' + code / 10 % 10 &&
           word[2] == '0' + code % 10;
}

/* Whether a folded word repeats the reply code, perhaps behind the \n that Exim writes for a line
   end. */
static inline int meaning_repeats_code(const uint8_t *text, const uint8_t *folded, int64_t length,
                                       int64_t start, int32_t code) {
    if (code < 0) return 0;
    if (length == 3) return meaning_is_code(folded, code);
    return length == 4 && folded[0] == 'n' && start > 0 && text[start - 1] == '\\' &&
           meaning_is_code(folded + 1, code);
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
static inline void meaning_fold(const meaning_rules *rules, uint32_t code, meaning_letter *letter) {
    const uint32_t index = code < 0x800 ? code - 0xC0 : code - 0x1E00 + (0x800 - 0xC0);
    const uint8_t *pair = rules->fold[index];
    if (pair[0] == 0xFF) return;
    letter->folded[0] = pair[0];
    letter->folded[1] = pair[1];
    letter->folded_size = pair[1] ? 2 : pair[0] != 0;
}

static inline meaning_letter meaning_letter_at(const meaning_rules *rules, const uint8_t *data,
                                               int64_t at, int64_t size) {
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
        meaning_fold(rules, (uint32_t)(byte & 0x1F) << 6 | (data[at + 1] & 0x3F), &letter);
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
            if (code >= 0x1E00 && code < 0x2000) meaning_fold(rules, code, &letter);
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
        meaning_fold(rules, byte, &letter);
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
static inline int64_t meaning_bracket_end(const meaning_rules *rules, const uint8_t *text,
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
        at += byte < 0x80 ? 1 : meaning_letter_at(rules, text, at, size).size;
    }
    return 0;
}

static inline void meaning_push(meaning_token *tokens, int32_t *count, meaning_token token) {
    tokens[(*count)++] = token;
}

/* A word of a sentence, unless it repeats the reply code; `*seen_to` is where the last one ends. */
static inline void meaning_push_plain(meaning_scratch *scratch, const uint8_t *text,
                                      const uint8_t *folded, int64_t length, meaning_token token,
                                      int32_t code, int64_t *seen_to) {
    static const meaning_token boundary = {MEANING_BOUNDARY, 0, 0, 0, 0};
    if (meaning_repeats_code(text, folded, length, token.start, code)) return;
    if (token.start - *seen_to > 1 && meaning_any(scratch->stop, *seen_to, token.start))
        meaning_push(scratch->rows[0], &scratch->counts[0], boundary);
    meaning_push(scratch->rows[0], &scratch->counts[0], token);
    *seen_to = token.end;
}

/* The words of text[start:end]: of a sentence, or with a boundary behind them those of a name. */
static void meaning_push_words(const meaning_rules *rules, meaning_scratch *scratch, int kind,
                               const uint8_t *text, int64_t start, int64_t end, int64_t size,
                               int32_t code, int64_t *seen_to) {
    static const meaning_token boundary = {MEANING_BOUNDARY, 0, 0, 0, 0};
    uint8_t folded[256 + 32];
    const int64_t longest = 256;
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
                const meaning_letter letter = meaning_letter_at(rules, text, at, size);
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
            at += text[at] < 0x80 ? 1 : meaning_letter_at(rules, text, at, size).size;
        } else if (length) {
            meaning_token token = {MEANING_UNKNOWN, 0, (uint16_t)from, (uint16_t)at, 0};
            if (length < longest) token = meaning_token_of(rules, folded, length, from, at);
            if (is_cut) token.word = MEANING_UNKNOWN;
            if (kind == MEANING_PLAIN)
                meaning_push_plain(scratch, text, folded, length, token, code, seen_to);
            else
                meaning_push(scratch->rows[kind], &scratch->counts[kind], token);
        }
    }
    if (kind != MEANING_PLAIN) meaning_push(scratch->rows[kind], &scratch->counts[kind], boundary);
}

/* Where an address with a quoted local part ends that begins at `at`; 0 if there is none. */
static inline int64_t meaning_quoted_end(const meaning_rules *rules, const uint8_t *text,
                                         int64_t at, int64_t size) {
    int64_t letters = 0;
    for (at++; at < size && text[at] != '"'; letters++) {
        if (text[at] == '@' || text[at] == '<' || text[at] == '>') return 0;
        if (letters == MEANING_MAX_ADDRESS_PART) return 0;
        at += text[at] < 0x80 ? 1 : meaning_letter_at(rules, text, at, size).size;
    }
    if (size - at < 2 || text[at + 1] != '@') return 0;
    for (at += 2; at < size;) {
        if (text[at] < 0x80) {
            if (!(meaning_class(text[at]) & MEANING_RUN)) break;
            at++;
        } else {
            const meaning_letter letter = meaning_letter_at(rules, text, at, size);
            if (!(letter.class_ & MEANING_RUN)) break;
            at += letter.size;
        }
    }
    return at;
}

/* Where an address ends that begins with a bracket or a quote; 0 if there is none. */
static inline int64_t meaning_enclosed_end(const meaning_rules *rules, const uint8_t *text,
                                           int64_t at, int64_t size) {
    if (text[at] == '<') return meaning_bracket_end(rules, text, at, size);
    return text[at] == '"' ? meaning_quoted_end(rules, text, at, size) : 0;
}

/* What a run is, beginning at `start`: where it ends, and what kind of words it holds. */
typedef struct {
    int64_t end;
    int kind; /* MEANING_ROOTS: an address */
} meaning_run;

static inline meaning_run meaning_run_at(const meaning_rules *rules, const uint8_t *text,
                                         int64_t start, int64_t size) {
    meaning_run run = {start, MEANING_PLAIN};
    int seen = 0, before = 0, has_inner_dot = 0;
    while (run.end < size) {
        int class_ = meaning_class(text[run.end]), length = 1;
        if (text[run.end] >= 0x80) {
            const meaning_letter letter = meaning_letter_at(rules, text, run.end, size);
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
static void meaning_read_letters(const meaning_rules *rules, meaning_scratch *scratch,
                                 const uint8_t *text, int64_t size, int32_t code) {
    int64_t at = 0, seen_to = 0;
    memset(scratch->stop, 0, (size_t)(size / 64 + 1) * sizeof(uint64_t));
    while (at < size) {
        const uint8_t byte = text[at];
        int is_stop = byte == '.' || byte == '!' || byte == '?' || byte == ';', length = 1;
        if (byte < 0x80) {
            is_stop &= at + 1 < size && meaning_class(text[at + 1]) & MEANING_SPACE;
        } else {
            const meaning_letter letter = meaning_letter_at(rules, text, at, size);
            is_stop = letter.is_stop;
            length = letter.size;
        }
        scratch->stop[at >> 6] |= (uint64_t)is_stop << (at & 63);
        at += length;
    }
    for (at = 0; at < size;) {
        meaning_letter letter = {1, 0, 0, 0, {0, 0, 0}, 0};
        int64_t end = meaning_enclosed_end(rules, text, at, size);
        if (text[at] < 0x80)
            letter.class_ = meaning_class(text[at]);
        else
            letter = meaning_letter_at(rules, text, at, size);
        if (end) {
            at = end;
        } else if (letter.is_sign) {
            end = at + letter.size;
            meaning_push_words(rules, scratch, MEANING_PLAIN, text, at, end, size, code, &seen_to);
            at = end;
        } else if (letter.class_ & MEANING_RUN || meaning_is_scheme_end(text, at, size)) {
            const meaning_run run = meaning_run_at(rules, text, at, size);
            if (run.kind != MEANING_ROOTS)
                meaning_push_words(rules, scratch, run.kind, text, at, run.end, size, code,
                                   &seen_to);
            at = run.end;
        } else {
            at += letter.size;
        }
    }
}

/* --- Text: ASCII, by blocks of 64 bytes ----------------------------------------------------- */

typedef struct {
    uint64_t word, special, stop, space, high;
} meaning_bits;

/* The classes of 64 bytes, which are stored folded. */
static inline meaning_bits meaning_block(const uint8_t *data, uint8_t *folded) {
    meaning_bits bits = {0, 0, 0, 0, 0};
#ifdef SCAN_SSE2
    const __m128i case_ = _mm_set1_epi8(0x20);
    for (int part = 0; part < 4; part++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(data + 16 * part));
        const __m128i lower = _mm_or_si128(bytes, case_);
        const __m128i letter =
            _mm_cmplt_epi8(_mm_add_epi8(lower, _mm_set1_epi8(128 - 'a')), _mm_set1_epi8(-128 + 26));
        const __m128i digit =
            _mm_cmplt_epi8(_mm_add_epi8(bytes, _mm_set1_epi8(128 - '0')), _mm_set1_epi8(-128 + 10));
        const __m128i dot = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('.'));
        const __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('@')),
                                          _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('<')),
                                                       _mm_cmpeq_epi8(bytes, _mm_set1_epi8(':'))));
        const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        const __m128i end = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('!')),
                                         _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('?')),
                                                      _mm_cmpeq_epi8(bytes, _mm_set1_epi8(';'))));
        const __m128i space = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x21)),
                                           _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7F)));
        _mm_storeu_si128((__m128i *)(folded + 16 * part), lower);
        bits.word |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(letter, digit))
                     << 16 * part;
        bits.special |=
            (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(dot, quote), mark))
            << 16 * part;
        bits.stop |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(dot, end)) << 16 * part;
        bits.space |= (uint64_t)(uint32_t)_mm_movemask_epi8(space) << 16 * part;
        bits.high |= (uint64_t)(uint32_t)_mm_movemask_epi8(bytes) << 16 * part;
    }
#else
    for (int byte = 0; byte < 64; byte++) {
        const uint8_t value = data[byte];
        const int class_ = meaning_class(value);
        const uint64_t bit = (uint64_t)1 << byte;
        folded[byte] = value | 0x20;
        if (class_ & MEANING_LETTER) bits.word |= bit;
        if (class_ & MEANING_SPACE) bits.space |= bit;
        if (value == '.' || value == '@' || value == '<' || value == ':' || value == '"')
            bits.special |= bit;
        if (value == '.' || value == '!' || value == '?' || value == ';') bits.stop |= bit;
        if (value & 0x80) bits.high |= bit;
    }
#endif
    return bits;
}

static inline int meaning_is_letter(uint8_t byte) { return meaning_class(byte) & MEANING_LETTER; }

/* The words of a name in a text that is folded; nothing is kept of an IP address. */
static void meaning_push_name(const meaning_rules *rules, meaning_scratch *scratch, int kind,
                              const uint8_t *text, int64_t start, int64_t end) {
    static const meaning_token boundary = {MEANING_BOUNDARY, 0, 0, 0, 0};
    meaning_token *tokens = scratch->rows[kind];
    int32_t *count = &scratch->counts[kind];
    int64_t at = start;
    if (kind == MEANING_HOSTS && !rules->hosts_may_be_numbers) {
        while (at < end && (scan_is_digit(text[at]) || text[at] == '.')) at++;
        if (at == end) return;
        at = start;
    }
    while (at < end) {
        int64_t from;
        while (at < end && !meaning_is_letter(text[at])) at++;
        for (from = at; at < end && meaning_is_letter(text[at]);) at++;
        if (from < at)
            meaning_push(tokens, count,
                         meaning_token_of(rules, scratch->folded + from, at - from, from, at));
    }
    meaning_push(tokens, count, boundary);
}

/* Take names and addresses out of the words of an ASCII text; keep the words of names. */
static void meaning_hide_names(const meaning_rules *rules, meaning_scratch *scratch,
                               const uint8_t *text, int64_t size) {
    int64_t hidden_to = 0;
    for (int64_t block = 0; block <= (size - 1) >> 6; block++) {
        uint64_t bits = scratch->special[block];
        for (; bits; bits &= bits - 1) {
            const int64_t at = block * 64 + scan_lowest_bit(bits);
            const uint8_t byte = text[at];
            int64_t start = at;
            meaning_run run;
            if (at < hidden_to) continue;
            if (byte == '<' || byte == '"') {
                run.end = meaning_enclosed_end(rules, text, at, size);
                if (!run.end) continue;
                run.kind = MEANING_ROOTS;
            } else {
                if (byte == '.' && !(at > 0 && at + 1 < size && meaning_is_letter(text[at - 1]) &&
                                     meaning_is_letter(text[at + 1])))
                    continue;
                if (byte == ':' && !meaning_is_scheme_end(text, at, size)) continue;
                while (start > hidden_to && meaning_class(text[start - 1]) & MEANING_RUN) start--;
                run = meaning_run_at(rules, text, start, size);
            }
            if (run.kind == MEANING_HOSTS || run.kind == MEANING_URLS)
                meaning_push_name(rules, scratch, run.kind, text, start, run.end);
            meaning_clear(scratch->word, start, run.end);
            hidden_to = run.end;
        }
    }
}

/* An ASCII text; 0, and nothing done, if it is none. `readable` bytes may be read at `text`. */
static int meaning_read_ascii(const meaning_rules *rules, meaning_scratch *scratch,
                              const uint8_t *text, int64_t size, int64_t readable, int32_t code) {
    const int64_t blocks = (size + 63) >> 6;
    uint64_t high = 0, carry = 0;
    int64_t seen_to = 0;
    int32_t edge_count = 0;
    for (int64_t block = 0; block < blocks; block++) {
        const int64_t left = size - block * 64;
        uint8_t tail[64];
        const uint8_t *data = text + block * 64;
        meaning_bits bits;
        if (readable - block * 64 < 64) {
            memset(tail, ' ', sizeof tail);
            memcpy(tail, data, (size_t)left);
            data = tail;
        }
        bits = meaning_block(data, scratch->folded + block * 64);
        if (left < 64) {
            const uint64_t inside = ((uint64_t)1 << left) - 1;
            bits.word &= inside;
            bits.special &= inside;
            bits.stop &= inside;
            bits.space &= inside;
            bits.high &= inside;
        }
        high |= bits.high;
        scratch->word[block] = bits.word;
        scratch->special[block] = bits.special;
        /* A stop counts before a space. */
        scratch->stop[block] = bits.stop & bits.space >> 1;
        if (block > 0 && bits.space & 1) scratch->stop[block - 1] |= carry & SCAN_HIGHEST;
        carry = bits.stop;
    }
    if (high) return 0;
    meaning_hide_names(rules, scratch, text, size);
    carry = 0;
    for (int64_t block = 0; block < blocks; block++) {
        const uint64_t word = scratch->word[block];
        uint64_t edges = word ^ (word << 1 | carry);
        carry = word >> 63;
        for (; edges; edges &= edges - 1)
            scratch->edges[edge_count++] = (uint16_t)(block * 64 + scan_lowest_bit(edges));
    }
    if (edge_count & 1) scratch->edges[edge_count++] = (uint16_t)size;
    for (int32_t edge = 0; edge < edge_count; edge += 2) {
        const int64_t start = scratch->edges[edge], end = scratch->edges[edge + 1];
        const uint8_t *folded = scratch->folded + start;
        meaning_push_plain(scratch, text, folded, end - start,
                           meaning_token_of(rules, folded, end - start, start, end), code,
                           &seen_to);
    }
    return 1;
}

static void meaning_read(const meaning_rules *rules, meaning_scratch *scratch, const uint8_t *text,
                         int64_t size, int64_t readable, int32_t code) {
    memset(scratch->counts, 0, sizeof scratch->counts);
    if (!meaning_read_ascii(rules, scratch, text, size, readable, code)) {
        memset(scratch->counts, 0, sizeof scratch->counts);
        meaning_read_letters(rules, scratch, text, size, code);
    }
}

/* --- Rules and codes ------------------------------------------------------------------------ */

static inline int meaning_is_hit(const meaning_scratch *scratch, int32_t group) {
    return (int)(scratch->is_hit[group >> 6] >> (group & 63) & 1);
}

static inline int meaning_codes_hold(const meaning_rules *rules, const meaning_rule *rule,
                                     int32_t code, int32_t enhanced) {
    const int32_t class_ = enhanced / 1000000, subject = enhanced / 1000 % 1000;
    const int32_t detail = enhanced % 1000;
    if (rule->codes >= 0) {
        if (code < 0 || code > 999) return 0;
        if (!(rules->code_sets[rule->codes * 16 + (code >> 6)] >> (code & 63) & 1)) return 0;
    }
    if (!rule->pattern_count) return 1;
    if ((class_ != 4 && class_ != 5) || subject >= SCAN_SUBJECTS) return 0;
    for (int32_t index = 0; index < rule->pattern_count; index++) {
        const meaning_pattern *pattern = &rules->patterns[rule->patterns + index];
        if ((pattern->class_ == 0 || pattern->class_ == class_) &&
            (pattern->subject < 0 || pattern->subject == subject) && pattern->first <= detail &&
            detail <= pattern->last)
            return 1;
    }
    return 0;
}

/* What ends at a node: rules that need no more than their codes decide here and now. */
static inline void meaning_note(const meaning_rules *rules, meaning_scratch *scratch,
                                const int32_t *ends, int32_t count, uint32_t start, uint32_t end) {
    for (int32_t index = 0; index < count; index++) {
        const int32_t rule = ends[index] >> 2;
        uint32_t group = (uint32_t)~ends[index];
        uint64_t bit;
        if (ends[index] >= 0) {
            if (rule >= scratch->best) return; /* so are all behind it */
            if (ends[index] & 2 &&
                !meaning_codes_hold(rules, &rules->rules[rule], scratch->code, scratch->enhanced))
                continue;
            if (!(ends[index] & 1)) {
                scratch->best = rule;
                scratch->best_start = (int32_t)start;
                scratch->best_end = (int32_t)end;
                return;
            }
            group = (uint32_t)rules->rules[rule].group;
        }
        bit = (uint64_t)1 << (group & 63);
        if (scratch->is_hit[group >> 6] & bit) continue;
        scratch->is_hit[group >> 6] |= bit;
        scratch->hits[scratch->hit_count++] = (meaning_hit){(int32_t)group, start, end};
    }
}

/* --- Phrases -------------------------------------------------------------------------------- */

static inline const meaning_node *meaning_node_at(const meaning_rules *rules, uint32_t number) {
    return (const meaning_node *)(rules->nodes + number);
}

/* While a node is made: its edge number `index`, among the smaller words before. */
static inline void meaning_put_edge(meaning_node *node, uint32_t index, uint32_t word,
                                    uint32_t follower) {
    uint64_t *hints = (uint64_t *)(node + 1);
    uint16_t *words = (uint16_t *)((uint64_t *)node + node->words);
    uint32_t *followers = (uint32_t *)node + node->followers;
    hints[word >> 6 & node->hint_mask] |= (uint64_t)1 << (word & 63);
    for (; index > 0 && words[index - 1] > word; index--) {
        words[index] = words[index - 1];
        followers[index] = followers[index - 1];
    }
    words[index] = (uint16_t)word;
    followers[index] = follower;
}

static inline void meaning_put_end(int32_t *ends, uint32_t index, int32_t end) {
    for (; index > 0 && ends[index - 1] > end; index--) ends[index] = ends[index - 1];
    ends[index] = end;
}

/* Whether a word may follow: always right about those that do, nearly always about the others. */
static inline int meaning_may_follow(const meaning_node *node, uint32_t word) {
    const uint64_t *hints = (const uint64_t *)(node + 1);
    return (int)(hints[word >> 6 & node->hint_mask] >> (word & 63) & 1);
}

/* The next node by a word, which may follow; 0 for none. */
static inline uint32_t meaning_search(const meaning_node *node, uint32_t word) {
    const uint16_t *words = (const uint16_t *)((const uint64_t *)node + node->words);
    const uint32_t *followers = (const uint32_t *)node + node->followers;
    int32_t first = 0, count = node->edge_count;
    while (count > 16) { /* the half where it must be, in whole fours */
        const int32_t half = count / 8 * 4;
        const int is_behind = words[first + half] <= word;
        first += is_behind ? half : 0;
        count = is_behind ? count - half : half;
    }
    for (const int32_t end = first + count; first < end; first += 4) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ || defined(_MSC_VER)
        const uint64_t lanes = 0x0001000100010001u;
        uint64_t four;
        memcpy(&four, words + first, sizeof four);
        four ^= word * lanes;
        four = (four - lanes) & ~four & lanes << 15; /* where it was zero */
        if (four) return followers[first + scan_lowest_bit(four) / 16];
#else
        for (int32_t lane = 0; lane < 4; lane++)
            if (words[first + lane] == word) return followers[first + lane];
#endif
    }
    return 0;
}

static void meaning_follow(const meaning_rules *rules, meaning_scratch *scratch, uint32_t number,
                           int32_t first, int32_t at);

/* Follow one token, by its word and by its class. */
static void meaning_follow_token(const meaning_rules *rules, meaning_scratch *scratch,
                                 const meaning_node *node, int32_t first, int32_t at) {
    const meaning_token *token = &scratch->tokens[at];
    uint32_t next = token->word ? meaning_search(node, token->word) : 0;
    if (next) meaning_follow(rules, scratch, next, first, at + 1);
    if (!token->number || token->number == token->word) return;
    next = meaning_search(node, token->number);
    if (next) meaning_follow(rules, scratch, next, first, at + 1);
}

/* Note all phrases of a node and below that go on at tokens[at]; a boundary stands behind all. */
static void meaning_follow(const meaning_rules *rules, meaning_scratch *scratch, uint32_t number,
                           int32_t first, int32_t at) {
    const meaning_node *node, *gap;
    const meaning_token *token;
    for (;; at++) {
        node = meaning_node_at(rules, number);
        token = &scratch->tokens[at];
        if (node->end_count)
            meaning_note(rules, scratch, (const int32_t *)node + node->ends, node->end_count,
                         scratch->tokens[first].start, token[-1].end);
        if (node->gap | token->number) break;
        if (!meaning_may_follow(node, token->word) || !token->word) return;
        number = meaning_search(node, token->word);
        if (!number) return;
    }
    if (meaning_may_follow(node, token->word) | (token->number != 0))
        meaning_follow_token(rules, scratch, node, first, at);
    if (!node->gap) return;
    gap = meaning_node_at(rules, node->gap);
    for (const meaning_token *end = token + token->reach; token < end; token++, at++)
        if (meaning_may_follow(gap, token->word) | (token->number != 0))
            meaning_follow_token(rules, scratch, gap, first, at);
}

static void meaning_follow_all(const meaning_rules *rules, meaning_scratch *scratch, int root,
                               const meaning_token *tokens, int32_t count) {
    const uint32_t *starts = rules->first[root];
    scratch->tokens = tokens;
    for (int32_t at = 0; at < count; at++) {
        const uint32_t start = starts[tokens[at].word];
        if (start) {
            const meaning_node *node = meaning_node_at(rules, start);
            const meaning_token *next = &tokens[at + 1];
            if (node->end_count | node->gap | next->number | meaning_may_follow(node, next->word))
                meaning_follow(rules, scratch, start, at, at + 1);
        }
        if (tokens[at].number && tokens[at].number != tokens[at].word && starts[tokens[at].number])
            meaning_follow(rules, scratch, starts[tokens[at].number], at, at + 1);
    }
}

/* Put a boundary behind all tokens, and tell each how far a gap may reach. */
static void meaning_finish(meaning_token *tokens, int32_t count) {
    uint16_t reach = 0;
    tokens[count] = (meaning_token){MEANING_BOUNDARY, 0, 0, 0, 0};
    while (count--) {
        reach = tokens[count].word == MEANING_BOUNDARY ? 0
                : reach <= MEANING_MAX_GAP             ? reach + 1
                                                       : reach;
        tokens[count].reach = reach;
    }
}

/* --- Decisions ------------------------------------------------------------------------------ */

static inline int meaning_any_hit(const meaning_rules *rules, meaning_scratch *scratch,
                                  int32_t first, int32_t count) {
    if (count && !scratch->knows_conditions) {
        meaning_follow_all(rules, scratch, MEANING_CONDITIONS, scratch->rows[0],
                           scratch->counts[0]);
        scratch->knows_conditions = 1;
    }
    for (int32_t index = first; index < first + count; index++)
        if (meaning_is_hit(scratch, rules->conditions[index])) return 1;
    return 0;
}

static inline int meaning_text_holds(const meaning_rules *rules, meaning_scratch *scratch,
                                     const meaning_rule *rule, int32_t command, int32_t provider) {
    return (rule->commands == 0 || (command >= 0 && rule->commands >> command & 1)) &&
           (rule->provider < 0 || rule->provider == provider) &&
           (!rule->with_count || meaning_any_hit(rules, scratch, rule->with, rule->with_count)) &&
           !meaning_any_hit(rules, scratch, rule->without, rule->without_count);
}

static inline int meaning_needs_codes_only(const meaning_rule *rule) {
    return !rule->commands && rule->provider < 0 && !rule->with_count && !rule->without_count;
}

/* The rules without phrases whose codes hold, up to the first that needs no more. */
static meaning_memo *meaning_recall(const meaning_rules *rules, meaning_scratch *scratch,
                                    int32_t code, int32_t enhanced) {
    const uint32_t slot = ((uint32_t)code * 0x9E3779B1u ^ (uint32_t)enhanced * 0x85EBCA77u) >> 22;
    meaning_memo *memo = &scratch->memo[slot];
    if (memo->code == code && memo->enhanced == enhanced) return memo;
    memo->code = code;
    memo->enhanced = enhanced;
    memo->count = 0;
    memo->certain = rules->rule_count;
    for (int32_t index = 0; index < rules->code_rule_count; index++) {
        const int32_t number = rules->code_rules[index];
        if (!meaning_codes_hold(rules, &rules->rules[number], code, enhanced)) continue;
        if (meaning_needs_codes_only(&rules->rules[number])) {
            memo->certain = number;
            break;
        }
        if (memo->count < MEANING_MEMO_RULES) memo->rules[memo->count] = number;
        memo->count++;
    }
    return memo;
}

/* The first rule without phrases that holds. */
static int32_t meaning_code_rule(const meaning_rules *rules, meaning_scratch *scratch,
                                 const meaning_memo *memo, int32_t command, int32_t provider) {
    if (memo->count <= MEANING_MEMO_RULES) {
        for (int32_t index = 0; index < memo->count; index++)
            if (meaning_text_holds(rules, scratch, &rules->rules[memo->rules[index]], command,
                                   provider))
                return memo->rules[index];
        return memo->certain;
    }
    for (int32_t index = 0; index < rules->code_rule_count; index++) {
        const int32_t number = rules->code_rules[index];
        if (number >= memo->certain) break;
        if (meaning_codes_hold(rules, &rules->rules[number], memo->code, memo->enhanced) &&
            meaning_text_holds(rules, scratch, &rules->rules[number], command, provider))
            return number;
    }
    return memo->certain;
}

/* The number that a token is, perhaps with letters behind it, all folded; -1 for another word, -2
   for more than nine digits. */
static int64_t meaning_value(const meaning_rules *rules, const uint8_t *text,
                             const meaning_token *token) {
    int64_t value = 0, digits = 0, letters = 0;
    for (int64_t at = token->start; at < token->end;) {
        const meaning_letter letter = meaning_letter_at(rules, text, at, token->end);
        for (int32_t byte = 0; byte < letter.folded_size; byte++) {
            const uint8_t folded = letter.folded[byte];
            if (scan_is_digit(folded) && !letters) {
                if (++digits <= 9) value = value * 10 + folded - '0';
            } else if ((uint8_t)(folded - 'a') < 26 && digits) {
                letters++;
            } else {
                return -1;
            }
        }
        at += letter.size;
    }
    return !digits ? -1 : digits > 9 ? -2 : value;
}

/* The delay in the words text[start:end] of a phrase; -1 for a number that cannot be meant. */
static int32_t meaning_delay(const meaning_rules *rules, const meaning_scratch *scratch,
                             const uint8_t *text, uint32_t start, uint32_t end, int32_t seconds) {
    int64_t numbers[3] = {-1, -1, -1}, delay; /* the last one first */
    int found = 0;
    for (int32_t index = scratch->counts[0]; index-- && found < 3;) {
        const meaning_token *token = &scratch->rows[0][index];
        int64_t value;
        if (token->word == MEANING_BOUNDARY || token->start < start || token->end > end) continue;
        value = meaning_value(rules, text, token);
        if (value == -2) return -1;
        if (value >= 0) numbers[found++] = value;
    }
    if (seconds)
        delay = (found ? numbers[0] : 1) * seconds;
    else
        delay = numbers[2] * 3600 + numbers[1] * 60 + numbers[0];
    return delay >= 0 && delay <= INT32_MAX ? (int32_t)delay : -1;
}

/* `find_enhanced` for a text whose words have been read; what begins with 2 is a version. */
static int32_t meaning_enhanced(const uint8_t *text, int64_t size) {
    int32_t found = 0;
    for (const uint8_t *dot = memchr(text, '.', (size_t)size); dot;
         dot = memchr(dot + 1, '.', (size_t)(text + size - dot - 1)))
        if (dot > text && dot + 1 < text + size && scan_is_class(dot[-1]) &&
            scan_is_digit(dot[1])) {
            found = scan_find_enhanced(text, size);
            break;
        }
    return found / 1000000 == 2 ? 0 : found;
}

/* Let the rules that need more than their codes take part, of whose phrases there is one. */
static void meaning_weigh(const meaning_rules *rules, meaning_scratch *scratch, int32_t command,
                          int32_t provider) {
    for (int32_t index = 0; index < scratch->hit_count; index++) {
        const meaning_hit *hit = &scratch->hits[index];
        int32_t number;
        if (hit->group < rules->first_rule) continue;
        number = rules->rule_of_group[hit->group - rules->first_rule];
        if (number >= scratch->best ||
            !meaning_text_holds(rules, scratch, &rules->rules[number], command, provider))
            continue;
        scratch->best = number;
        scratch->best_start = (int32_t)hit->start;
        scratch->best_end = (int32_t)hit->end;
    }
}

/* By the whole set of rules. */
static void meaning_judge(const meaning_rules *rules, meaning_scratch *scratch, int32_t command,
                          meaning_decision *decision, const meaning_hit **delay) {
    const int32_t code = decision->code, enhanced = decision->enhanced;
    const meaning_memo *memo = meaning_recall(rules, scratch, code, enhanced);
    const int32_t class_ = code >= 0 ? code / 100 : enhanced / 1000000;
    int32_t provider = INT32_MAX, command_group = INT32_MAX, blocklist = INT32_MAX;
    scratch->code = code;
    scratch->enhanced = enhanced;
    scratch->best = memo->certain;
    scratch->best_start = scratch->best_end = 0;
    scratch->hit_count = scratch->knows_conditions = 0;
    for (int row = 0; row < 3; row++) {
        meaning_finish(scratch->rows[row], scratch->counts[row]);
        meaning_follow_all(rules, scratch, row, scratch->rows[row], scratch->counts[row]);
    }
    for (int32_t index = 0; index < scratch->hit_count; index++) {
        const meaning_hit *hit = &scratch->hits[index];
        if (hit->group >= rules->first_condition) continue;
        if (hit->group < rules->first_provider) {
            if (hit->group < command_group) command_group = hit->group;
        } else if (hit->group < rules->first_blocklist) {
            if (hit->group < provider) provider = hit->group;
        } else if (hit->group < rules->first_delay) {
            if (hit->group < blocklist) {
                blocklist = hit->group;
                decision->blocklist = hit->group - rules->first_blocklist;
                decision->blocklist_start = (int32_t)hit->start;
                decision->blocklist_end = (int32_t)hit->end;
            }
        } else if (!*delay || hit->start < (*delay)->start ||
                   (hit->start == (*delay)->start &&
                    (hit->end < (*delay)->end ||
                     (hit->end == (*delay)->end && hit->group < (*delay)->group)))) {
            *delay = hit;
        }
    }
    if (code == MEANING_SERVICE_CLOSING)
        command = -1;
    else if (command < 0 && command_group != INT32_MAX)
        command = rules->command_numbers[command_group];
    if (provider != INT32_MAX) decision->provider = provider - rules->first_provider;
    if (memo->count) {
        const int32_t number = meaning_code_rule(rules, scratch, memo, command, decision->provider);
        if (number < scratch->best) {
            scratch->best = number;
            scratch->best_start = scratch->best_end = 0;
        }
    }
    meaning_weigh(rules, scratch, command, decision->provider);
    if (scratch->best >= rules->first_hint) {
        meaning_follow_all(rules, scratch, MEANING_HINTS, scratch->rows[0], scratch->counts[0]);
        meaning_weigh(rules, scratch, command, decision->provider);
    }
    for (int32_t index = 0; index < scratch->hit_count; index++) {
        const uint32_t group = (uint32_t)scratch->hits[index].group;
        scratch->is_hit[group >> 6] &= ~((uint64_t)1 << (group & 63));
    }
    decision->start = scratch->best_start;
    decision->end = scratch->best_end;
    if (scratch->best == rules->rule_count) {
        decision->rule = rules->rule_count + 2;
        decision->reason = rules->unknown;
        decision->disposition = class_ == 5 ? rules->unknown_permanent : rules->unknown_transient;
    } else {
        const meaning_rule *rule = &rules->rules[scratch->best];
        decision->rule = scratch->best;
        decision->reason = rule->reason;
        decision->disposition = class_ == 5 ? rule->permanent : rule->transient;
        decision->uses_enhanced = rule->pattern_count > 0;
    }
}

/* The keys of all tokens, up to a multiple of 4 with zeros; 0 if there are too many of them. */
static inline int32_t meaning_keys(const meaning_scratch *scratch, uint16_t *keys) {
    int32_t count = 0;
    if (scratch->counts[0] + scratch->counts[1] + scratch->counts[2] > MEANING_SHAPE) return 0;
    for (int row = 0; row < 3; row++)
        for (int32_t index = 0; index < scratch->counts[row]; index++) {
            const meaning_token *token = &scratch->rows[row][index];
            keys[count++] = token->word ? token->word : token->number;
        }
    while (count & 3) keys[count++] = 0;
    return count;
}

static meaning_place meaning_place_of(const meaning_scratch *scratch, int32_t start, int32_t end) {
    meaning_place place = {MEANING_NOWHERE, 0, 0};
    for (uint16_t row = 0; end && row < 3; row++)
        for (int32_t index = 0; index < scratch->counts[row]; index++) {
            const meaning_token *token = &scratch->rows[row][index];
            if (token->word == MEANING_BOUNDARY) continue;
            if (token->start == start) {
                place.row = row;
                place.first = (uint16_t)index;
            }
            if (token->end == end) place.last = (uint16_t)index;
        }
    return place;
}

static inline void meaning_span(const meaning_scratch *scratch, meaning_place place, int32_t *start,
                                int32_t *end) {
    *start = *end = 0;
    if (place.row == MEANING_NOWHERE) return;
    *start = scratch->rows[place.row][place.first].start;
    *end = scratch->rows[place.row][place.last].end;
}

/* What a reply means. `command` is -1 where it is not known. */
static meaning_decision meaning_decide(const meaning_rules *rules, meaning_scratch *scratch,
                                       int32_t code, int32_t enhanced, const uint8_t *text,
                                       int64_t size, int64_t readable, int32_t command) {
    meaning_decision decision = {0, 0, -1, -1, 0, -1, 0, 0, 0, 0, code, enhanced, 1};
    const meaning_hit *delay = NULL;
    meaning_shape *shape = NULL;
    uint16_t keys[MEANING_SHAPE + 4];
    int32_t count;
    if (code >= 200 && code < 400) {
        decision.rule = rules->rule_count + (code >= 300);
        decision.reason = code < 300 ? rules->accepted : rules->intermediate;
        decision.disposition = code < 300 ? rules->delivered : rules->continue_;
        decision.uses_enhanced = code < 300;
        return decision;
    }
    if (size > MEANING_MAX_TEXT) size = MEANING_MAX_TEXT;
    if (!enhanced) decision.enhanced = enhanced = meaning_enhanced(text, size);
    meaning_read(rules, scratch, text, size, readable, code);
    count = meaning_keys(scratch, keys);
    if (count) {
        uint64_t hash = (uint32_t)code * MEANING_K2 ^ (uint32_t)enhanced * MEANING_K1 ^
                        (uint32_t)(command * 64 + count);
        for (int32_t index = 0; index < count; index += 4) {
            uint64_t four;
            memcpy(&four, keys + index, sizeof four);
            hash = (hash ^ four) * MEANING_K1;
            hash ^= hash >> 29;
        }
        shape = &scratch->shapes[hash >> (64 - MEANING_SHAPE_BITS)];
        if (shape->hash == hash && shape->code == code && shape->enhanced == enhanced &&
            shape->command == command && shape->counts[0] == scratch->counts[0] &&
            shape->counts[1] == scratch->counts[1] && shape->counts[2] == scratch->counts[2] &&
            !memcmp(shape->keys, keys, (size_t)count * sizeof *keys)) {
            int32_t start, end;
            decision = shape->decision;
            meaning_span(scratch, shape->evidence, &decision.start, &decision.end);
            meaning_span(scratch, shape->blocklist, &decision.blocklist_start,
                         &decision.blocklist_end);
            meaning_span(scratch, shape->delay, &start, &end);
            if (end)
                decision.retry_after = meaning_delay(rules, scratch, text, (uint32_t)start,
                                                     (uint32_t)end, shape->delay_seconds);
            return decision;
        }
        shape->hash = hash;
        shape->code = code;
        shape->enhanced = enhanced;
        shape->command = command;
        for (int row = 0; row < 3; row++) shape->counts[row] = (uint16_t)scratch->counts[row];
        memcpy(shape->keys, keys, (size_t)count * sizeof *keys);
    }
    meaning_judge(rules, scratch, command, &decision, &delay);
    if (delay) {
        const int32_t seconds = rules->delay_seconds[delay->group - rules->first_delay];
        decision.retry_after =
            meaning_delay(rules, scratch, text, delay->start, delay->end, seconds);
        if (shape) shape->delay_seconds = seconds;
    }
    if (shape) {
        shape->decision = decision;
        shape->evidence = meaning_place_of(scratch, decision.start, decision.end);
        shape->blocklist =
            meaning_place_of(scratch, decision.blocklist_start, decision.blocklist_end);
        shape->delay = meaning_place_of(scratch, delay ? (int32_t)delay->start : 0,
                                        delay ? (int32_t)delay->end : 0);
    }
    return decision;
}

/* Where the first reply behind other words begins; -1 for none. */
static int64_t meaning_inner_reply(const uint8_t *text, int64_t size) {
    if (size > MEANING_MAX_TEXT) size = MEANING_MAX_TEXT;
    for (int64_t at = 0; at < size; at++) {
        int64_t next = at + 1;
        if (text[at] == 0 || strchr(":;<>'\"([", text[at]) == NULL) continue;
        while (next < size && scan_is_blank(text[next])) next++;
        if (size - next >= 4 && scan_is_class(text[next]) && (uint8_t)(text[next + 1] - '0') <= 5 &&
            scan_is_digit(text[next + 2]) && (text[next + 3] == ' ' || text[next + 3] == '-'))
            return next;
    }
    return -1;
}

/* --- Buffers -------------------------------------------------------------------------------- */

typedef struct {
    const int16_t *code;
    const int32_t *enhanced;
    const int64_t *text_start, *text_end;
} meaning_lines;

typedef struct {
    int64_t *evidence_start, *evidence_end;
    int32_t *retry_after, *blocklist, *provider, *rule;
    int8_t *reason, *disposition;
} meaning_columns;

/* One line of a buffer of `size` bytes. */
static meaning_decision meaning_line(const meaning_rules *rules, meaning_scratch *scratch,
                                     const uint8_t *data, int64_t size, const meaning_lines *lines,
                                     int64_t row, int64_t *text) {
    int64_t end = lines->text_end[row];
    int32_t code = lines->code[row], enhanced = lines->enhanced[row];
    *text = lines->text_start[row];
    if (*text < 0 || end > size || *text > end) *text = end = 0; /* not of `classify_lines` */
    if (code < 0) {
        const int64_t inner = meaning_inner_reply(data + *text, end - *text);
        if (inner >= 0) {
            const scan_line line = scan_one(data, *text + inner, end);
            code = line.code;
            enhanced = line.enhanced;
            *text = line.text;
        }
    }
    return meaning_decide(rules, scratch, code, enhanced, data + *text, end - *text, size - *text,
                          -1);
}

static void meaning_fill(const meaning_rules *rules, meaning_scratch *scratch, const uint8_t *data,
                         int64_t size, const meaning_lines *lines, int64_t rows,
                         const meaning_columns *columns) {
    for (int64_t row = 0; row < rows; row++) {
        int64_t text;
        const meaning_decision found = meaning_line(rules, scratch, data, size, lines, row, &text);
        columns->evidence_start[row] = found.end ? text + found.start : 0;
        columns->evidence_end[row] = found.end ? text + found.end : 0;
        columns->retry_after[row] = found.retry_after;
        columns->blocklist[row] = found.blocklist;
        columns->provider[row] = found.provider;
        columns->rule[row] = found.rule;
        columns->reason[row] = (int8_t)found.reason;
        columns->disposition[row] = (int8_t)found.disposition;
    }
}

/* Put a value where one pointer is, and take that: whole, whatever other threads do. */
static inline void *meaning_swap(void **place, void *value) {
#ifdef _MSC_VER
    return _InterlockedExchangePointer(place, value);
#else
    return __atomic_exchange_n(place, value, __ATOMIC_ACQ_REL);
#endif
}

#endif
