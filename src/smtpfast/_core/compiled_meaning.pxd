# The matcher and its rules in C, for the modules that diagnose without Python.

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "meaning.h" nogil:
    enum:
        MEANING_SHORT
        MEANING_CODES
        MEANING_DETAILS
        MEANING_ENHANCED
        SCAN_SUBJECTS
        MEANING_HOSTS
        MEANING_PLAIN
        MEANING_URLS
        MEANING_HINTS
        MEANING_CONDITIONS
        MEANING_ROOTS
        MEANING_ENDS_HERE
        MEANING_HAS_GAP
        MEANING_NODE
        MEANING_FILTER_SHIFT
        MEANING_BOTH
    ctypedef struct scan_line:
        int64_t text
        int32_t code
        int32_t enhanced
    scan_line scan_one(const uint8_t *data, int64_t start, int64_t end)
    void scan_prefer_large_pages(void *memory, int64_t size)
    ctypedef struct meaning_word:
        uint64_t low, high
        uint32_t first[3]
        uint32_t filter
    ctypedef struct meaning_node:
        uint64_t near
        uint32_t gap
        uint16_t end_count, shift
        int32_t buckets
        uint32_t ends
    ctypedef struct meaning_bucket:
        pass
    ctypedef struct meaning_condition:
        uint16_t words[4]
        int32_t group
    ctypedef struct meaning_rule:
        int32_t reason, transient, permanent, codes, asks_enhanced
        uint32_t commands
        int32_t provider, _with "with", with_count, without, without_count, group
    ctypedef struct meaning_vocabulary:
        const meaning_word *words
        const uint16_t *shifts
        uint32_t word_mask, shift_mask
        const uint8_t *letters
        const uint32_t *long_words
        const uint8_t (*fold)[2]
        int32_t hosts_may_be_numbers
        uint32_t number
    ctypedef struct meaning_rules:
        meaning_vocabulary vocabulary
        const uint32_t *first[3]
        const uint64_t *nodes
        const uint64_t *filters
        int32_t group_count
        int32_t first_provider, first_blocklist, first_delay, first_condition, first_rule
        const int32_t *command_numbers
        const int32_t *delay_seconds
        const int32_t *rule_of_group
        const meaning_rule *rules
        const meaning_condition *conditions
        const uint64_t *code_rows
        const uint64_t *enhanced_rows
        const uint64_t *certain_row
        const int32_t *code_rules
        int32_t row_size, code_row_size, rule_count, first_hint
        int32_t unknown, unknown_transient, unknown_permanent
        int32_t accepted, delivered, intermediate, continue_
    ctypedef struct meaning_hit:
        int32_t group
    ctypedef struct meaning_scratch:
        meaning_hit *hits
        uint64_t *is_hit
        uint64_t *holds
        void *memory
    ctypedef struct meaning_decision:
        int32_t reason, disposition, retry_after, provider, rule
        int32_t blocklist, blocklist_start, blocklist_end
        int32_t start, end, code, enhanced, uses_enhanced
    void meaning_key(const uint8_t *data, int64_t length, uint64_t *low, uint64_t *high)
    uint64_t meaning_hash(uint64_t low, uint64_t high)
    int meaning_arrange(
        const uint64_t *hashes, const uint32_t *order, int32_t count, uint32_t shift_mask,
        uint16_t *shifts, uint32_t mask, uint8_t *is_taken, uint32_t *places,
    )
    int meaning_first_place(int root)
    uint32_t meaning_filter_word(uint32_t filter, uint32_t key)
    int64_t meaning_enhanced_row(int32_t enhanced)
    void meaning_put_edge(meaning_node *node, uint32_t word, uint32_t follower)
    uint32_t meaning_bucket_of(uint32_t word, uint32_t shift)
    uint64_t meaning_near(uint32_t word)
    void meaning_put_end(int32_t *ends, uint32_t index, int32_t end)
    int64_t meaning_inner_reply(const uint8_t *text, int64_t size)
    void meaning_list_named(
        const uint8_t *text, int64_t size, const meaning_decision *found, int64_t *start,
        int64_t *end,
    )
    meaning_scratch *meaning_new_scratch(const meaning_rules *rules)
    void meaning_free_scratch(meaning_scratch *scratch)
    void *scan_swap(void **place, void *value)
    ctypedef struct meaning_lines:
        const int16_t *code
        const int32_t *enhanced
        const int64_t *text_start
        const int64_t *text_end
    ctypedef struct meaning_columns:
        int64_t *evidence_start
        int64_t *evidence_end
        int32_t *retry_after
        int32_t *blocklist
        int32_t *provider
        int32_t *rule
        int8_t *reason
        int8_t *disposition
    meaning_decision meaning_line(
        const meaning_rules *rules, meaning_scratch *scratch, const uint8_t *data, int64_t size,
        const meaning_lines *lines, int64_t row, int64_t *text,
    )
    void meaning_fill(
        const meaning_rules *rules, meaning_scratch *scratch, const uint8_t *data, int64_t size,
        const meaning_lines *lines, int64_t rows, const meaning_columns *columns,
    )
    meaning_decision meaning_decide(
        const meaning_rules *rules, meaning_scratch *scratch, int32_t code, int32_t enhanced,
        const uint8_t *text, int64_t size, int64_t readable, int32_t command,
    )


cdef class RuleMatcher:
    cdef readonly object ruleset
    cdef meaning_rules _rules
    cdef list _kept  # what the pointers in _rules point into
    cdef object arrow_words  # what compiled_arrow has made of names
    cdef list _rule_names, _provider_names, _blocklist_names
    cdef void *_spares[4]  # scratches that nobody uses
    # The names of providers and of block lists, and for each where it begins and its size.
    cdef const uint8_t *_names
    cdef const uint32_t *_provider_places
    cdef const uint32_t *_blocklist_places

    cdef const void *keep(self, memory)
    cdef const void *keep_in_lines(self, const void *memory, int64_t size)
    cdef tuple words_of(self, list words)
    cdef bytearray keep_phrases(self, ruleset)
    cdef dict conditions_of(self, ruleset, bytearray numbers)
    cdef keep_groups(self, ruleset)
    cdef keep_rules(self, ruleset, dict all_conditions)
    cdef const uint32_t *keep_places(self, list names, uint32_t start) except NULL
    cdef keep_names(self)
    cdef keep_rows(self, ruleset, list bits)
    cdef meaning_scratch *take_scratch(self) except NULL
    cdef void leave_scratch(self, meaning_scratch *scratch) noexcept
    cdef object record(self, meaning_decision *found, const uint8_t *text, int64_t size)
    cdef list_named(self, meaning_decision *found, const uint8_t *text, int64_t size)
    cdef object decide(
        self, int32_t code, int32_t enhanced, const uint8_t *text, int64_t size, int64_t readable,
        int32_t command,
    )
    cdef object decide_parts(self, tuple parts, int32_t command)
    cdef object decide_raw(self, const uint8_t *data, Py_ssize_t size, int32_t command)
    cdef tuple name_lists(
        self, meaning_scratch *scratch, const uint8_t *data, int64_t size,
        const meaning_lines *lines, int64_t rows, int32_t *column,
    )
