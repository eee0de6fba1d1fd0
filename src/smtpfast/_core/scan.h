/* Reply lines in memory: the twin of `classify` in pure.py, for one line and for many.

   Nothing here knows Python. Bytes are read only inside data[0:size]. */

#ifndef SMTPFAST_SCAN_H
#define SMTPFAST_SCAN_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define SCAN_SSE2
#elif defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>
#define SCAN_NEON
#endif

#ifdef _MSC_VER
#include <intrin.h>
#endif

#ifdef __linux__
#include <sys/mman.h>
#endif

/* Ask for memory that is read soon. */
#if defined(__GNUC__) || defined(__clang__)
#define SCAN_PREFETCH(address) __builtin_prefetch(address)
#elif defined(SCAN_SSE2)
#define SCAN_PREFETCH(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
#else
#define SCAN_PREFETCH(address) ((void)(address))
#endif

typedef struct {
    int64_t text;     /* offset of the text in the buffer */
    int32_t code;     /* -1: malformed */
    int32_t enhanced; /* class * 1,000,000 + subject * 1,000 + detail, 0: none */
    int32_t is_last;
} scan_line;

typedef struct {
    int16_t *code;
    uint8_t *is_last;
    int32_t *enhanced;
    int64_t *text_start;
    int64_t *text_end;
} scan_columns;

/* Ask for large pages behind fresh memory: one fault for 2 MiB instead of 512. Faults in small
   pages took longer than parsing. A refusal does no harm. */
static inline void scan_prefer_large_pages(void *memory, int64_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const uintptr_t page = 4096;
    uintptr_t start = ((uintptr_t)memory + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)memory + (uintptr_t)size) & ~(page - 1);
    if (size >= 4 << 20) (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
#else
    (void)memory;
    (void)size;
#endif
}

/* Put a value where one pointer is, and take that: whole, whatever other threads do. */
static inline void *scan_swap(void **place, void *value) {
#ifdef _MSC_VER
    return _InterlockedExchangePointer(place, value);
#else
    return __atomic_exchange_n(place, value, __ATOMIC_ACQ_REL);
#endif
}

static inline int scan_is_digit(uint8_t byte) { return (uint8_t)(byte - '0') <= 9; }

static inline int scan_is_blank(uint8_t byte) { return (byte == ' ') | (byte == '\t'); }

/* Bits 2, 4 and 5: the classes of RFC 3463, and the first digits of replies that have them. */
enum { SCAN_CLASSES = 0x34 };

static inline int scan_is_class(uint8_t byte) {
    return scan_is_digit(byte) && (SCAN_CLASSES >> (byte - '0') & 1);
}

/* Eight bytes, the first one lowest. */
static inline uint64_t scan_load(const uint8_t *data) {
    uint64_t bytes = 0;
    for (int index = 0; index < 8; index++) bytes |= (uint64_t)data[index] << (8 * index);
    return bytes;
}

static inline int scan_is_ascii(const uint8_t *data, int64_t size) {
    uint64_t seen = 0;
    int64_t at = 0;
    for (; at + 8 <= size; at += 8) seen |= scan_load(data + at);
    for (; at < size; at++) seen |= data[at];
    return !(seen & 0x8080808080808080u);
}

/* Read a number of one to three digits without a leading zero; returns where it ends, or -1. */
static inline int64_t scan_part(const uint8_t *data, int64_t at, int64_t end, int32_t *value) {
    int64_t start = at;
    int32_t number = 0;
    while (at < end && at < start + 3 && scan_is_digit(data[at])) {
        number = number * 10 + data[at] - '0';
        at++;
    }
    *value = number;
    if (at == start || (data[start] == '0' && at > start + 1)) return -1;
    return at;
}

/* Where the line data[start:end], which has lost its LF, ends without the CRs before it. */
static inline int64_t scan_without_cr(const uint8_t *data, int64_t start, int64_t end) {
    while (end > start && data[end - 1] == '\r') end--;
    return end;
}

/* The line data[start:end], which has no line end any more. */
static inline scan_line scan_one(const uint8_t *data, int64_t start, int64_t end) {
    scan_line line = {start, -1, 0, 1};
    const uint8_t *head = data + start;
    int64_t length = end - start, at;
    int32_t subject, detail;
    if (length < 3 || !scan_is_digit(head[0]) || !scan_is_digit(head[1]) || !scan_is_digit(head[2]))
        return line;
    if (length > 3 && scan_is_digit(head[3])) return line;
    line.code = head[0] * 100 + head[1] * 10 + head[2] - '0' * 111;
    line.text = start + 3;
    if (length == 3) return line;
    line.is_last = head[3] != '-';
    if (line.is_last && !scan_is_blank(head[3])) return line;
    line.text = start + 4;
    /* RFC 2034 section 4: in 2yz, 4yz and 5yz replies, but not in the greeting. */
    if (length < 9 || !scan_is_class(head[4]) || head[5] != '.') return line;
    if (!scan_is_class(head[0]) || line.code == 220) return line;
    at = scan_part(data, start + 6, end, &subject);
    if (at < 0 || at == end || data[at] != '.') return line;
    at = scan_part(data, at + 1, end, &detail);
    if (at < 0 || (at < end && !scan_is_blank(data[at]))) return line;
    while (at < end && scan_is_blank(data[at])) at++;
    line.enhanced = (head[4] - '0') * 1000000 + subject * 1000 + detail;
    line.text = at;
    return line;
}

