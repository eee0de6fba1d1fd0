/* Replies in cells to columns of what they say and mean: the twin of `_arrays` in pure_arrow.py. */

#ifndef SMTPFAST_ARROW_REPLIES_H
#define SMTPFAST_ARROW_REPLIES_H

#include "arrow_cells.h"
#include "meaning.h"

/* In the order of FIELDS in arrow_columns.py. */
enum {
    ARROW_CODE,
    ARROW_STATUS,
    ARROW_ENHANCED,
    ARROW_ENHANCED_CLASS,
    ARROW_ENHANCED_SUBJECT,
    ARROW_ENHANCED_DETAIL,
    ARROW_IS_LAST,
    ARROW_SEVERITY,
    ARROW_CATEGORY,
    ARROW_TEXT,
    ARROW_REASON,
    ARROW_DISPOSITION,
    ARROW_RETRY_AFTER,
    ARROW_BLOCKLIST,
    ARROW_PROVIDER,
    ARROW_RULE,
    ARROW_EVIDENCE,
    ARROW_FIELDS
};
/* Who shares a bitmap: what is there in each row, only with an enhanced code, … */
enum {
    ARROW_WITH_ROW,
    ARROW_WITH_ENHANCED,
    ARROW_WITH_RETRY_AFTER,
    ARROW_WITH_BLOCKLIST,
    ARROW_WITH_PROVIDER,
    ARROW_VALIDITIES
};

static int arrow_validity_of(int field) {
    switch (field) {
    case ARROW_ENHANCED:
    case ARROW_ENHANCED_CLASS:
    case ARROW_ENHANCED_SUBJECT:
    case ARROW_ENHANCED_DETAIL:
        return ARROW_WITH_ENHANCED;
    case ARROW_RETRY_AFTER:
        return ARROW_WITH_RETRY_AFTER;
    case ARROW_BLOCKLIST:
        return ARROW_WITH_BLOCKLIST;
    case ARROW_PROVIDER:
        return ARROW_WITH_PROVIDER;
    default:
        return ARROW_WITH_ROW;
    }
}

/* What codes stand for, by the code + 1: numbers in the dictionaries. */
enum { ARROW_CODES = 1001 };
typedef struct {
    int8_t status[ARROW_CODES], severity[ARROW_CODES], category[ARROW_CODES];
} arrow_tables;

/* The names of block lists, by their number; one of size 0 is named by the text itself. */
typedef struct {
    const uint8_t *names;
    const uint32_t *places; /* where each begins, and its size */
} arrow_names;

enum { ARROW_ROWS = 512, ARROW_KNOWN_ENHANCED = 256, ARROW_LONGEST_ENHANCED = 12 };

/* An enhanced code, its parts and how it is written: as a view of Arrow, from `size` on. */
typedef struct {
    int32_t packed;
    int16_t class_, subject, detail, unused;
    int32_t size;
    uint8_t words[ARROW_LONGEST_ENHANCED]; /* and zeros */
} arrow_enhanced;
enum { ARROW_VIEW = sizeof(int32_t) + ARROW_LONGEST_ENHANCED };

/* What is known of a value of a dictionary. */
typedef struct {
    int64_t text;
    int32_t enhanced;
    int16_t code;
    uint8_t is_last;
    meaning_decision found;
    int64_t said, said_size; /* where the text of the meaning begins in the value */
    int32_t is_known;
} arrow_known;

