/* What is counted of joined rows: the twin of `Report.add`, in tables that are bounded. */

#ifndef SMTPFAST_LOG_TALLY_H
#define SMTPFAST_LOG_TALLY_H

#include "log_rows.h"
#include "log_shapes.h"

/* Keys of bytes, in the order in which they came first. */
typedef struct {
    uint32_t hash, size;
    uint64_t at; /* in `bytes` */
} tally_key;

typedef struct {
    tally_key *keys;
    uint32_t *places; /* open addressing: one more than the number of a key, 0: free */
    uint8_t *bytes;
    uint64_t size, bytes_room, seed;
    uint32_t count, room, mask, most;
    int64_t others; /* what came when there were too many */
} tally_table;

enum { TALLY_FULL = -1, TALLY_FAILED = -2 };

static int tally_grow(tally_table *table) {
    const uint32_t room = table->room ? 2 * table->room : 64, mask = 2 * room - 1;
    tally_key *keys;
    uint32_t *places;
    if (table->count < table->room) return 1;
    keys = realloc(table->keys, room * sizeof *keys);
    if (!keys) return 0;
    table->keys = keys;
    places = calloc(2 * (size_t)room, sizeof *places);
    if (!places) return 0;
    for (uint32_t number = 0; number < table->count; number++) {
        uint32_t place = keys[number].hash & mask;
        while (places[place]) place = (place + 1) & mask;
        places[place] = number + 1;
    }
    free(table->places);
    table->places = places;
    table->room = room;
    table->mask = mask;
    return 1;
}

/* The number of a key, which is new if `*is_new`. */
static int64_t tally_find(tally_table *table, const uint8_t *key, uint32_t size, int *is_new) {
    const uint32_t hash = log_joins_hash(table->seed, key, size);
    uint32_t place = hash & table->mask;
    *is_new = 0;
    if (table->room)
        for (; table->places[place]; place = (place + 1) & table->mask) {
            const tally_key *one = &table->keys[table->places[place] - 1];
            if (one->hash == hash && one->size == size &&
                memcmp(table->bytes + one->at, key, size) == 0)
                return table->places[place] - 1;
        }
    if (table->count >= table->most) return TALLY_FULL;
    if (!tally_grow(table)) return TALLY_FAILED;
    if (table->size + size > table->bytes_room) {
        const uint64_t room = 2 * (table->size + size) + 1024;
        uint8_t *bytes = realloc(table->bytes, room);
        if (!bytes) return TALLY_FAILED;
        table->bytes = bytes;
        table->bytes_room = room;
    }
    memcpy(table->bytes + table->size, key, size);
    table->keys[table->count].hash = hash;
    table->keys[table->count].size = size;
    table->keys[table->count].at = table->size;
    table->size += size;
    for (place = hash & table->mask; table->places[place];) place = (place + 1) & table->mask;
    table->places[place] = ++table->count;
    *is_new = 1;
    return table->count - 1;
}

/* The number of a key, or -1. */
static int64_t tally_look_up(const tally_table *table, const uint8_t *key, uint32_t size) {
    const uint32_t hash = log_joins_hash(table->seed, key, size);
    for (uint32_t place = hash & table->mask; table->places[place];
         place = (place + 1) & table->mask) {
        const tally_key *one = &table->keys[table->places[place] - 1];
        if (one->hash == hash && one->size == size &&
            memcmp(table->bytes + one->at, key, size) == 0)
            return table->places[place] - 1;
    }
    return -1;
}

static void tally_free(tally_table *table) {
    free(table->keys);
    free(table->places);
    free(table->bytes);
}

/* The numbers of `width` counts for each key; NULL for want of memory. */
static int64_t *tally_counts(int64_t **counts, uint32_t *room, uint32_t number, uint32_t width) {
    if (number >= *room) {
        const uint32_t wanted = 2 * number + 64;
        int64_t *more = realloc(*counts, (size_t)wanted * width * sizeof *more);
        if (!more) return NULL;
        memset(more + (size_t)*room * width, 0, (size_t)(wanted - *room) * width * sizeof *more);
        *counts = more;
        *room = wanted;
    }
    return *counts + (size_t)number * width;
}

