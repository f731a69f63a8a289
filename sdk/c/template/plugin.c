// Marks the calls to the numbers in a table: the header field X-Vip and the attribute `vip` tell their level.
//
// `config = { table = "vips" }`

#include "trunkline/trunkline.h"

static stage_string_t table;

bool exports_stage_configure(stage_string_t *config, stage_string_t *err) {
  (void)err;
  if (!tl_config_text(*config, "table", &table)) {
    table = tl_text("vips");
  }
  return true;
}

bool exports_stage_handle(stage_call_t *call, stage_outcome_t *ret, stage_string_t *err) {
  trunkline_routing_lookups_option_row_t row;
  trunkline_routing_lookups_lookup_error_t failed;
  bool ok = trunkline_routing_lookups_lookup(&table, &call->callee, &row, &failed);
  tl_free_call(call);
  if (!ok) {
    return tl_fail_lookup(err, table, &failed);
  }
  tl_proceed(ret);
  if (row.is_some) {
    stage_string_t level;
    if (tl_field_text(&row.val, "level", &level)) {
      tl_set_header(ret, tl_text("X-Vip"), level);
      tl_attribute(ret, tl_text("vip"), level);
    }
    trunkline_routing_types_row_free(&row.val);
  }
  return true;
}
