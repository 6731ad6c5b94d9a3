/* json - the writer: values put into a buffer that is known to be large enough.
 *
 * Every function writes at `at` and returns where the next byte goes. None of
 * them looks at the end of the buffer: what they can need is bounded, and the
 * caller has made sure of that room once per record (TEXT_LINE_MAX), not once
 * per value. The text is compact, UTF-8, and never holds a private escape.
 *
 *     bytes                     in the text
 *     0x20..0x7f                as they are; `"` and `\` behind a `\`
 *     below 0x20                \b \t \n \f \r, else \u00xx
 *     valid UTF-8 (RFC 3629)    as it is
 *     any other byte            U+FFFD each, and the caller hears that it was bad
 *
 * Threads: any; nothing is shared.
 */
#ifndef CONTROL_EXPORT_TEXT_JSON_H
#define CONTROL_EXPORT_TEXT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A string is copied 16 bytes at a time: this much beyond its end may be read, and written. */
enum { JSON_SLACK_BYTES = 16 };

/* Room for a string of `bytes`, for its base64, for a number, a time, an address; each with the
 * slack. */
#define JSON_STRING_ROOM(bytes) (6 * (bytes) + 2 + JSON_SLACK_BYTES)
#define JSON_BASE64_ROOM(bytes) (((bytes) + 2) / 3 * 4 + 2)
#define JSON_NUMBER_ROOM        (22 + JSON_SLACK_BYTES)
#define JSON_TIME_ROOM          (32 + JSON_SLACK_BYTES)
#define JSON_ADDRESS_ROOM       (40 + JSON_SLACK_BYTES)

/* json_literal - a string constant, as it is. */
#define json_literal(at, text) ((char *)memcpy((at), (text), sizeof(text) - 1) + sizeof(text) - 1)

static inline char *json_raw(char *at, const char *text, size_t bytes)
{
	memcpy(at, text, bytes);
	return at + bytes;
}

/* json_padded - a string in quotes, whose memory is readable for JSON_SLACK_BYTES beyond its end.
 * *ret_bad becomes true if a byte was not valid UTF-8, and is left alone otherwise. */
char *json_padded(char *at, const uint8_t *bytes, size_t count, bool *ret_bad);

/* json_quoted - the same for memory that ends where it ends. Slower: for paths and names. (Not
 * json_string: jansson has one, and the linker would give it ours.) */
char *json_quoted(char *at, const void *bytes, size_t count, bool *ret_bad);

/* json_base64 - RFC 4648 section 4, padded, in quotes. */
char *json_base64(char *at, const uint8_t *bytes, size_t count);

/* json_digits - decimal digits and nothing else. */
char *json_digits(char *at, uint64_t value);

/* json_number - a number up to 2^53; above, the digits in quotes, because most readers keep
 * numbers in a double and would round it. */
char *json_number(char *at, uint64_t value);

/* json_signed - the same for what may be negative. */
char *json_signed(char *at, int64_t value);

/* json_hex - 16 lower-case digits in quotes. */
char *json_hex(char *at, uint64_t value);

/* The date and time of the second written last: consecutive records mostly share it. */
struct json_clock {
	uint64_t second;
	char text[20]; /* 2025-11-21T00:00:00, empty before the first */
};

/* json_time - RFC 3339 in UTC with nine digits, in quotes. Units: ns since 1970. */
char *json_time(struct json_clock *clock, char *at, uint64_t ns);

/* json_address - without quotes. Version 4: the last four of the 16 bytes, dotted; else RFC 5952
 * section 4, in hexadecimal throughout. */
char *json_address(char *at, const uint8_t ip[16], unsigned version);

/* json_special - bit i is set if byte i of the 16 cannot be copied as it is; the vector version
 * where there is one, and the scalar one it is tested against. */
uint32_t json_special(const uint8_t bytes[16]);
uint32_t json_special_scalar(const uint8_t bytes[16]);

#endif