/* --- What a row comes to ------------------------------------------------------------------- */

/* In the order of `Outcome`. */
enum { TALLY_DELIVERED, TALLY_DEFERRED, TALLY_BOUNCED, TALLY_OUTCOMES, TALLY_NO_OUTCOME = -1 };
enum { TALLY_EVENTS = 5, TALLY_KINDS = TALLY_OUTCOMES + TALLY_EVENTS };
enum { TALLY_DOMAINS, TALLY_PROVIDERS, TALLY_RELAYS, TALLY_PARTIES };
enum { TALLY_REFUSED, TALLY_REJECTED, TALLY_ATTEMPTED, TALLY_REFUSALS };
enum {
    TALLY_MOST_FACTS = 256,
    TALLY_REASONS = 29, /* or fewer */
    TALLY_STEPS = 4096, /* of delays, as many below 1 second as above */
    TALLY_LONGEST_NAME = 255,
    TALLY_LONGEST_TEXT = 4096,
    TALLY_LONGEST_SHAPE = 512,
    TALLY_LONGEST_CODE = 16,
};

typedef struct {
    tally_table names;
    int64_t *counts; /* of each name: outcomes, then reasons of those not delivered */
    uint32_t room;
    int64_t others;
} tally_party;
enum { TALLY_PARTY_COUNTS = TALLY_OUTCOMES + TALLY_REASONS };

/* Names with their counts. */
typedef struct {
    tally_table table;
    int64_t *counts;
    uint32_t room;
    int64_t others;
} tally_names;

/* The first reply of a shape, as far as it is shown. */
typedef struct {
    int64_t line, file;
    uint64_t at; /* of its text in `texts` */
    uint32_t size;
} tally_first;

typedef struct {
    tally_names replies, blocklists, urls;
    tally_first *firsts; /* of the replies */
    uint32_t first_room;
    uint8_t *texts;
    uint64_t texts_size, texts_room;
    int64_t reasons[TALLY_REASONS];
} tally_refusal;

typedef struct {
    int64_t count, zeros;
    double longest;
    int64_t steps[TALLY_STEPS];
} tally_delays;

/* Days or hours, by their number since 1970. */
typedef struct {
    tally_table numbers;
    int64_t *counts; /* TALLY_KINDS each */
    uint32_t room;
} tally_times;

/* The last day or hour that was counted, for most rows are of the same one. */
typedef struct {
    int64_t number, *counts;
} tally_moment;

typedef struct {
    tally_moment day_now, hour_now;
    tally_party parties[TALLY_PARTIES];
    tally_refusal refusals[TALLY_REFUSALS];
    tally_delays delays[TALLY_OUTCOMES];
    tally_times days, hours;
    tally_table statuses;  /* in lower case */
    tally_table providers; /* the domains of their hosts */
    tally_table provider_names;
    int64_t *relay_providers; /* see `tally_provider_of_relay` */
    uint32_t relay_room;
    uint8_t outcome_of_status[TALLY_MOST_FACTS], name_of_provider[TALLY_MOST_FACTS];
    int64_t events[TALLY_EVENTS], outcomes[TALLY_OUTCOMES];
    int64_t first, last, other_times;
    int has_time, time_is_local, has_failed;
    int unknown, accepted, delivered; /* reasons and a disposition */
    int64_t first_time, last_time;    /* of what is a time */
    int64_t hour, day;
    double log_growth; /* of the steps of delays */
    shape_zones zones;
} log_tally;

