/* Which phrases stand in a text: the automaton of words that rules/phrases.py makes, followed. */

#ifndef SMTPFAST_PHRASES_H
#define SMTPFAST_PHRASES_H

#include "words.h"

/* The place in `first` of a root for the words of sentences. */
static inline int meaning_first_place(int root) { return root ? root - MEANING_URLS : 0; }

/* What is said of a first word beside the node behind it. */
#define MEANING_ENDS_HERE ((uint32_t)1 << 31) /* it is a phrase by itself */
#define MEANING_HAS_GAP ((uint32_t)1 << 30)
#define MEANING_NODE (MEANING_HAS_GAP - 1)
#define MEANING_FILTER_SHIFT 27 /* above it, the binary logarithm of a filter's size */

/* Four edges of a node: the words, and the nodes that they lead to. 0: no more. */
typedef struct {
    uint16_t words[4];
    uint32_t followers[4];
} meaning_bucket;

/* A node of the automaton of phrases; its number is its place in `nodes`, in 8 bytes. Behind it
   stand its buckets, and what ends there, sorted, as int32_t: ~ of a group, or four times a rule's
   number, and 2 if the rule asks for codes, and 1 if for more. Small ones stand in one line of the
   cache. */
typedef struct {
    uint64_t near; /* a bit for each word that the node behind the gap goes on with */
    uint32_t gap;  /* that node; 0: none */
    uint16_t end_count;
    uint16_t shift;  /* of a word's hash to its bucket */
    int32_t buckets; /* where they begin, in 8 bytes from here: all nodes without share one */
    uint32_t ends;   /* where they begin, in 4 bytes from here */
} meaning_node;

/* A phrase of a rule's conditions. */
typedef struct {
    uint16_t words[4]; /* of which it needs one; 0: none of them */
    int32_t group;     /* -1: it is no more than that word */
} meaning_condition;

typedef struct {
    int32_t reason;
    int32_t transient, permanent; /* dispositions */
    int32_t codes;                /* its bit in the rows of codes */
    int32_t asks_enhanced;
    uint32_t commands;                                /* a bit each; 0: any */
    int32_t provider;                                 /* -1: any */
    int32_t with, with_count, without, without_count; /* in `conditions` */
    int32_t group;
} meaning_rule;

typedef struct {
    meaning_vocabulary vocabulary;
    /* Phrases. */
    const uint32_t *first[3]; /* of MEANING_HOSTS and _URLS: the node behind a word; 0: none */
    const uint64_t *nodes;
    const uint64_t *filters; /* bits for what may follow a first word: see `meaning_goes_on` */
    /* Groups. */
    int32_t group_count;
    int32_t first_provider, first_blocklist, first_delay, first_condition, first_rule;
    const int32_t *command_numbers;
    const int32_t *delay_seconds;
    const int32_t *rule_of_group;
    /* Rules. */
    const meaning_rule *rules;
    const meaning_condition *conditions;
    /* For each reply code and for each enhanced one a row of bits: a bit for each rule without
       phrases, in order, then one for each pair of conditions that others have. */
    const uint64_t *code_rows, *enhanced_rows;
    const uint64_t *certain_row; /* of the rules that need no more than their codes */
    const int32_t *code_rules;   /* the rules without phrases */
    int32_t row_size;            /* in 64 bits */
    int32_t code_row_size;       /* of the bits of `code_rules` */
    int32_t rule_count;
    int32_t first_hint; /* the first rule of level 4 or 5 */
    int32_t unknown, unknown_transient, unknown_permanent;
    int32_t accepted, delivered, intermediate, continue_;
} meaning_rules;

typedef struct {
    int32_t group;
    uint32_t start, end;
} meaning_hit;

/* What one thread needs. Between two calls `is_hit` is clear. */
typedef struct {
    meaning_reading reading;
    meaning_hit *hits;
    uint64_t *is_hit;
    uint64_t *holds; /* the rows of both codes in one: whose codes hold */
    int32_t hit_count;
    const meaning_token *tokens;         /* that are followed */
    uint16_t starts[MEANING_MAX_TOKENS]; /* tokens with which a phrase may begin */
    uint64_t seen[1024];                 /* a bit for each word of sentences, by its number */
    /* The best rule so far that holds for certain, and where its phrase stands. */
    int32_t best, best_start, best_end;
    int32_t knows_conditions;
    void *memory; /* what a caller keeps with it, from malloc() */
} meaning_scratch;

/* --- What ends at a node -------------------------------------------------------------------- */

static inline int meaning_is_hit(const meaning_scratch *scratch, int32_t group) {
    return (int)(scratch->is_hit[group >> 6] >> (group & 63) & 1);
}