/* The work on some rows at a time. */
typedef struct {
    const arrow_tables *tables;
    const meaning_rules *rules; /* NULL: no meaning is asked for */
    meaning_scratch *scratch;
    arrow_names blocklists;
    arrow_error error;
    arrow_enhanced written[ARROW_KNOWN_ENHANCED];
    arrow_known *known; /* of the values of a dictionary, or NULL */
    int is_only_code;   /* is all that is asked for */
    int wants[ARROW_VALIDITIES];
    /* The rows. */
    int count;
    uint8_t is_there[ARROW_ROWS], has[ARROW_ROWS];
    int64_t values[ARROW_ROWS]; /* of the dictionary */
    arrow_cell cells[ARROW_ROWS];
    int64_t ends[ARROW_ROWS];  /* of the cells without their line ends */
    int64_t texts[ARROW_ROWS]; /* where the texts of the lines begin in the cells */
    int16_t codes[ARROW_ROWS]; /* of a row that is not there: -1 */
    int32_t enhanced[ARROW_ROWS];
    arrow_enhanced parts[ARROW_ROWS]; /* of the enhanced codes */
    uint8_t is_last[ARROW_ROWS];
    meaning_decision found[ARROW_ROWS];
    const uint8_t *said[ARROW_ROWS]; /* the text that the meaning is of */
    int64_t said_sizes[ARROW_ROWS];
} arrow_work;

/* --- Rows ----------------------------------------------------------------------------------- */

static inline int64_t arrow_end(const arrow_cell *cell) {
    int64_t end = cell->size;
    while (end && (cell->at[end - 1] == '\n' || cell->at[end - 1] == '\r')) end--;
    return end;
}

/* As `decide_raw`: what a cell means, and in which text. */
static void arrow_mean(arrow_work *work, int row) {
    const arrow_cell *cell = &work->cells[row];
    const int64_t end = work->ends[row];
    int32_t code = work->codes[row], enhanced = work->enhanced[row];
    int64_t text = work->texts[row];
    if (code < 0) {
        const int64_t inner = meaning_inner_reply(cell->at, end);
        if (inner >= 0) {
            const scan_line line = scan_one(cell->at, inner, end);
            code = line.code;
            enhanced = line.enhanced;
            text = line.text;
        }
    }
    work->said[row] = cell->at + text;
    work->said_sizes[row] = end - text;
    work->found[row] = meaning_decide(work->rules, work->scratch, code, enhanced, cell->at + text,
                                      end - text, cell->readable - text, -1);
}

static inline void arrow_read_row(arrow_work *work, int row) {
    const arrow_cell *cell = &work->cells[row];
    const int64_t end = arrow_end(cell);
    const scan_line line =
        cell->readable >= 16 ? scan_one_fast(cell->at, 0, end) : scan_one(cell->at, 0, end);
    work->ends[row] = end;
    work->texts[row] = line.text;
    work->codes[row] = (int16_t)line.code;
    work->enhanced[row] = line.enhanced;
    work->is_last[row] = (uint8_t)line.is_last;
}

/* A row that is not there: what its columns have does not matter, but is the same each time. */
static inline void arrow_clear_row(arrow_work *work, int row) {
    static const meaning_decision nothing = {0, 0, -1, -1, 0, -1, 0, 0, 0, 0, -1, 0, 0};
    work->codes[row] = -1;
    work->enhanced[row] = 0;
    work->is_last[row] = 0;
    work->found[row] = nothing;
}

/* A value of a dictionary, which may be known already. */
static void arrow_read_known(arrow_work *work, int row, int64_t value) {
    arrow_known *known = &work->known[value];
    if (!known->is_known) {
        arrow_read_row(work, row);
        arrow_mean(work, row);
        known->text = work->texts[row];
        known->enhanced = work->enhanced[row];
        known->code = work->codes[row];
        known->is_last = work->is_last[row];
        known->found = work->found[row];
        known->said = work->said[row] - work->cells[row].at;
        known->said_size = work->said_sizes[row];
        known->is_known = 1;
        return;
    }
    work->ends[row] = arrow_end(&work->cells[row]);
    work->texts[row] = known->text;
    work->enhanced[row] = known->enhanced;
    work->codes[row] = known->code;
    work->is_last[row] = known->is_last;
    work->found[row] = known->found;
    work->said[row] = work->cells[row].at + known->said;
    work->said_sizes[row] = known->said_size;
}