/* What a row comes to, and what is known of its text. */
typedef struct {
    int8_t outcome, refusal; /* -1: none */
    uint8_t is_left_out;
    uint8_t is_unsure;      /* shape and URLs are for Python to find */
    uint8_t has_long_names; /* which Python cuts, by letters */
    log_text shape, urls;
    log_text domain, relay, provider; /* as they are counted */
} tally_row;

static void tally_lower(uint8_t *to, const uint8_t *from, uint32_t size) {
    for (uint32_t at = 0; at < size; at++)
        to[at] = from[at] | (uint8_t)(((uint8_t)(from[at] - 'A') < 26) << 5);
}

/* What the MTA makes of it counts first, then what was said. */
static int tally_outcome(log_tally *tally, const log_scan *scan, const log_row *row) {
    enum { LONGEST = 32 };
    uint8_t word[LONGEST];
    uint8_t class_ = 0;
    if (row->event != LOG_DELIVERY) return TALLY_NO_OUTCOME;
    if (!log_is_null(row->status) && row->status.size <= LONGEST) {
        const uint8_t *status = log_bytes(scan, row->status);
        int64_t number;
        if (row->status.size == 4 && memcmp(status, "sent", 4) == 0) return TALLY_DELIVERED;
        tally_lower(word, status, row->status.size);
        number = tally_look_up(&tally->statuses, word, row->status.size);
        if (number >= 0) return tally->outcome_of_status[number];
    }
    if (row->disposition >= 0 && row->disposition == tally->delivered) return TALLY_DELIVERED;
    if (!log_is_null(row->dsn) && row->dsn.size)
        class_ = *log_bytes(scan, row->dsn);
    else if (row->code >= 0)
        class_ = (uint8_t)('0' + (row->code > 99  ? row->code / 100
                                  : row->code > 9 ? row->code / 10
                                                  : row->code));
    return class_ == '2'   ? TALLY_DELIVERED
           : class_ == '4' ? TALLY_DEFERRED
           : class_ == '5' ? TALLY_BOUNCED
                           : TALLY_NO_OUTCOME;
}

static inline int64_t tally_floor(int64_t time, int64_t step) {
    return time / step - (time % step < 0);
}

/* Count something at a day or an hour; 0, if there are too many of them. */
static int tally_count_time(log_tally *tally, tally_times *times, tally_moment *now, int64_t number,
                            int kind) {
    if (!now->counts || now->number != number) {
        int is_new;
        const int64_t key = tally_find(&times->numbers, (const uint8_t *)&number, 8, &is_new);
        now->counts = NULL;
        if (key == TALLY_FULL) return 0;
        now->number = number;
        if (key >= 0)
            now->counts = tally_counts(&times->counts, &times->room, (uint32_t)key, TALLY_KINDS);
        if (!now->counts) {
            tally->has_failed = 1;
            return 1;
        }
    }
    now->counts[kind]++;
    return 1;
}

/* The hour and the day of a row; `kind` is an outcome, or an event behind these. */
static void tally_time(log_tally *tally, const log_row *row, int kind) {
    if (!row->has_time || row->time < tally->first_time || row->time >= tally->last_time) return;
    if (!tally->has_time || row->time < tally->first) tally->first = row->time;
    if (!tally->has_time || row->time > tally->last) tally->last = row->time;
    tally->has_time = 1;
    tally->time_is_local |= row->is_local;
    if (tally_count_time(tally, &tally->days, &tally->day_now, tally_floor(row->time, tally->day),
                         kind))
        tally_count_time(tally, &tally->hours, &tally->hour_now,
                         tally_floor(row->time, tally->hour), kind);
    else
        tally->other_times++;
}

/* `Delays.add`: the step of a histogram whose steps grow by `growth`. */
static void tally_delay(tally_delays *delays, double seconds, double log_growth) {
    if (!isfinite(seconds)) return;
    delays->count++;
    if (seconds > delays->longest) delays->longest = seconds;
    if (seconds < 1e-6) {
        delays->zeros++;
    } else {
        const double step = rint(log(seconds < 1e9 ? seconds : 1e9) / log_growth);
        delays->steps[(int)step + TALLY_STEPS / 2]++;
    }
}

