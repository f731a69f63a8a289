// Reads the one JSON object that a plugin gets as its configuration. The host wrote it: it is well formed.

#include <stdlib.h>

#include "trunkline.h"

// What is left to read.
typedef struct {
  const uint8_t *at, *end;
} rest;

static uint8_t next(const rest *json) { return json->at < json->end ? *json->at : 0; }

static void space(rest *json) {
  while (next(json) == ' ' || next(json) == '\n' || next(json) == '\t' || next(json) == '\r') {
    json->at++;
  }
}

static bool take(rest *json, uint8_t byte) {
  space(json);
  bool there = next(json) == byte;
  json->at += there;
  return there;
}

static uint32_t hex(rest *json) {
  uint32_t code = 0;
  for (int i = 0; i < 4 && json->at < json->end; i++) {
    uint8_t digit = *json->at++;
    code = code * 16 + (digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
  }
  return code;
}

static size_t utf8(uint32_t code, uint8_t *out) {
  if (code < 0x80) {
    out[0] = (uint8_t)code;
    return 1;
  }
  size_t tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
  for (size_t i = tail; i > 0; i--) {
    out[i] = 0x80 | (code & 0x3f);
    code >>= 6;
  }
  out[0] = lead[tail] | (uint8_t)code;
  return tail + 1;
}

static uint8_t escape(uint8_t letter) {
  switch (letter) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'b': return '\b';
    case 'f': return '\f';
    default: return letter;
  }
}

// A text after its first quote, as memory of its own. It is never longer than it was written.
static stage_string_t text(rest *json) {
  uint8_t *out = malloc((size_t)(json->end - json->at) + 1);
  size_t length = 0;
  while (json->at < json->end && *json->at != '"') {
    uint8_t byte = *json->at++;
    if (byte != '\\') {
      out[length++] = byte;
      continue;
    }
    uint8_t letter = next(json);
    json->at++;
    if (letter != 'u') {
      out[length++] = escape(letter);
      continue;
    }
    uint32_t code = hex(json);
    // Two halves make one character beyond the first plane.
    if (code >= 0xd800 && code < 0xdc00 && json->end - json->at >= 6) {
      json->at += 2;
      code = 0x10000 + ((code - 0xd800) << 10) + (hex(json) - 0xdc00);
    }
    length += utf8(code, out + length);
  }
  json->at++;
  return (stage_string_t){out, length};
}

// Passes over a value.
static void pass(rest *json) {
  int depth = 0;
  do {
    space(json);
    uint8_t byte = next(json);
    if (byte == '"') {
      json->at++;
      stage_string_t unread = text(json);
      free(unread.ptr);
    } else if (byte == '{' || byte == '[') {
      depth++;
      json->at++;
    } else if (byte == '}' || byte == ']') {
      depth--;
      json->at++;
    } else if (byte == ',' || byte == ':') {
      json->at++;
    } else {
      while (json->at < json->end && *json->at != ',' && *json->at != '}' && *json->at != ']') {
        json->at++;
      }
    }
  } while (depth > 0 && json->at < json->end);
}

// Moves to the value under a key.
static bool find(stage_string_t config, const char *key, rest *json) {
  *json = (rest){config.ptr, config.ptr + config.len};
  if (!take(json, '{')) {
    return false;
  }
  while (take(json, '"')) {
    stage_string_t name = text(json);
    bool found = tl_same(name, tl_text(key));
    free(name.ptr);
    take(json, ':');
    space(json);
    if (found) {
      return true;
    }
    pass(json);
    take(json, ',');
  }
  return false;
}

bool tl_config_text(stage_string_t config, const char *key, stage_string_t *value) {
  rest json;
  if (!find(config, key, &json) || !take(&json, '"')) {
    return false;
  }
  *value = text(&json);
  return true;
}

bool tl_config_integer(stage_string_t config, const char *key, int64_t *value) {
  rest json;
  if (!find(config, key, &json)) {
    return false;
  }
  bool minus = take(&json, '-');
  bool any = false;
  int64_t number = 0;
  for (; next(&json) >= '0' && next(&json) <= '9'; json.at++) {
    any = true;
    // Beyond what it can hold it is no number of ours.
    if (number > (INT64_MAX - 9) / 10) {
      return false;
    }
    number = number * 10 + (next(&json) - '0');
  }
  // A fraction or an exponent follows: not a whole number.
  if (next(&json) == '.' || next(&json) == 'e' || next(&json) == 'E') {
    return false;
  }
  *value = minus ? -number : number;
  return any;
}