/* IANA's registry has the subjects 0 to 7. */
enum { SCAN_SUBJECTS = 8 };

static inline int scan_is_word(uint8_t byte) {
    return scan_is_digit(byte) || (uint8_t)((byte | 0x20) - 'a') < 26 || byte == '_';
}

/* What `find_enhanced` looks for, beginning at `at`: packed, or 0; `*after` is where it ends. */
static inline int32_t scan_loose_enhanced(const uint8_t *data, int64_t at, int64_t size,
                                          int64_t *after) {
    int32_t parts[2];
    const int64_t class_ = at;
    if (size - at < 5 || !scan_is_class(data[at])) return 0;
    at++;
    for (int part = 0; part < 2; part++) {
        int64_t first = at + 1;
        if (at >= size || data[at] != '.') return 0;
        parts[part] = 0;
        for (at = first; at < size && at < first + 3 && scan_is_digit(data[at]); at++)
            parts[part] = parts[part] * 10 + data[at] - '0';
        if (at == first) return 0;
    }
    if (at < size && (scan_is_digit(data[at]) || data[at] == '@')) return 0;
    if (at + 1 < size && data[at] == '.' && scan_is_word(data[at + 1])) return 0;
    if (parts[0] >= SCAN_SUBJECTS) return 0;
    *after = at;
    return (data[class_] - '0') * 1000000 + parts[0] * 1000 + parts[1];
}

static inline int scan_is_joint(uint8_t byte) {
    return scan_is_word(byte) || (byte && strchr("@/\\+-", byte) != NULL);
}

static inline int scan_is_space(uint8_t byte) {
    return byte == ' ' || (uint8_t)(byte - '\t') <= '\r' - '\t';
}

/* Whether what begins at `at` is no part of something longer, or follows a reply code: "550-". */
static inline int scan_is_free(const uint8_t *data, int64_t at) {
    if (at == 0) return 1;
    if (data[at - 1] == '-')
        return at >= 4 && scan_is_class(data[at - 4]) && scan_is_digit(data[at - 3]) &&
               scan_is_digit(data[at - 2]) && (at == 4 || scan_is_space(data[at - 5]));
    return data[at - 1] != '.' && !scan_is_joint(data[at - 1]);
}

/* The twin of `find_enhanced`: packed, or 0. */
static inline int32_t scan_find_enhanced(const uint8_t *data, int64_t size) {
    int64_t at = 0, after;
    int32_t found;
    while (at < size && scan_is_blank(data[at])) at++;
    found = scan_loose_enhanced(data, at, size, &after);
    if (found) return found;
    for (at = 0; at < size; at++) {
        if (data[at] == ':' && size - at >= 3 && data[at + 1] == '/' && data[at + 2] == '/') {
            while (at < size && !scan_is_space(data[at])) at++; /* a URL */
        } else if (data[at] == '.' && at > 0 && scan_is_free(data, at - 1)) {
            found = scan_loose_enhanced(data, at - 1, size, &after);
            if (found && (after == size || !scan_is_joint(data[after]))) return found;
        }
    }
    return 0;
}

/* `scan_one` for a line with 16 readable bytes from its start: without a branch for "250 " and
   "250-", each with or without "2.1.5 " behind it; all else goes the long way. */
static inline scan_line scan_one_fast(const uint8_t *data, int64_t start, int64_t end) {
    const uint8_t *head = data + start;
    int64_t length = end - start;
    uint64_t bytes = scan_load(head);
    /* The high bit of a byte says that it is no digit. */
    uint64_t numbers = bytes ^ 0x3030303030303030u;
    uint64_t no_digit = (((numbers & 0x7F7F7F7F7F7F7F7Fu) + 0x7676767676767676u) | numbers);
    uint32_t separator = (uint32_t)(bytes >> 24) & 0xFF;
    uint32_t class_ = (uint32_t)(numbers >> 32) & 0xFF;
    uint32_t subject = (uint32_t)(numbers >> 48) & 0xFF;
    uint32_t detail = (uint32_t)(uint8_t)(head[8] - '0');
    int ordinary = ((no_digit & 0x80808080u) == 0x80000000u) &
                   ((separator == ' ') | (separator == '-')) & (length >= 4);
    int dotted = ((bytes & 0xFF0000000000u) == 0x2E0000000000u) & (length >= 9);
    int simple = dotted & ((bytes >> 56) == '.') & !(no_digit & 0x80008000000000u) & (detail <= 9) &
                 (length > 10) & (head[9] == ' ') & (head[10] > ' ');
    int takes_one, has_one;
    scan_line line;
    /* Bitwise: one branch, nearly never taken, where || makes two, one of them a coin's toss. */
    if ((ordinary ^ 1) | (dotted & (simple ^ 1))) return scan_one(data, start, end);
    line.code = (int32_t)((numbers & 0xFF) * 100 + (numbers >> 8 & 0xFF) * 10 + (numbers >> 16 & 0xFF));
    line.is_last = separator == ' ';
    takes_one = (SCAN_CLASSES >> (numbers & 0xFF)) & (line.code != 220);
    has_one = simple & takes_one & (class_ <= 9) & (SCAN_CLASSES >> (class_ & 31));
    line.enhanced = -has_one & (int32_t)(class_ * 1000000 + subject * 1000 + detail);
    line.text = start + 4 + (-has_one & 6);
    return line;
}