/* Returns the number of the name, which is below 0 if it is not kept. */
static int64_t tally_party_name(log_tally *tally, tally_party *party, const uint8_t *name,
                                int64_t size, int outcome, int reason) {
    uint8_t key[4 * TALLY_LONGEST_NAME + 1]; /* octets of so many letters */
    int is_new;
    int64_t number, *counts;
    key[0] = size >= 0; /* a name, or none */
    if (size > 0) memcpy(key + 1, name, (size_t)size);
    number = tally_find(&party->names, key, (uint32_t)(1 + (size > 0 ? size : 0)), &is_new);
    if (number < 0) {
        party->others += number == TALLY_FULL;
        tally->has_failed |= number == TALLY_FAILED;
        return number;
    }
    counts = tally_counts(&party->counts, &party->room, (uint32_t)number, TALLY_PARTY_COUNTS);
    if (!counts) {
        tally->has_failed = 1;
        return number;
    }
    counts[outcome]++;
    if (outcome != TALLY_DELIVERED) counts[TALLY_OUTCOMES + reason]++;
    return number;
}

static int64_t tally_name(log_tally *tally, tally_names *names, const uint8_t *name, uint32_t size,
                          int *is_new) {
    const int64_t number = tally_find(&names->table, name, size, is_new);
    int64_t *count;
    if (number < 0) {
        names->others += number == TALLY_FULL;
        tally->has_failed |= number == TALLY_FAILED;
        return number;
    }
    count = tally_counts(&names->counts, &names->room, (uint32_t)number, 1);
    if (count)
        ++*count;
    else
        tally->has_failed = 1;
    return number;
}

/* --- Hosts ---------------------------------------------------------------------------------- */

/* The number of the provider whose servers are called so, or -1: `provider_of`. */
static int tally_provider(const log_tally *tally, const uint8_t *host, uint32_t size) {
    enum { LONGEST = 64 };
    uint8_t lower[LONGEST];
    int64_t number;
    while (size && host[size - 1] == '.') size--;
    for (int labels = 2; labels <= 3; labels++) {
        const uint8_t *at = host + size;
        int dots = 0;
        while (at > host && (at[-1] != '.' || ++dots < labels)) at--;
        if (host + size - at > LONGEST) return -1;
        tally_lower(lower, at, (uint32_t)(host + size - at));
        number = tally_look_up(&tally->providers, lower, (uint32_t)(host + size - at));
        if (number >= 0) return tally->name_of_provider[number];
    }
    return -1;
}

/* The same, found once for each relay that is kept. */
static int64_t tally_provider_of_relay(log_tally *tally, int64_t relay, const uint8_t *host,
                                       uint32_t size) {
    enum { KNOWN = 2 }; /* and above: the provider; 1: none */
    int64_t *known = NULL;
    int provider;
    if (relay >= 0)
        known = tally_counts(&tally->relay_providers, &tally->relay_room, (uint32_t)relay, 1);
    if (known && *known) return *known - KNOWN;
    provider = tally_provider(tally, host, size);
    if (known) *known = provider + KNOWN;
    return provider;
}

/* --- Rows ----------------------------------------------------------------------------------- */

static inline int tally_refusal_of(const log_tally *tally, const log_row *row, int outcome) {
    if (outcome != TALLY_NO_OUTCOME) return outcome == TALLY_DELIVERED ? -1 : TALLY_REFUSED;
    if (row->event == LOG_REJECT) return TALLY_REJECTED;
    if (row->event == LOG_OTHER || row->event == LOG_DELIVERY) return -1;
    return row->reason == tally->accepted ? -1 : TALLY_ATTEMPTED;
}