/* Find the cells of rows from `first` on; 0 and an error where they break the rules. */
static inline int arrow_locate(arrow_work *work, const arrow_cells *cells, arrow_layout layout,
                               int64_t first) {
    const int has_nulls = cells->valid || cells->outer_valid;
    for (int row = 0; row < work->count; row++) {
        int64_t value = first + row;
        work->is_there[row] = (uint8_t)(!has_nulls || arrow_is_there(cells, first + row));
        if (work->is_there[row] && cells->index_format) {
            value = arrow_value_of(cells, first + row);
            if (value == -2)
                return arrow_fail(&work->error, "the index in row %lld is out of range",
                                  (long long)(first + row));
            work->is_there[row] = value >= 0;
            work->values[row] = value;
        }
        if (!work->is_there[row]) continue;
        if (work->is_only_code && layout == ARROW_VIEWS) {
            /* What tells the code is in the view itself. */
            const uint8_t *view = arrow_view(cells, value);
            int32_t size;
            memcpy(&size, view, sizeof size);
            work->cells[row].at = view + 4;
            work->cells[row].size = size;
            if (size >= 0) continue;
        } else if (arrow_get_value(cells, layout, value, &work->cells[row])) {
            continue;
        }
        return arrow_fail(&work->error, "the offsets or the view of row %lld are out of range",
                          (long long)(first + row));
    }
    return 1;
}

static int arrow_locate_rows(arrow_work *work, const arrow_cells *cells, int64_t first) {
    const int64_t left = cells->length - first;
    work->count = left < ARROW_ROWS ? (int)left : ARROW_ROWS;
    switch (cells->layout) {
    case ARROW_OFFSETS_32:
        return arrow_locate(work, cells, ARROW_OFFSETS_32, first);
    case ARROW_OFFSETS_64:
        return arrow_locate(work, cells, ARROW_OFFSETS_64, first);
    default:
        return arrow_locate(work, cells, ARROW_VIEWS, first);
    }
}

/* Read the rows that were found. */
static void arrow_read_rows(arrow_work *work) {
    for (int row = 0; row < work->count; row++) {
        if (!work->is_there[row])
            arrow_clear_row(work, row);
        else if (work->known)
            arrow_read_known(work, row, work->values[row]);
        else
            arrow_read_row(work, row);
    }
    if (!work->rules || work->known) return;
    for (int row = 0; row < work->count; row++) {
        const uint8_t *ahead;
        if (!work->is_there[row]) continue;
        if (meaning_is_success(work->codes[row])) {
            work->found[row] = meaning_success(work->rules, work->codes[row], work->enhanced[row]);
            continue;
        }
        if (row + 4 < work->count && work->is_there[row + 4] && work->ends[row + 4] > 64) {
            ahead = work->cells[row + 4].at + 64;
            SCAN_PREFETCH(ahead);
        }
        arrow_mean(work, row);
    }
}

/* --- Columns -------------------------------------------------------------------------------- */

/* Bits from `first` on; those are 0 until now. Returns how many rows are not there. */
static int64_t arrow_put_bits(uint8_t *bits, int64_t first, const uint8_t *flags, int count) {
    int64_t missing = count;
    int row = 0;
    for (; row < count && (first + row) & 7; row++) {
        bits[(first + row) >> 3] |= (uint8_t)(flags[row] << ((first + row) & 7));
        missing -= flags[row];
    }
    for (; row + 8 <= count; row += 8) { /* eight octets of 0 or 1 to eight bits, and their sum */
        const uint64_t eight = scan_load(flags + row);
        bits[(first + row) >> 3] = (uint8_t)(eight * 0x0102040810204080u >> 56);
        missing -= (int64_t)(eight * 0x0101010101010101u >> 56);
    }
    for (; row < count; row++) {
        bits[(first + row) >> 3] |= (uint8_t)(flags[row] << ((first + row) & 7));
        missing -= flags[row];
    }
    return missing;
}