/* Which of the 64 bytes at `data` are LF, as bits. */
static inline uint64_t scan_line_feeds(const uint8_t *data) {
#if defined(SCAN_SSE2)
    const __m128i line_feed = _mm_set1_epi8('\n');
    uint64_t bits = 0;
    for (int part = 0; part < 4; part++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(data + 16 * part));
        uint32_t found = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, line_feed));
        bits |= (uint64_t)found << (16 * part);
    }
    return bits;
#elif defined(SCAN_NEON)
    const uint8x16_t line_feed = vdupq_n_u8('\n');
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t weight = vld1q_u8(weights);
    uint8x16_t a = vandq_u8(vceqq_u8(vld1q_u8(data), line_feed), weight);
    uint8x16_t b = vandq_u8(vceqq_u8(vld1q_u8(data + 16), line_feed), weight);
    uint8x16_t c = vandq_u8(vceqq_u8(vld1q_u8(data + 32), line_feed), weight);
    uint8x16_t d = vandq_u8(vceqq_u8(vld1q_u8(data + 48), line_feed), weight);
    a = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(a, a)), 0);
#else
    uint64_t bits = 0;
    for (int byte = 0; byte < 64; byte++) bits |= (uint64_t)(data[byte] == '\n') << byte;
    return bits;
#endif
}

static inline int scan_lowest_bit(uint64_t bits) {
#ifdef _MSC_VER
    unsigned long index;
    _BitScanForward64(&index, bits);
    return (int)index;
#else
    return __builtin_ctzll(bits);
#endif
}

enum { SCAN_BLOCK = 4096 };

#define SCAN_HIGHEST ((uint64_t)1 << 63)

/* The offsets of the LFs in the block of `size` bytes, and one more place; returns their number. */
static inline int scan_block(const uint8_t *block, int32_t size, int32_t *line_ends) {
    int count = 0;
    int32_t at = 0;
    for (; at + 64 <= size; at += 64) {
        uint64_t bits = scan_line_feeds(block + at);
        /* Two stores whether needed or not: most blocks have no more, and no branch is missed. */
        line_ends[count] = at + scan_lowest_bit(bits | SCAN_HIGHEST);
        count += bits != 0;
        bits &= bits - 1;
        line_ends[count] = at + scan_lowest_bit(bits | SCAN_HIGHEST);
        count += bits != 0;
        for (bits &= bits - 1; bits; bits &= bits - 1)
            line_ends[count++] = at + scan_lowest_bit(bits);
    }
    for (; at < size; at++)
        if (block[at] == '\n') line_ends[count++] = at;
    return count;
}

/* Parse the lines of data[0:size] into the columns, until its end or until no more rows are sure
   to fit. `*scanned` is how far LFs have been looked for, `*start` where the next line begins;
   both are 0 at first. Returns the number of rows filled so far; done when *scanned == size. */
static inline int64_t scan_lines(const uint8_t *data, int64_t size, int64_t *scanned, int64_t *start,
                          const scan_columns *columns, int64_t row, int64_t rows) {
    int32_t line_ends[SCAN_BLOCK + 1];
    int64_t line_start = *start;
    while (*scanned < size) {
        int64_t base = *scanned;
        int32_t length = size - base > SCAN_BLOCK ? SCAN_BLOCK : (int32_t)(size - base);
        int count = scan_block(data + base, length, line_ends);
        if (base + length == size && (count ? base + line_ends[count - 1] + 1 : line_start) < size)
            line_ends[count++] = length; /* the last line has no LF */
        if (count > rows - row) break;
        for (int index = 0; index < count; index++, row++) {
            int64_t line_end = base + line_ends[index];
            int64_t end = scan_without_cr(data, line_start, line_end);
            scan_line line = line_start + 16 <= size ? scan_one_fast(data, line_start, end)
                                                     : scan_one(data, line_start, end);
            columns->code[row] = (int16_t)line.code;
            columns->is_last[row] = (uint8_t)line.is_last;
            columns->enhanced[row] = line.enhanced;
            columns->text_start[row] = line.text;
            columns->text_end[row] = end;
            line_start = line_end + 1;
        }
        *scanned = base + length;
    }
    *start = line_start;
    return row;
}

#endif