/* The shape of a row's text and the URLs in it, in the arena; 0: not sure. */
static int tally_look(const log_tally *tally, log_scan *scan, const log_row *row, tally_row *to) {
    enum { SHAPE_ROOM = 2 * TALLY_LONGEST_TEXT };
    const uint32_t size = row->text.size < TALLY_LONGEST_TEXT ? row->text.size : TALLY_LONGEST_TEXT;
    int64_t written;
    uint8_t *room;
    if (log_is_null(row->text)) return 1;
    room = log_room(scan, 2 * SHAPE_ROOM);
    if (!room) return 0;
    written = shape_of(&tally->zones, log_bytes(scan, row->text), size, room, SHAPE_ROOM);
    if (written < 0) return 0;
    if (written > TALLY_LONGEST_SHAPE) {
        memcpy(room + TALLY_LONGEST_SHAPE - 1, "\xE2\x80\xA6", 3); /* … */
        written = TALLY_LONGEST_SHAPE + 2;
    }
    to->shape.at = scan->arena_size | LOG_IN_ARENA;
    to->shape.size = (uint32_t)written;
    scan->arena_size += (uint32_t)written;
    to->urls.at = scan->arena_size | LOG_IN_ARENA;
    written = shape_urls(log_bytes(scan, row->text), size, room + written, SHAPE_ROOM);
    if (written < 0) return 0;
    to->urls.size = (uint32_t)written;
    scan->arena_size += (uint32_t)written;
    return 1;
}

static inline int tally_is_long(log_text name) {
    return !log_is_null(name) && name.size > TALLY_LONGEST_NAME;
}

/* The last rows with texts of some hashes, whose shapes and URLs are known. */
enum { TALLY_REMEMBERED = 1024 };

/* The same, from a row with the same text if there was one. */
static int tally_recall(const log_tally *tally, log_scan *scan, const tally_row *rows,
                        int64_t number, tally_row *to, int32_t *memory) {
    const log_text text = scan->rows[number].text;
    int32_t *place;
    if (log_is_null(text)) return 1;
    place =
        &memory[log_joins_hash(scan->seed, log_bytes(scan, text), text.size) % TALLY_REMEMBERED];
    if (*place) {
        const log_text other = scan->rows[*place - 1].text;
        if (other.size == text.size &&
            memcmp(log_bytes(scan, other), log_bytes(scan, text), text.size) == 0) {
            to->shape = rows[*place - 1].shape;
            to->urls = rows[*place - 1].urls;
            return 1;
        }
    }
    if (!tally_look(tally, scan, &scan->rows[number], to)) return 0;
    *place = (int32_t)(number + 1);
    return 1;
}

/* What each row of a block comes to. */
static void tally_prepare(log_tally *tally, log_scan *scan, tally_row *rows) {
    int32_t memory[TALLY_REMEMBERED] = {0};
    for (int64_t number = 0; number < scan->row_count; number++) {
        const log_row *row = &scan->rows[number];
        tally_row *to = &rows[number];
        if (to->is_left_out) continue;
        to->outcome = (int8_t)tally_outcome(tally, scan, row);
        to->refusal = (int8_t)tally_refusal_of(tally, row, to->outcome);
        to->shape.at = to->urls.at = LOG_IN_ARENA;
        to->shape.size = to->urls.size = 0;
        if (to->refusal >= 0) to->is_unsure = !tally_recall(tally, scan, rows, number, to, memory);
        to->domain = row->domain;
        to->relay = log_is_null(row->relay_host) || !row->relay_host.size ? row->relay_ip
                                                                          : row->relay_host;
        to->provider = row->provider;
        to->has_long_names = tally_is_long(to->domain) || tally_is_long(to->relay) ||
                             tally_is_long(to->provider);
    }
}

