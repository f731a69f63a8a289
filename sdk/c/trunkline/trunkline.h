// Write a routing stage of the Trunkline SIP router in C.
//
// A plugin is a file plugin.c with two functions (stage.h is made from the contract, and documents every type):
//
//   bool exports_stage_configure(stage_string_t *config, stage_string_t *err);              once per instance
//   bool exports_stage_handle(stage_call_t *call, stage_outcome_t *ret, stage_string_t *err);  one call
//
// `true` is success. `false` is a failure of the stage, with `err` as its text (see tl_fail): it stands in the host's log
// and in the call's record, and the stage's `on-failure` decides what becomes of the call. To refuse a call on purpose,
// answer tl_reject and return true. What was answered is applied whole, or not at all.
//
// Texts are pointer and length, UTF-8, without a final zero. What the host hands over belongs to the plugin: free it with
// the functions at the end of stage.h, or leave `call` and `config` be, which are small, to tl_free_call. What is in
// `ret` and `err` must be memory of its own, and is freed after the host has read it: the functions below copy.
//
// There is no C library: <stdlib.h> has malloc and free, <string.h> what a compiler needs; see include/.
#ifndef TRUNKLINE_H
#define TRUNKLINE_H

#include "stage.h"

// A text of the program's own, not copied: for tables, keys and names to ask with.
stage_string_t tl_text(const char *text);

// A copy.
stage_string_t tl_copy(stage_string_t text);

// Whether two texts are the same.
bool tl_same(stage_string_t a, stage_string_t b);

// Whether a text begins with another.
bool tl_begins(stage_string_t text, stage_string_t prefix);

// The text under `key` in the JSON object that `configure` gets; false where there is none. `value` is a copy.
// Nested objects and lists are passed over.
bool tl_config_text(stage_string_t config, const char *key, stage_string_t *value);

// The number under `key`, an integer; false where there is none.
bool tl_config_integer(stage_string_t config, const char *key, int64_t *value);

// The text of a row's field; false where it is absent or no text. `value` is the row's own.
bool tl_field_text(const trunkline_routing_types_row_t *row, const char *name, stage_string_t *value);

// Go on with the next stage. Returns true.
bool tl_proceed(stage_outcome_t *outcome);

// Refuse the call with this final response, 300 to 699; an empty reason is the standard one. Returns true.
bool tl_reject(stage_outcome_t *outcome, uint16_t code, stage_string_t reason);

// Beside the verdict, which comes first: set a header field; leave a text for later stages and the call record.
void tl_set_header(stage_outcome_t *outcome, stage_string_t name, stage_string_t value);
void tl_attribute(stage_outcome_t *outcome, stage_string_t name, stage_string_t value);

// Fail with `what`, and with `of` after it, which may be empty. Returns false.
bool tl_fail(stage_string_t *err, const char *what, stage_string_t of);

// Fail because a table gave no answer. Returns false.
bool tl_fail_lookup(stage_string_t *err, stage_string_t table, trunkline_routing_lookups_lookup_error_t *why);

// Give back what the host handed to exports_stage_handle.
void tl_free_call(stage_call_t *call);

#endif
