/* What a reply means by a set of rules: the twin of pure_meaning.py.

   Nothing here knows Python, no decision allocates, and nothing is remembered from one reply to the
   next. A text is cut into words (words.h), the words are followed through the automaton of phrases
   (phrases.h), and the first rule that holds decides (`meaning_judge`). */

#ifndef SMTPFAST_MEANING_H
#define SMTPFAST_MEANING_H

#include "phrases.h"

enum {
    MEANING_SERVICE_CLOSING = 421, /* RFC 5321 section 3.8: at any time, no answer to a command */
    MEANING_CODES = 1000 + 1,      /* reply codes, and none */
    MEANING_DETAILS = 1000,
    MEANING_ENHANCED = 2 * SCAN_SUBJECTS * MEANING_DETAILS + 1, /* of classes 4 and 5, and others */
    MEANING_ROWS = 128, /* rows of a buffer that are decided together */
};

typedef struct {
    int32_t reason, disposition, retry_after, provider, rule;
    int32_t blocklist;                      /* -1: none */
    int32_t blocklist_start, blocklist_end; /* where it is named */
    int32_t start, end;                     /* of the evidence; 0, 0: the codes */
    int32_t code, enhanced;                 /* as they were understood */
    int32_t uses_enhanced;
} meaning_decision;

/* --- Decisions ------------------------------------------------------------------------------ */

/* Whether one of four words is there; MEANING_UNKNOWN always is. */
static inline int meaning_is_any_seen(const meaning_scratch *scratch, const uint16_t *words) {
    uint64_t seen = 0;
    for (int index = 0; index < 4; index++)
        seen |= scratch->seen[words[index] >> 6] >> (words[index] & 63);
    return (int)(seen & 1);
}

static inline int meaning_any_hit(const meaning_rules *rules, meaning_scratch *scratch,
                                  int32_t first, int32_t count) {
    for (int32_t index = first; index < first + count; index++) {
        const meaning_condition *condition = &rules->conditions[index];
        if (!meaning_is_any_seen(scratch, condition->words)) continue;
        if (condition->group < 0) return 1;
        if (!scratch->knows_conditions) {
            meaning_follow_more(rules, scratch, MEANING_CONDITIONS);
            scratch->knows_conditions = 1;
        }
        if (meaning_is_hit(scratch, condition->group)) return 1;
    }
    return 0;
}

static inline int meaning_text_holds(const meaning_rules *rules, meaning_scratch *scratch,
                                     const meaning_rule *rule, int32_t command, int32_t provider) {
    return (rule->commands == 0 || (command >= 0 && rule->commands >> command & 1)) &&
           (rule->provider < 0 || rule->provider == provider) &&
           (!rule->with_count || meaning_any_hit(rules, scratch, rule->with, rule->with_count)) &&
           !meaning_any_hit(rules, scratch, rule->without, rule->without_count);
}

/* The row of an enhanced code; the last one for none and for those that no rule can ask for. */
static inline int64_t meaning_enhanced_row(int32_t enhanced) {
    const int32_t class_ = enhanced / 1000000, subject = enhanced / MEANING_DETAILS % 1000;
    if ((class_ != 4 && class_ != 5) || subject >= SCAN_SUBJECTS) return MEANING_ENHANCED - 1;
    return ((class_ - 4) * SCAN_SUBJECTS + subject) * MEANING_DETAILS + enhanced % MEANING_DETAILS;
}

/* Work out whose codes hold; answers with the first rule that needs no more. */
static int32_t meaning_hold_codes(const meaning_rules *rules, meaning_scratch *scratch,
                                  int32_t code, int32_t enhanced) {
    const int64_t row = code >= 0 && code < MEANING_CODES - 1 ? code : MEANING_CODES - 1;
    const uint64_t *codes = rules->code_rows + row * rules->row_size;
    const uint64_t *others =
        rules->enhanced_rows + meaning_enhanced_row(enhanced) * rules->row_size;
    for (int32_t index = 0; index < rules->row_size; index++)
        scratch->holds[index] = codes[index] & others[index];
    for (int32_t index = 0; index < rules->code_row_size; index++) {
        const uint64_t certain = scratch->holds[index] & rules->certain_row[index];
        if (certain) return rules->code_rules[64 * index + scan_lowest_bit(certain)];
    }
    return rules->rule_count;
}

/* Let the rules without phrases take part that need more than their codes. */
static void meaning_weigh_codes(const meaning_rules *rules, meaning_scratch *scratch,
                                int32_t command, int32_t provider) {
    for (int32_t index = 0; index < rules->code_row_size; index++) {
        uint64_t bits = scratch->holds[index] & ~rules->certain_row[index];
        for (; bits; bits &= bits - 1) {
            const int32_t number = rules->code_rules[64 * index + scan_lowest_bit(bits)];
            if (number >= scratch->best) return;
            if (!meaning_text_holds(rules, scratch, &rules->rules[number], command, provider))
                continue;
            scratch->best = number;
            scratch->best_start = scratch->best_end = 0;
            return;
        }
    }
}