/* The first reply of a shape. */
static void tally_note_first(log_tally *tally, tally_refusal *refusal, uint32_t number,
                             const log_scan *scan, const log_row *row, int64_t lines_before,
                             int64_t file) {
    enum { LONGEST = 4 * TALLY_LONGEST_SHAPE }; /* octets of so many letters */
    const uint32_t wanted = log_is_null(row->text) ? 0 : row->text.size;
    const uint32_t size = wanted < LONGEST ? wanted : LONGEST;
    tally_first *first;
    if (number >= refusal->first_room) {
        tally_first *firsts = realloc(refusal->firsts, (2 * number + 64) * sizeof *firsts);
        if (firsts) {
            refusal->firsts = firsts;
            refusal->first_room = 2 * number + 64;
        }
    }
    if (refusal->texts_size + size > refusal->texts_room) {
        const uint64_t room = 2 * (refusal->texts_size + size) + 4096;
        uint8_t *texts = realloc(refusal->texts, room);
        if (texts) {
            refusal->texts = texts;
            refusal->texts_room = room;
        }
    }
    if (number >= refusal->first_room || refusal->texts_size + size > refusal->texts_room) {
        tally->has_failed = 1;
        return;
    }
    first = &refusal->firsts[number];
    first->line = lines_before + row->line + 1;
    first->file = file;
    first->at = refusal->texts_size;
    first->size = size;
    if (size) memcpy(refusal->texts + refusal->texts_size, log_bytes(scan, row->text), size);
    refusal->texts_size += size;
}

/* No URL and what ends it are shorter than "www.a ". */
enum { TALLY_MOST_URLS = TALLY_LONGEST_TEXT / 6 + 1 };

/* How much is kept of a URL that a line feed ends, at `*behind`. */
static inline uint32_t tally_url_size(const uint8_t *at, const uint8_t *end, int is_whole,
                                      const uint8_t **behind) {
    *behind = log_find(at, end, '\n');
    return (uint32_t)(!is_whole && *behind - at > TALLY_LONGEST_NAME ? TALLY_LONGEST_NAME
                                                                     : *behind - at);
}

/* Whether a URL stands in front of `at` too. */
static int tally_has_url(const uint8_t *urls, const uint8_t *at, const uint8_t *end,
                         uint32_t size) {
    for (const uint8_t *other = urls, *behind; other < at; other = behind + 1)
        if (tally_url_size(other, end, 0, &behind) == size && memcmp(other, at, size) == 0)
            return 1;
    return 0;
}

static void tally_refuse(log_tally *tally, const log_scan *scan, const log_row *row,
                         const tally_row *known, int64_t lines_before, int64_t file) {
    tally_refusal *refusal = &tally->refusals[known->refusal];
    const int reason = row->reason < 0 ? tally->unknown : row->reason;
    const uint8_t *urls = log_bytes(scan, known->urls), *end = urls + known->urls.size;
    uint8_t key[4 + TALLY_LONGEST_CODE + 4 * TALLY_LONGEST_SHAPE];
    const uint32_t enhanced = log_is_null(row->enhanced) ? 0 : row->enhanced.size;
    uint32_t hashes[TALLY_MOST_URLS], url_count = 0;
    int64_t number;
    int is_new;
    refusal->reasons[reason]++;
    if (!log_is_null(row->blocklist) && row->blocklist.size)
        tally_name(tally, &refusal->blocklists, log_bytes(scan, row->blocklist),
                   row->blocklist.size, &is_new);
    for (const uint8_t *at = urls, *behind; at < end; at = behind + 1) {
        /* What Python has found is cut, by letters, and not repeated. */
        const uint32_t size = tally_url_size(at, end, known->is_unsure, &behind);
        const uint32_t hash = log_joins_hash(scan->seed, at, size);
        int is_repeated = 0;
        for (uint32_t other = 0; other < url_count; other++) is_repeated |= hashes[other] == hash;
        is_repeated = is_repeated && !known->is_unsure && tally_has_url(urls, at, end, size);
        if (!is_repeated) tally_name(tally, &refusal->urls, at, size, &is_new);
        if (url_count < TALLY_MOST_URLS) hashes[url_count++] = hash;
    }
    key[0] = (uint8_t)reason;
    key[1] = (uint8_t)(row->code & 0xFF);
    key[2] = (uint8_t)(row->code >> 8);
    key[3] = (uint8_t)enhanced;
    if (enhanced) memcpy(key + 4, log_bytes(scan, row->enhanced), enhanced);
    if (known->shape.size)
        memcpy(key + 4 + enhanced, log_bytes(scan, known->shape), known->shape.size);
    number = tally_name(tally, &refusal->replies, key, 4 + enhanced + known->shape.size, &is_new);
    if (number >= 0 && is_new)
        tally_note_first(tally, refusal, (uint32_t)number, scan, row, lines_before, file);
}