#define ARROW_FLAGS(value)                                                                         \
    for (int row = 0; row < work->count; row++) work->has[row] = (uint8_t)(value);                 \
    return work->has;

/* Which rows have what a bitmap is of. */
static const uint8_t *arrow_flags(arrow_work *work, int validity) {
    switch (validity) {
    case ARROW_WITH_ROW:
        return work->is_there;
    case ARROW_WITH_ENHANCED:
        ARROW_FLAGS(work->enhanced[row] != 0)
    case ARROW_WITH_RETRY_AFTER:
        ARROW_FLAGS(work->found[row].retry_after >= 0)
    case ARROW_WITH_BLOCKLIST: /* less those that name themselves, and then do not */
        ARROW_FLAGS(work->found[row].blocklist >= 0)
    default:
        ARROW_FLAGS(work->found[row].provider >= 0)
    }
}

#define ARROW_PUT(type, value)                                                                     \
    for (int row = 0; row < work->count; row++)                                                    \
        ((type *)column->values)[first + row] = (type)(value);

/* Digits of a number of at most three; returns where they end. */
static inline uint8_t *arrow_put_digits(uint8_t *to, int32_t number) {
    if (number >= 100) *to++ = (uint8_t)('0' + number / 100);
    if (number >= 10) *to++ = (uint8_t)('0' + number / 10 % 10);
    *to++ = (uint8_t)('0' + number % 10);
    return to;
}

/* An enhanced code in parts: remembered, for servers have few. The pointer holds until the
   next one is asked for. */
static inline const arrow_enhanced *arrow_written(arrow_work *work, int32_t packed) {
    arrow_enhanced *written =
        &work->written[(uint32_t)packed * 2654435761u >> 24 & (ARROW_KNOWN_ENHANCED - 1)];
    if (written->packed != packed) {
        uint8_t *to = written->words;
        memset(to, 0, ARROW_LONGEST_ENHANCED);
        written->class_ = (int16_t)(packed / 1000000);
        written->subject = (int16_t)(packed / 1000 % 1000);
        written->detail = (int16_t)(packed % 1000);
        to = arrow_put_digits(to, written->class_);
        *to++ = '.';
        to = arrow_put_digits(to, written->subject);
        *to++ = '.';
        to = arrow_put_digits(to, written->detail);
        written->size = packed ? (int32_t)(to - written->words) : 0; /* none is no text */
        written->packed = packed;
    }
    return written;
}

static inline int64_t *arrow_text_offsets(const arrow_column *column, int64_t first) {
    return (int64_t *)column->offsets + first + 1;
}

static int arrow_fill_enhanced(arrow_work *work, arrow_column *column, int64_t first) {
    int32_t *offsets = (int32_t *)column->offsets + first + 1;
    uint8_t *to;
    if (*column->format == 'v') {
        to = column->values + ARROW_VIEW * first;
        for (int row = 0; row < work->count; row++)
            memcpy(to + ARROW_VIEW * row, &work->parts[row].size, ARROW_VIEW);
        return 1;
    }
    if (column->size > INT32_MAX - ARROW_ROWS * ARROW_LONGEST_ENHANCED)
        return arrow_fail(&work->error, "more rows than one table can have: stream() takes any");
    if (!arrow_reserve_text(column, work->count * ARROW_LONGEST_ENHANCED)) return 0;
    to = column->values + column->size;
    for (int row = 0; row < work->count; row++) {
        /* None is written as nothing: no branch, for nobody could foretell it. */
        const arrow_enhanced *written = &work->parts[row];
        memcpy(to, written->words, ARROW_LONGEST_ENHANCED);
        to += written->size;
        offsets[row] = (int32_t)(to - column->values);
    }
    column->size = to - column->values;
    return 1;
}