static inline int meaning_codes_hold(const meaning_scratch *scratch, const meaning_rule *rule) {
    return (int)(scratch->holds[rule->codes >> 6] >> (rule->codes & 63) & 1);
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
            if (ends[index] & 2 && !meaning_codes_hold(scratch, &rules->rules[rule])) continue;
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

static inline uint32_t meaning_bucket_of(uint32_t word, uint32_t shift) {
    return (word * 0x9E37u & 0xFFFF) >> shift;
}

/* While a node is made: one more edge, for which there is room. */
static inline void meaning_put_edge(meaning_node *node, uint32_t word, uint32_t follower) {
    meaning_bucket *bucket =
        (meaning_bucket *)((uint64_t *)node + node->buckets) + meaning_bucket_of(word, node->shift);
    int lane = 0;
    while (bucket->words[lane]) lane++;
    bucket->words[lane] = (uint16_t)word;
    bucket->followers[lane] = follower;
}

static inline void meaning_put_end(int32_t *ends, uint32_t index, int32_t end) {
    for (; index > 0 && ends[index - 1] > end; index--) ends[index] = ends[index - 1];
    ends[index] = end;
}

/* The next node by a word, or none; 0 for none. */
static inline uint32_t meaning_search(const meaning_node *node, uint32_t word) {
    const meaning_bucket *bucket =
        (const meaning_bucket *)((const uint64_t *)node + node->buckets) +
        meaning_bucket_of(word, node->shift);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ || defined(_MSC_VER)
    const uint64_t lanes = 0x0001000100010001u;
    uint64_t four;
    memcpy(&four, bucket->words, sizeof four);
    four ^= word * lanes;
    four = (four - lanes) & ~four & lanes << 15; /* where it was zero */
    return four ? bucket->followers[scan_lowest_bit(four) / 16] : 0;
#else
    for (int lane = 0; lane < 4; lane++)
        if (bucket->words[lane] == word) return bucket->followers[lane];
    return 0;
#endif
}

static void meaning_follow(const meaning_rules *rules, meaning_scratch *scratch, uint32_t number,
                           int32_t first, int32_t at);

/* Follow one token, by its word and by its class. */
static inline void meaning_follow_token(const meaning_rules *rules, meaning_scratch *scratch,
                                        const meaning_node *node, int32_t first, int32_t at) {
    const meaning_token *token = &scratch->tokens[at];
    const uint32_t next = meaning_search(node, token->word);
    if (next) meaning_follow(rules, scratch, next, first, at + 1);
    if (token->number && token->number != token->word) {
        const uint32_t other = meaning_search(node, token->number);
        if (other) meaning_follow(rules, scratch, other, first, at + 1);
    }
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
        if ((node->near & token->near) != 0 || token->number) break;
        number = meaning_search(node, token->word);
        if (!number) return;
    }
    meaning_follow_token(rules, scratch, node, first, at);
    if (!(node->near & token->near)) return;
    gap = meaning_node_at(rules, node->gap);
    for (const int32_t end = at + token->reach; at < end; at++)
        meaning_follow_token(rules, scratch, gap, first, at);
}

/* The key of a token: its word or its class. One that is both passes every filter. */
enum { MEANING_BOTH = 1 };

static inline uint32_t meaning_filter_word(uint32_t filter, uint32_t key) {
    const uint32_t mask = ((uint32_t)1 << (filter >> MEANING_FILTER_SHIFT)) - 1;
    return (filter & (((uint32_t)1 << MEANING_FILTER_SHIFT) - 1)) + (key >> 6 & mask);
}

/* Bit 0: whether a word may go on with a phrase of a first word, after a gap or without. */
static inline uint64_t meaning_goes_on(const meaning_rules *rules, uint32_t filter, uint32_t key) {
    return rules->filters[meaning_filter_word(filter, key)] >> (key & 63);
}

/* Whether a phrase may begin at a token: always right about those that do, nearly always about the
   others. Most words begin many phrases and are followed by no word of any. No branch: what comes
   next cannot be foretold. */
static inline uint32_t meaning_may_begin(const meaning_rules *rules, const meaning_token *token) {
    const meaning_word *word = &rules->vocabulary.words[token->word];
    const uint32_t start = word->first[0];
    uint64_t may = meaning_goes_on(rules, word->filter, token[1].key), behind_gap = 0;
    for (int next = 2; next <= MEANING_MAX_GAP + 1; next++)
        behind_gap |= meaning_goes_on(rules, word->filter, token[next].key);
    return (uint32_t)((may | (behind_gap & start >> 30) | start >> 31) & 1);
}

