// See trunkline.h.

#include "trunkline.h"

#include <stdlib.h>
#include <string.h>

stage_string_t tl_text(const char *text) { return (stage_string_t){(uint8_t *)text, strlen(text)}; }

stage_string_t tl_copy(stage_string_t text) {
  // An empty text owns nothing: the bindings free none.
  stage_string_t copy = {text.len == 0 ? NULL : malloc(text.len), text.len};
  memcpy(copy.ptr, text.ptr, text.len);
  return copy;
}

bool tl_same(stage_string_t a, stage_string_t b) { return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0; }

bool tl_begins(stage_string_t text, stage_string_t prefix) {
  return text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

bool tl_field_text(const trunkline_routing_types_row_t *row, const char *name, stage_string_t *value) {
  for (size_t i = 0; i < row->len; i++) {
    const trunkline_routing_types_field_t *field = &row->ptr[i];
    if (tl_same(field->name, tl_text(name)) && field->value.tag == TRUNKLINE_ROUTING_TYPES_VALUE_TEXT) {
      *value = field->value.val.text;
      return true;
    }
  }
  return false;
}

bool tl_proceed(stage_outcome_t *outcome) {
  *outcome = (stage_outcome_t){.verdict.tag = TRUNKLINE_ROUTING_TYPES_VERDICT_PROCEED};
  return true;
}

bool tl_reject(stage_outcome_t *outcome, uint16_t code, stage_string_t reason) {
  *outcome = (stage_outcome_t){.verdict.tag = TRUNKLINE_ROUTING_TYPES_VERDICT_REJECT};
  outcome->verdict.val.reject.code = code;
  outcome->verdict.val.reject.reason = tl_copy(reason);
  return true;
}

void tl_set_header(stage_outcome_t *outcome, stage_string_t name, stage_string_t value) {
  trunkline_routing_types_list_edit_t *edits = &outcome->edits;
  edits->ptr = realloc(edits->ptr, (edits->len + 1) * sizeof *edits->ptr);
  trunkline_routing_types_edit_t *edit = &edits->ptr[edits->len++];
  edit->tag = TRUNKLINE_ROUTING_TYPES_EDIT_SET_HEADER;
  edit->val.set_header = (trunkline_routing_types_header_t){tl_copy(name), tl_copy(value)};
}

void tl_attribute(stage_outcome_t *outcome, stage_string_t name, stage_string_t value) {
  trunkline_routing_types_list_attribute_t *attributes = &outcome->attributes;
  attributes->ptr = realloc(attributes->ptr, (attributes->len + 1) * sizeof *attributes->ptr);
  attributes->ptr[attributes->len++] = (trunkline_routing_types_attribute_t){tl_copy(name), tl_copy(value)};
}

bool tl_fail(stage_string_t *err, const char *what, stage_string_t of) {
  stage_string_t head = tl_text(what);
  err->len = head.len + of.len;
  err->ptr = err->len == 0 ? NULL : malloc(err->len);
  memcpy(err->ptr, head.ptr, head.len);
  memcpy(err->ptr + head.len, of.ptr, of.len);
  return false;
}

bool tl_fail_lookup(stage_string_t *err, stage_string_t table, trunkline_routing_lookups_lookup_error_t *why) {
  stage_string_t reason;
  switch (why->tag) {
    case TRUNKLINE_ROUTING_LOOKUPS_LOOKUP_ERROR_UNKNOWN_TABLE: reason = tl_text("unknown table"); break;
    case TRUNKLINE_ROUTING_LOOKUPS_LOOKUP_ERROR_DEADLINE: reason = tl_text("deadline"); break;
    case TRUNKLINE_ROUTING_LOOKUPS_LOOKUP_ERROR_BAD_KEY: reason = tl_text("bad key"); break;
    default: reason = why->val.unavailable;
  }
  stage_string_t named, about = {NULL, 0};
  tl_fail(&named, ": ", reason);
  tl_fail(&about, "table ", table);
  *err = (stage_string_t){malloc(about.len + named.len), about.len + named.len};
  memcpy(err->ptr, about.ptr, about.len);
  memcpy(err->ptr + about.len, named.ptr, named.len);
  free(about.ptr);
  free(named.ptr);
  return false;
}

void tl_free_call(stage_call_t *call) { stage_call_free(call); }
