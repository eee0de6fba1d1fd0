/* What earlier lines said of a queue id: the twin of `Joins`, for bytes. */

#ifndef SMTPFAST_LOG_JOINS_H
#define SMTPFAST_LOG_JOINS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"

/* A place of a key: its hash and the number of its entry; 0: free. */
typedef uint64_t log_join_place;

enum { LOG_JOIN_BYTES = 44 };

/* A key and its value, in one line of the cache unless they are long. */
typedef struct {
    uint32_t hash;
    uint32_t turn; /* of its use, to tell it from what stood here before; 0: not used */
    uint32_t key_size, size;
    uint32_t next_spare;
    uint8_t bytes[LOG_JOIN_BYTES]; /* the key, behind it the value; or a pointer to them */
} log_join;

/* An empty one is all zero but for `most`. */
typedef struct {
    log_join *entries;      /* entries[0] is unused */
    log_join_place *places; /* open addressing */
    /* Numbers and turns in the order in which they were noted; many are outdated. */
    uint32_t (*order)[2];
    uint32_t count, most, room, mask;
    uint32_t spare, turn;
    uint32_t first, last; /* of `order`, which has room for twice as many as there are entries */
} log_joins;

static inline uint64_t log_joins_mix(uint64_t hash, const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

/* `seed`: so that nobody can choose keys that meet in one place. */
static inline uint32_t log_joins_hash(uint64_t seed, const uint8_t *key, uint32_t size) {
    uint64_t hash = seed ^ size;
    uint8_t padded[8] = {0};
    uint32_t at = 0;
    if (size >= 8) {
        for (; at + 8 < size; at += 8) hash = log_joins_mix(hash, key + at);
        hash = log_joins_mix(hash, key + size - 8);
    } else {
        for (; at < size; at++) padded[at] = key[at];
        hash = log_joins_mix(hash, padded);
    }
    return (uint32_t)(hash >> 16);
}

static inline int log_join_is_long(uint32_t key_size, uint32_t size) {
    return (uint64_t)key_size + size > LOG_JOIN_BYTES;
}

static inline const uint8_t *log_join_bytes(const log_join *entry) {
    const uint8_t *bytes;
    if (!log_join_is_long(entry->key_size, entry->size)) return entry->bytes;
    memcpy(&bytes, entry->bytes, sizeof bytes);
    return bytes;
}

static inline uint32_t log_join_number(log_join_place place) { return (uint32_t)place; }

static inline uint32_t log_join_hash(log_join_place place) { return (uint32_t)(place >> 32); }

/* The place of a key, or where it would stand. */
static uint32_t log_joins_place(const log_joins *joins, const uint8_t *key, uint32_t size,
                                uint32_t hash) {
    uint32_t place = hash & joins->mask;
    for (; joins->places[place]; place = (place + 1) & joins->mask) {
        const log_join *entry = &joins->entries[log_join_number(joins->places[place])];
        if (log_join_hash(joins->places[place]) == hash && entry->key_size == size &&
            memcmp(log_join_bytes(entry), key, size) == 0)
            break;
    }
    return place;
}

/* Ask for the memory that a key will need: first for its place, later for what stands there. */
static inline void log_joins_expect(const log_joins *joins, uint32_t hash, int is_entry) {
    const uint32_t place = hash & joins->mask;
    if (!joins->count) return;
    if (is_entry)
        SCAN_PREFETCH(&joins->entries[log_join_number(joins->places[place])]);
    else
        SCAN_PREFETCH(&joins->places[place]);
}

static void log_joins_remove(log_joins *joins, uint32_t place) {
    const uint32_t number = log_join_number(joins->places[place]);
    log_join *entry = &joins->entries[number];
    uint32_t next = place;
    if (log_join_is_long(entry->key_size, entry->size)) free((void *)log_join_bytes(entry));
    entry->turn = entry->key_size = entry->size = 0;
    entry->next_spare = joins->spare;
    joins->spare = number;
    joins->count--;
    /* Move up what would not be found any more. */
    for (;;) {
        uint32_t wanted;
        joins->places[place] = 0;
        do {
            next = (next + 1) & joins->mask;
            if (!joins->places[next]) return;
            wanted = log_join_hash(joins->places[next]) & joins->mask;
        } while (((next - wanted) & joins->mask) < ((next - place) & joins->mask));
        joins->places[place] = joins->places[next];
        place = next;
    }
}

/* Room for one more entry; 0 for want of memory. */
static int log_joins_grow(log_joins *joins) {
    const uint32_t room = joins->room ? 2 * joins->room : 64, mask = 2 * room - 1;
    log_join *entries;
    log_join_place *places;
    uint32_t (*order)[2];
    if (joins->count + 1 < joins->room) return 1;
    entries = realloc(joins->entries, room * sizeof *entries);
    if (!entries) return 0;
    joins->entries = entries;
    order = realloc(joins->order, 2 * (size_t)room * sizeof *order);
    if (!order) return 0;
    joins->order = order;
    places = calloc(2 * (size_t)room, sizeof *places);
    if (!places) return 0;
    memset(entries + joins->room, 0, (room - joins->room) * sizeof *entries);
    for (uint32_t number = room - 1; number >= joins->room && number; number--) {
        entries[number].next_spare = joins->spare;
        joins->spare = number;
    }
    for (uint32_t index = 0; index < 2 * joins->room; index++) {
        uint32_t place = log_join_hash(joins->places[index]) & mask;
        if (!joins->places[index]) continue;
        while (places[place]) place = (place + 1) & mask;
        places[place] = joins->places[index];
    }
    free(joins->places);
    joins->places = places;
    joins->room = room;
    joins->mask = mask;
    return 1;
}

static inline int log_joins_is_current(const log_joins *joins, uint32_t index) {
    return joins->entries[joins->order[index][0]].turn == joins->order[index][1];
}

/* Drop what is outdated, if the order has no more room. */
static void log_joins_tidy(log_joins *joins) {
    uint32_t kept = 0;
    if (joins->last < 2 * joins->room) return;
    for (uint32_t index = joins->first; index < joins->last; index++) {
        if (!log_joins_is_current(joins, index)) continue;
        memcpy(joins->order[kept++], joins->order[index], sizeof *joins->order);
    }
    joins->first = 0;
    joins->last = kept;
}

/* Forget a key, if it is known. */
static void log_joins_forget(log_joins *joins, const uint8_t *key, uint32_t size, uint32_t hash) {
    if (joins->count) {
        const uint32_t place = log_joins_place(joins, key, size, hash);
        if (joins->places[place]) log_joins_remove(joins, place);
    }
}

/* What was noted last for a key, or NULL. */
static const uint8_t *log_joins_get(const log_joins *joins, const uint8_t *key, uint32_t key_size,
                                    uint32_t hash, uint32_t *size) {
    uint32_t number;
    if (!joins->count) return NULL;
    number = log_join_number(joins->places[log_joins_place(joins, key, key_size, hash)]);
    if (!number) return NULL;
    *size = joins->entries[number].size;
    return log_join_bytes(&joins->entries[number]) + key_size;
}

/* Remember a value, as the newest one; 0 for want of memory. */
static int log_joins_note(log_joins *joins, const uint8_t *key, uint32_t key_size, uint32_t hash,
                          const uint8_t *value, uint32_t size) {
    log_join *entry;
    uint8_t *bytes;
    uint32_t number, place;
    log_joins_forget(joins, key, key_size, hash);
    if (!log_joins_grow(joins)) return 0;
    number = joins->spare;
    entry = &joins->entries[number];
    bytes = entry->bytes;
    if (log_join_is_long(key_size, size)) {
        bytes = malloc((size_t)key_size + size);
        if (!bytes) return 0;
        memcpy(entry->bytes, &bytes, sizeof bytes);
    }
    joins->spare = entry->next_spare;
    memcpy(bytes, key, key_size);
    memcpy(bytes + key_size, value, size);
    entry->hash = hash;
    entry->key_size = key_size;
    entry->size = size;
    if (!++joins->turn) joins->turn = 1; /* after four billions */
    entry->turn = joins->turn;
    log_joins_tidy(joins);
    joins->order[joins->last][0] = number;
    joins->order[joins->last++][1] = joins->turn;
    place = log_joins_place(joins, key, key_size, hash);
    joins->places[place] = (log_join_place)hash << 32 | number;
    if (++joins->count > joins->most) {
        while (!log_joins_is_current(joins, joins->first)) joins->first++;
        entry = &joins->entries[joins->order[joins->first++][0]];
        log_joins_remove(
            joins, log_joins_place(joins, log_join_bytes(entry), entry->key_size, entry->hash));
    }
    return 1;
}

static void log_joins_free(log_joins *joins) {
    for (uint32_t number = 1; number < joins->room; number++) {
        const log_join *entry = &joins->entries[number];
        if (log_join_is_long(entry->key_size, entry->size)) free((void *)log_join_bytes(entry));
    }
    free(joins->entries);
    free(joins->places);
    free(joins->order);
}

#endif