/* Follow what begins with one word of a sentence. */
static inline void meaning_follow_from(const meaning_rules *rules, meaning_scratch *scratch,
                                       int root, int32_t at) {
    const meaning_token *token = &scratch->tokens[at];
    const int place = meaning_first_place(root);
    const uint32_t start = rules->vocabulary.words[token->word].first[place] & MEANING_NODE;
    if (start) meaning_follow(rules, scratch, start, at, at + 1);
    if (token->number && token->number != token->word) {
        const uint32_t other = rules->vocabulary.words[token->number].first[place] & MEANING_NODE;
        if (other) meaning_follow(rules, scratch, other, at, at + 1);
    }
}

/* Follow all phrases of MEANING_PLAIN. */
static void meaning_follow_plain(const meaning_rules *rules, meaning_scratch *scratch) {
    const int32_t count = scratch->reading.counts[MEANING_PLAIN];
    int32_t starts = 0;
    scratch->tokens = scratch->reading.rows[MEANING_PLAIN];
    for (int32_t at = 0; at < count; at++) {
        const meaning_token *token = &scratch->tokens[at];
        const uint32_t may = meaning_may_begin(rules, token) | (token->number != 0);
        SCAN_PREFETCH(rules->nodes +
                      (rules->vocabulary.words[token->word].first[0] & MEANING_NODE & -may));
        scratch->starts[starts] = (uint16_t)at;
        starts += may;
    }
    for (int32_t start = 0; start < starts; start++)
        meaning_follow_from(rules, scratch, MEANING_PLAIN, scratch->starts[start]);
}

/* Follow all phrases of MEANING_HINTS or _CONDITIONS. */
static void meaning_follow_more(const meaning_rules *rules, meaning_scratch *scratch, int root) {
    scratch->tokens = scratch->reading.rows[MEANING_PLAIN];
    for (int32_t at = 0; at < scratch->reading.counts[MEANING_PLAIN]; at++)
        meaning_follow_from(rules, scratch, root, at);
}

/* Follow all phrases for words of names. */
static void meaning_follow_names(const meaning_rules *rules, meaning_scratch *scratch, int root) {
    const uint32_t *first = rules->first[root];
    const meaning_token *token = scratch->reading.rows[root];
    scratch->tokens = token;
    for (int32_t at = 0; at < scratch->reading.counts[root]; at++, token++) {
        if (first[token->word]) meaning_follow(rules, scratch, first[token->word], at, at + 1);
        if (token->number && token->number != token->word && first[token->number])
            meaning_follow(rules, scratch, first[token->number], at, at + 1);
    }
}

static inline uint64_t meaning_near(uint32_t word) {
    return (uint64_t)(word != MEANING_UNKNOWN) << (word & 63);
}

static inline int meaning_is_both(const meaning_token *token) {
    return (token->word != 0) & (token->number != 0) & (token->word != token->number);
}

/* Tell each token what a gap may reach; note the words of sentences. Boundaries go behind. */
static inline void meaning_finish(meaning_scratch *scratch, int row) {
    meaning_token *tokens = scratch->reading.rows[row];
    uint64_t after[MEANING_MAX_GAP] = {0, 0, 0};
    uint16_t reach = 0;
    int32_t count = scratch->reading.counts[row];
    tokens[count] = (meaning_token){MEANING_BOUNDARY, 0, 0, 0, 0, 0, 0};
    for (int behind = 1; behind <= MEANING_MAX_GAP; behind++) tokens[count + behind].key = 0;
    while (count--) {
        meaning_token *token = &tokens[count];
        const uint16_t keep = (uint16_t)(token->word == MEANING_BOUNDARY) - 1;
        const uint64_t all = (uint64_t)0 - (keep & 1);
        const uint64_t here = (meaning_near(token->word) | meaning_near(token->number)) & all;
        reach = (uint16_t)(reach + (reach <= MEANING_MAX_GAP)) & keep;
        token->reach = reach;
        token->near = here | ((after[0] | after[1] | after[2]) & all);
        token->key = (token->word | (token->number & -(token->word == 0))) & keep;
        if (meaning_is_both(token)) token->key = MEANING_BOTH;
        after[2] = after[1] & all;
        after[1] = after[0] & all;
        after[0] = here;
        if (row == MEANING_PLAIN) {
            scratch->seen[token->word >> 6] |= (uint64_t)1 << (token->word & 63);
            scratch->seen[token->number >> 6] |= (uint64_t)1 << (token->number & 63);
        }
    }
}

#endif