static int arrow_put_text(arrow_column *column, const uint8_t *text, int64_t size) {
    if (!arrow_reserve_text(column, size)) return 0;
    memcpy(column->values + column->size, text, (size_t)size);
    column->size += size;
    return 1;
}

static int arrow_fill_text(arrow_work *work, arrow_column *column, int64_t first) {
    int64_t *offsets = arrow_text_offsets(column, first);
    for (int row = 0; row < work->count; row++) {
        const int64_t text = work->texts[row];
        if (work->is_there[row] &&
            !arrow_put_text(column, work->cells[row].at + text, work->ends[row] - text))
            return 0;
        offsets[row] = column->size;
    }
    return 1;
}

/* The words that decided, or the codes. */
static int arrow_fill_evidence(arrow_work *work, arrow_column *column, int64_t first) {
    int64_t *offsets = arrow_text_offsets(column, first);
    for (int row = 0; row < work->count; row++) {
        const meaning_decision *found = &work->found[row];
        int is_room = 1;
        if (work->is_there[row] && found->end) {
            is_room =
                arrow_put_text(column, work->said[row] + found->start, found->end - found->start);
        } else if (work->is_there[row]) {
            uint8_t words[2 * ARROW_LONGEST_ENHANCED], *to = words;
            if (found->code >= 0) {
                *to++ = (uint8_t)('0' + found->code / 100);
                *to++ = (uint8_t)('0' + found->code / 10 % 10);
                *to++ = (uint8_t)('0' + found->code % 10);
            }
            if (found->enhanced && found->uses_enhanced) {
                const arrow_enhanced *written = arrow_written(work, found->enhanced);
                if (to > words) *to++ = ' ';
                memcpy(to, written->words, ARROW_LONGEST_ENHANCED);
                to += written->size;
            }
            is_room = arrow_put_text(column, words, to - words);
        }
        if (!is_room) return 0;
        offsets[row] = column->size;
    }
    return 1;
}

/* Names of block lists; one that names itself and then does not, is none. */
static int arrow_fill_blocklist(arrow_work *work, arrow_column *column, arrow_validity *validity,
                                int64_t first) {
    int64_t *offsets = arrow_text_offsets(column, first);
    for (int row = 0; row < work->count; row++) {
        const meaning_decision *found = &work->found[row];
        if (work->is_there[row] && found->blocklist >= 0) {
            const uint32_t *place = work->blocklists.places + 2 * found->blocklist;
            int64_t start = place[0], end = start + place[1];
            const uint8_t *names = work->blocklists.names;
            const int64_t before = column->size;
            if (start == end) {
                names = work->said[row];
                meaning_list_named(names, work->said_sizes[row], found, &start, &end);
            }
            if (!arrow_put_text(column, names + start, end - start)) return 0;
            for (int64_t at = before; at < column->size; at++)
                if ((uint8_t)(column->values[at] - 'A') < 26) column->values[at] |= 0x20;
            if (start == end) {
                validity->bits[(first + row) >> 3] &= (uint8_t)~(1 << ((first + row) & 7));
                validity->nulls++;
            }
        }
        offsets[row] = column->size;
    }
    return 1;
}

