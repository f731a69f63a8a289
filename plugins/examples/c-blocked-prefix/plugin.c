// Refuses calls from or to blocked number ranges, before anything is dipped for them: revenue-share ranges, premium
// numbers, whole countries that a customer never calls.
//
// | key | default | meaning |
// |---|---|---|
// | `callees` | `blocked-prefixes` | prefix table of called numbers |
// | `callers` | none | prefix table of calling numbers |
// | `code` | 603 | the answer; 300 to 699 |
//
// A row's `reason` becomes the reason phrase, where it has one. Leaves the attribute `blocked`: the table that had it.

#include "trunkline/trunkline.h"

static stage_string_t callees, callers;
static bool has_callers;
static int64_t code = 603;

bool exports_stage_configure(stage_string_t *config, stage_string_t *err) {
  if (!tl_config_text(*config, "callees", &callees)) {
    callees = tl_text("blocked-prefixes");
  }
  has_callers = tl_config_text(*config, "callers", &callers);
  if (tl_config_integer(*config, "code", &code) && (code < 300 || code > 699)) {
    return tl_fail(err, "code: no final response that refuses; 300 to 699", tl_text(""));
  }
  return true;
}

// What was found in one table.
typedef enum { CLEAR, BLOCKED, FAILED } finding;

static finding look(stage_string_t *table, stage_string_t *digits, stage_outcome_t *ret, stage_string_t *err) {
  trunkline_routing_lookups_list_row_t rows;
  trunkline_routing_lookups_lookup_error_t failed;
  if (digits->len == 0) {
    return CLEAR;
  }
  if (!trunkline_routing_lookups_lookup_prefix(table, digits, &rows, &failed)) {
    tl_fail_lookup(err, *table, &failed);
    return FAILED;
  }
  finding found = CLEAR;
  if (rows.len > 0) {
    stage_string_t reason = tl_text("");
    // The longest prefix comes first.
    tl_field_text(&rows.ptr[0], "reason", &reason);
    tl_reject(ret, (uint16_t)code, reason);
    tl_attribute(ret, tl_text("blocked"), *table);
    found = BLOCKED;
  }
  trunkline_routing_lookups_list_row_free(&rows);
  return found;
}

bool exports_stage_handle(stage_call_t *call, stage_outcome_t *ret, stage_string_t *err) {
  finding found = look(&callees, &call->callee, ret, err);
  if (found == CLEAR && has_callers) {
    found = look(&callers, &call->caller, ret, err);
  }
  tl_free_call(call);
  // A table that does not answer is no all-clear: `on-failure` says what becomes of the call.
  return found == FAILED ? false : found == BLOCKED ? true : tl_proceed(ret);
}