/* The number that a token is, perhaps with letters behind it, all folded; -1 for another word, -2
   for more than nine digits. */
static int64_t meaning_value(const meaning_rules *rules, const uint8_t *text,
                             const meaning_token *token) {
    int64_t value = 0, digits = 0, letters = 0;
    for (int64_t at = token->start; at < token->end;) {
        const meaning_letter letter = meaning_letter_at(&rules->vocabulary, text, at, token->end);
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
    for (int32_t index = scratch->reading.counts[0]; index-- && found < 3;) {
        const meaning_token *token = &scratch->reading.rows[0][index];
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
    const int32_t class_ = code >= 0 ? code / 100 : enhanced / 1000000;
    int32_t provider = INT32_MAX, command_group = INT32_MAX, blocklist = INT32_MAX;
    scratch->best = meaning_hold_codes(rules, scratch, code, enhanced);
    scratch->best_start = scratch->best_end = 0;
    scratch->hit_count = scratch->knows_conditions = 0;
    memset(scratch->seen, 0,
           (rules->vocabulary.word_mask >> 6) * sizeof(uint64_t) + sizeof(uint64_t));
    scratch->seen[0] = 1; /* MEANING_UNKNOWN */
    meaning_finish(scratch, MEANING_PLAIN);
    meaning_follow_plain(rules, scratch);
    for (int row = MEANING_HOSTS; row <= MEANING_URLS; row++)
        if (scratch->reading.counts[row]) {
            meaning_finish(scratch, row);
            meaning_follow_names(rules, scratch, row);
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
    meaning_weigh_codes(rules, scratch, command, decision->provider);
    meaning_weigh(rules, scratch, command, decision->provider);
    if (scratch->best >= rules->first_hint) {
        meaning_follow_more(rules, scratch, MEANING_HINTS);
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
        decision->uses_enhanced = rule->asks_enhanced;
    }
}

static inline int meaning_is_success(int32_t code) { return code >= 200 && code < 400; }

/* What 2yz and 3yz mean, whatever stands behind them. */
static inline meaning_decision meaning_success(const meaning_rules *rules, int32_t code,
                                               int32_t enhanced) {
    meaning_decision decision = {0, 0, -1, -1, 0, -1, 0, 0, 0, 0, code, enhanced, code < 300};
    decision.rule = rules->rule_count + (code >= 300);
    decision.reason = code < 300 ? rules->accepted : rules->intermediate;
    decision.disposition = code < 300 ? rules->delivered : rules->continue_;
    return decision;
}

/* What a reply means. `command` is -1 where it is not known. */
static meaning_decision meaning_decide(const meaning_rules *rules, meaning_scratch *scratch,
                                       int32_t code, int32_t enhanced, const uint8_t *text,
                                       int64_t size, int64_t readable, int32_t command) {
    meaning_decision decision = {0, 0, -1, -1, 0, -1, 0, 0, 0, 0, code, enhanced, 1};
    const meaning_hit *delay = NULL;
    if (meaning_is_success(code)) return meaning_success(rules, code, enhanced);
    if (size > MEANING_MAX_TEXT) size = MEANING_MAX_TEXT;
    if (!enhanced) decision.enhanced = enhanced = meaning_enhanced(text, size);
    meaning_read(&rules->vocabulary, &scratch->reading, text, size, readable, code);
    meaning_judge(rules, scratch, command, &decision, &delay);
    if (delay) {
        const int32_t seconds = rules->delay_seconds[delay->group - rules->first_delay];
        decision.retry_after =
            meaning_delay(rules, scratch, text, delay->start, delay->end, seconds);
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

/* The bytes of the letter that begins at `at`: 1 for what is no UTF-8. */
static int meaning_letter_size(const uint8_t *text, int64_t at, int64_t size) {
    const uint8_t lead = text[at], next = at + 1 < size ? text[at + 1] : 0;
    const int wanted = lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
    if (at + wanted > size) return 1;
    for (int more = 1; more < wanted; more++)
        if (!meaning_continues(text[at + more])) return 1;
    if ((lead == 0xE0 && next < 0xA0) || (lead == 0xED && next > 0x9F)) return 1;
    if ((lead == 0xF0 && next < 0x90) || (lead == 0xF4 && next > 0x8F)) return 1;
    return wanted;
}

static inline int meaning_is_of_host(uint8_t byte) {
    return scan_is_digit(byte) || (uint8_t)((byte | 0x20) - 'a') < 26 || byte == '.' || byte == '-';
}

/* Where the host name ends that begins at `at`: labels, and a last one that begins with a letter.
   `at` itself for none. */
static int64_t meaning_host_end(const uint8_t *text, int64_t at, int64_t size) {
    const int64_t start = at;
    int64_t end = start;
    for (int label = 0; at < size; label++) {
        const int64_t first = at;
        while (at < size && text[at] != '.' && meaning_is_of_host(text[at])) at++;
        if (at == first) break;
        if (label && (uint8_t)((text[first] | 0x20) - 'a') < 26) end = at;
        if (at == size || text[at] != '.') break;
        at++;
    }
    return end;
}

/* The twin of `list_named_at`: where the host name stands that is around or right behind what names
   a block list; both 0 for none. */
static void meaning_list_named(const uint8_t *text, int64_t size, const meaning_decision *found,
                               int64_t *start, int64_t *end) {
    const int64_t from = found->blocklist_start, to = found->blocklist_end;
    if (size > MEANING_MAX_TEXT) size = MEANING_MAX_TEXT;
    *start = from;
    while (*start > 0 && from - *start < 255 && meaning_is_of_host(text[*start - 1])) --*start;
    *end = meaning_host_end(text, *start, size);
    if (*end > *start && *end >= to) return;
    *start = to;
    for (int letters = 0; letters < 3 && *start < size; letters++) {
        const uint8_t byte = text[*start];
        if (scan_is_digit(byte) || (uint8_t)((byte | 0x20) - 'a') < 26) break;
        *start += meaning_letter_size(text, *start, size);
    }
    *end = *start > to ? meaning_host_end(text, *start, size) : *start;
    if (*end == *start) *start = *end = 0;
}

/* What one thread needs for these rules, from malloc(); NULL for want of memory. */
static meaning_scratch *meaning_new_scratch(const meaning_rules *rules) {
    const size_t hits = (size_t)rules->group_count * sizeof(meaning_hit);
    const size_t bits = ((size_t)rules->group_count / 64 + 1) * sizeof(uint64_t);
    const size_t row = (size_t)rules->row_size * sizeof(uint64_t);
    const size_t whole = (hits + 7) & ~(size_t)7;
    meaning_scratch *scratch = calloc(1, sizeof *scratch + whole + bits + row);
    if (!scratch) return NULL;
    scratch->hits = (meaning_hit *)(scratch + 1);
    scratch->is_hit = (uint64_t *)((char *)scratch->hits + whole);
    scratch->holds = (uint64_t *)((char *)scratch->is_hit + bits);
    return scratch;
}

static void meaning_free_scratch(meaning_scratch *scratch) {
    if (scratch) free(scratch->memory);
    free(scratch);
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

/* One row; `scratch` is NULL where the code tells that it is no failure. */
static inline void meaning_fill_row(const meaning_rules *rules, meaning_scratch *scratch,
                                    const uint8_t *data, int64_t size, const meaning_lines *lines,
                                    int64_t row, const meaning_columns *columns) {
    int64_t text = 0;
    const meaning_decision found = scratch
                                       ? meaning_line(rules, scratch, data, size, lines, row, &text)
                                       : meaning_success(rules, lines->code[row], 0);
    columns->evidence_start[row] = found.end ? text + found.start : 0;
    columns->evidence_end[row] = found.end ? text + found.end : 0;
    columns->retry_after[row] = found.retry_after;
    columns->blocklist[row] = found.blocklist;
    columns->provider[row] = found.provider;
    columns->rule[row] = found.rule;
    columns->reason[row] = (int8_t)found.reason;
    columns->disposition[row] = (int8_t)found.disposition;
}

/* Some rows at a time: first those that their codes decide, then the others, whose texts are asked
   for meanwhile. */
static void meaning_fill(const meaning_rules *rules, meaning_scratch *scratch, const uint8_t *data,
                         int64_t size, const meaning_lines *lines, int64_t rows,
                         const meaning_columns *columns) {
    for (int64_t start = 0; start < rows; start += MEANING_ROWS) {
        const int64_t end = rows - start < MEANING_ROWS ? rows : start + MEANING_ROWS;
        int64_t others[MEANING_ROWS], count = 0;
        for (int64_t row = start; row < end; row++) {
            if (meaning_is_success(lines->code[row])) {
                meaning_fill_row(rules, NULL, data, size, lines, row, columns);
            } else {
                const int64_t text = lines->text_start[row], last = lines->text_end[row];
                for (int64_t at = text; at < last && last <= size && at - text < 256; at += 64)
                    SCAN_PREFETCH(data + at);
                others[count++] = row;
            }
        }
        for (int64_t index = 0; index < count; index++)
            meaning_fill_row(rules, scratch, data, size, lines, others[index], columns);
    }
}

#endif