static int arrow_fill_column(arrow_work *work, arrow_batch *batch, arrow_column *column) {
    const int64_t first = batch->rows;
    const int16_t *codes = work->codes;
    const arrow_enhanced *parts = work->parts;
    const meaning_decision *found = work->found;
    switch (column->field) {
    case ARROW_CODE:
        ARROW_PUT(int16_t, codes[row])
        return 1;
    case ARROW_STATUS:
        ARROW_PUT(int8_t, work->tables->status[codes[row] + 1])
        return 1;
    case ARROW_SEVERITY:
        ARROW_PUT(int8_t, work->tables->severity[codes[row] + 1])
        return 1;
    case ARROW_CATEGORY:
        ARROW_PUT(int8_t, work->tables->category[codes[row] + 1])
        return 1;
    case ARROW_ENHANCED:
        return arrow_fill_enhanced(work, column, first);
    case ARROW_ENHANCED_CLASS:
        ARROW_PUT(int8_t, parts[row].class_)
        return 1;
    case ARROW_ENHANCED_SUBJECT:
        ARROW_PUT(int16_t, parts[row].subject)
        return 1;
    case ARROW_ENHANCED_DETAIL:
        ARROW_PUT(int16_t, parts[row].detail)
        return 1;
    case ARROW_IS_LAST:
        (void)arrow_put_bits(column->values, first, work->is_last, work->count);
        return 1;
    case ARROW_TEXT:
        return arrow_fill_text(work, column, first);
    case ARROW_REASON:
        ARROW_PUT(int8_t, found[row].reason)
        return 1;
    case ARROW_DISPOSITION:
        ARROW_PUT(int8_t, found[row].disposition)
        return 1;
    case ARROW_RETRY_AFTER:
        ARROW_PUT(int32_t, found[row].retry_after < 0 ? 0 : found[row].retry_after)
        return 1;
    case ARROW_PROVIDER:
        ARROW_PUT(int32_t, found[row].provider < 0 ? 0 : found[row].provider)
        return 1;
    case ARROW_RULE:
        ARROW_PUT(int32_t, found[row].rule)
        return 1;
    case ARROW_BLOCKLIST:
        return arrow_fill_blocklist(work, column, &batch->validities[column->validity], first);
    default:
        return arrow_fill_evidence(work, column, first);
    }
}

/* The code alone, which the first four octets tell: nothing else of a cell is looked at. */
static inline int32_t arrow_code(const uint8_t *at, int64_t size) {
    if (size < 3 || !scan_is_digit(at[0]) || !scan_is_digit(at[1]) || !scan_is_digit(at[2]))
        return -1;
    if (size > 3 && scan_is_digit(at[3])) return -1;
    return at[0] * 100 + at[1] * 10 + at[2] - '0' * 111;
}

static void arrow_read_codes(arrow_work *work) {
    for (int row = 0; row < work->count; row++)
        work->codes[row] = work->is_there[row]
                               ? (int16_t)arrow_code(work->cells[row].at, work->cells[row].size)
                               : -1;
}

/* Append all cells to a batch with columns of ours; 0 and an error if that cannot be. */
static int arrow_fill(arrow_work *work, const arrow_cells *cells, arrow_batch *batch) {
    work->error.words[0] = 0;
    if (!arrow_reserve(batch, batch->rows + cells->length)) return 0;
    work->known = NULL;
    if (work->rules && cells->index_format && cells->count <= cells->length) {
        work->known = calloc((size_t)cells->count + 1, sizeof *work->known);
        if (!work->known) return 0;
    }
    for (int64_t at = 0; at < cells->length; at += ARROW_ROWS) {
        int is_good = arrow_locate_rows(work, cells, at);
        if (is_good && work->is_only_code)
            arrow_read_codes(work);
        else if (is_good)
            arrow_read_rows(work);
        for (int row = 0; work->wants[ARROW_WITH_ENHANCED] && row < work->count; row++)
            work->parts[row] = *arrow_written(work, work->enhanced[row]);
        for (int number = 0; is_good && number < ARROW_VALIDITIES; number++) {
            arrow_validity *validity = &batch->validities[number];
            if (work->wants[number])
                validity->nulls += arrow_put_bits(validity->bits, batch->rows,
                                                  arrow_flags(work, number), work->count);
        }
        for (int number = 0; is_good && number < batch->count; number++)
            is_good = arrow_fill_column(work, batch, &batch->columns[number]);
        if (!is_good) {
            free(work->known);
            return 0;
        }
        batch->rows += work->count;
    }
    free(work->known);
    return 1;
}

#endif