static void tally_count(log_tally *tally, const log_scan *scan, const log_row *row,
                        const tally_row *known, int64_t lines_before, int64_t file) {
    const int reason = row->reason < 0 ? tally->unknown : row->reason;
    tally->events[row->event]++;
    tally_time(tally, row, known->outcome >= 0 ? known->outcome : TALLY_OUTCOMES + row->event);
    if (known->outcome >= 0) {
        const log_text named = known->provider;
        const uint8_t *provider = NULL;
        int64_t size = -1, number;
        tally->outcomes[known->outcome]++;
        tally_party_name(tally, &tally->parties[TALLY_DOMAINS], log_bytes(scan, known->domain),
                         (int32_t)known->domain.size, known->outcome, reason);
        number = tally_party_name(tally, &tally->parties[TALLY_RELAYS], log_bytes(scan, known->relay),
                                  (int32_t)known->relay.size, known->outcome, reason);
        if (!log_is_null(named) && named.size) {
            provider = log_bytes(scan, named);
            size = named.size;
        } else if (!log_is_null(row->relay_host)) {
            if (known->has_long_names) number = -1; /* another one may begin like it */
            number = tally_provider_of_relay(tally, number, log_bytes(scan, row->relay_host),
                                             row->relay_host.size);
            if (number >= 0) {
                const tally_key *key = &tally->provider_names.keys[number];
                provider = tally->provider_names.bytes + key->at;
                size = key->size;
            }
        }
        tally_party_name(tally, &tally->parties[TALLY_PROVIDERS], provider, size, known->outcome,
                         reason);
        if (row->delay == row->delay)
            tally_delay(&tally->delays[known->outcome], row->delay, tally->log_growth);
    }
    if (known->refusal >= 0) tally_refuse(tally, scan, row, known, lines_before, file);
}

static void tally_rows(log_tally *tally, const log_scan *scan, const tally_row *known,
                       int64_t lines_before, int64_t file) {
    for (int64_t number = 0; number < scan->row_count; number++)
        if (!known[number].is_left_out)
            tally_count(tally, scan, &scan->rows[number], &known[number], lines_before, file);
}

static void tally_free_all(log_tally *tally) {
    for (int kind = 0; kind < TALLY_PARTIES; kind++) {
        tally_free(&tally->parties[kind].names);
        free(tally->parties[kind].counts);
    }
    for (int kind = 0; kind < TALLY_REFUSALS; kind++) {
        tally_refusal *refusal = &tally->refusals[kind];
        tally_names *all[] = {&refusal->replies, &refusal->blocklists, &refusal->urls};
        for (int names = 0; names < 3; names++) {
            tally_free(&all[names]->table);
            free(all[names]->counts);
        }
        free(refusal->firsts);
        free(refusal->texts);
    }
    tally_free(&tally->days.numbers);
    tally_free(&tally->hours.numbers);
    free(tally->days.counts);
    free(tally->hours.counts);
    tally_free(&tally->statuses);
    tally_free(&tally->providers);
    tally_free(&tally->provider_names);
    free(tally->relay_providers);
}

#endif
