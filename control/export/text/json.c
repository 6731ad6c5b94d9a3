#include "control/export/text/json.h"

#include <endian.h>
#include <time.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NUMBER_MAX (UINT64_C(1) << 53)

uint32_t json_special_scalar(const uint8_t bytes[16])
{
	uint32_t special = 0;

	for (unsigned i = 0; i < 16; i++) {
		uint8_t b = bytes[i];

		special |= (uint32_t)(b < 0x20 || b >= 0x80 || b == '"' || b == '\\') << i;
	}
	return special;
}

#ifdef __SSE2__
/* One signed comparison finds both what is below 0x20 and what has its high bit set. */
static inline uint32_t special_bits(const uint8_t *bytes)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)bytes);
	__m128i control = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
	__m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
	__m128i backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));

	return (uint32_t)_mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash)));
}
#else
static inline uint32_t special_bits(const uint8_t *bytes)
{
	return json_special_scalar(bytes);
}
#endif

uint32_t json_special(const uint8_t bytes[16])
{
	return special_bits(bytes);
}

/* Length of the multi-byte sequence at `s`, or 0 if RFC 3629 section 4 knows none that begins so:
 * overlong forms, surrogates and what is beyond U+10FFFF are refused by the second byte's range. */
static size_t utf8_length(const uint8_t *s, size_t count)
{
	uint8_t low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
	uint8_t high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
	size_t length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (s[0] < 0xc2 || s[0] > 0xf4 || count < length || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

static char *put_control(char *at, uint8_t byte)
{
	static const char letter[0x20] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
	};

	if (letter[byte] != 0) {
		at[0] = '\\';
		at[1] = letter[byte];
		return at + 2;
	}
	at = json_literal(at, "\\u00");
	at[0] = (char)('0' + (byte >> 4));
	at[1] = "0123456789abcdef"[byte & 15];
	return at + 2;
}

/* One byte that cannot be copied, or one multi-byte sequence. Returns how many were taken. */
static size_t put_special(char **at, const uint8_t *s, size_t count, bool *ret_bad)
{
	size_t length;

	if (s[0] == '"' || s[0] == '\\') {
		*(*at)++ = '\\';
		*(*at)++ = (char)s[0];
		return 1;
	}
	if (s[0] < 0x20) {
		*at = put_control(*at, s[0]);
		return 1;
	}
	length = utf8_length(s, count);
	if (length == 0) {
		*at = json_literal(*at, "\xef\xbf\xbd");
		*ret_bad = true;
		return 1;
	}
	memcpy(*at, s, length);
	*at += length;
	return length;
}

char *json_padded(char *at, const uint8_t *bytes, size_t count, bool *ret_bad)
{
	const uint8_t *s = bytes, *end = bytes + count;

	*at++ = '"';
	while (s < end) {
		uint32_t special = special_bits(s);
		size_t clean = special != 0 ? (size_t)__builtin_ctz(special) : 16;
		size_t left = (size_t)(end - s);

		memcpy(at, s, 16);
		if (likely(clean >= left)) {
			at += left;
			break;
		}
		at += clean;
		s += clean;
		if (clean < 16)
			s += put_special(&at, s, left - clean, ret_bad);
	}
	*at++ = '"';
	return at;
}

char *json_quoted(char *at, const void *bytes, size_t count, bool *ret_bad)
{
	const uint8_t *s = bytes;

	*at++ = '"';
	for (size_t i = 0; i < count;) {
		if (s[i] < 0x20 || s[i] >= 0x80 || s[i] == '"' || s[i] == '\\')
			i += put_special(&at, s + i, count - i, ret_bad);
		else
			*at++ = (char)s[i++];
	}
	*at++ = '"';
	return at;
}

char *json_base64(char *at, const uint8_t *bytes, size_t count)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i;

	*at++ = '"';
	for (i = 0; i < count; i += 3) {
		size_t left = count - i;
		uint32_t group = (uint32_t)bytes[i] << 16;

		if (left > 1)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (left > 2)
			group |= bytes[i + 2];
		*at++ = digit[group >> 18];
		*at++ = digit[group >> 12 & 63];
		*at++ = left > 1 ? digit[group >> 6 & 63] : '=';
		*at++ = left > 2 ? digit[group & 63] : '=';
	}
	*at++ = '"';
	return at;
}

/* clang-format off */
static const char two_digits[] =
	"00010203040506070809" "10111213141516171819" "20212223242526272829" "30313233343536373839"
	"40414243444546474849" "50515253545556575859" "60616263646566676869" "70717273747576777879"
	"80818283848586878889" "90919293949596979899";
/* clang-format on */

static inline void put_two(char *at, uint32_t below_100)
{
	memcpy(at, two_digits + 2 * below_100, 2);
}

static inline char *put_four(char *at, uint32_t below_10000)
{
	put_two(at, below_10000 / 100);
	put_two(at + 2, below_10000 % 100);
	return at + 4;
}

static inline char *put_eight(char *at, uint32_t below_100000000)
{
	at = put_four(at, below_100000000 / 10000);
	return put_four(at, below_100000000 % 10000);
}

/* Without leading zeros. */
static inline char *put_up_to_four(char *at, uint32_t below_10000)
{
	uint32_t high = below_10000 / 100, low = below_10000 % 100;

	if (high >= 10) {
		put_two(at, high);
		at += 2;
	} else if (high > 0) {
		*at++ = (char)('0' + high);
	} else if (low < 10) {
		*at++ = (char)('0' + low);
		return at;
	}
	put_two(at, low);
	return at + 2;
}

static inline char *put_up_to_eight(char *at, uint32_t below_100000000)
{
	if (below_100000000 < 10000)
		return put_up_to_four(at, below_100000000);
	at = put_up_to_four(at, below_100000000 / 10000);
	return put_four(at, below_100000000 % 10000);
}

/* In groups of four and eight digits, whose divisions do not wait for each other: half the time
 * of two digits after two, measured on the numbers of a record. */
char *json_digits(char *at, uint64_t value)
{
	const uint64_t eight = 100000000;

	if (likely(value < eight))
		return put_up_to_eight(at, (uint32_t)value);
	if (value < eight * eight) {
		at = put_up_to_eight(at, (uint32_t)(value / eight));
		return put_eight(at, (uint32_t)(value % eight));
	}
	at = put_up_to_four(at, (uint32_t)(value / (eight * eight)));
	value %= eight * eight;
	at = put_eight(at, (uint32_t)(value / eight));
	return put_eight(at, (uint32_t)(value % eight));
}

char *json_number(char *at, uint64_t value)
{
	if (likely(value <= NUMBER_MAX))
		return json_digits(at, value);
	*at++ = '"';
	at = json_digits(at, value);
	*at++ = '"';
	return at;
}

char *json_signed(char *at, int64_t value)
{
	uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	bool quoted = size > NUMBER_MAX;

	if (quoted)
		*at++ = '"';
	if (value < 0)
		*at++ = '-';
	at = json_digits(at, size);
	if (quoted)
		*at++ = '"';
	return at;
}

/* The eight digits of 32 bits as eight bytes, the first digit in the lowest: each nibble is moved
 * into a byte of its own, and those of ten and more get the distance from '9' + 1 to 'a' added. */
static uint64_t hex_digits(uint32_t value)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t x = value, letters;

	x = (x << 16 | x) & UINT64_C(0x0000ffff0000ffff);
	x = (x << 8 | x) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x << 4 | x) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	letters = (x + 6 * ones) >> 4 & ones;
	return htole64(__builtin_bswap64(x + '0' * ones + letters * ('a' - '9' - 1)));
}

char *json_hex(char *at, uint64_t value)
{
	uint64_t high = hex_digits((uint32_t)(value >> 32)), low = hex_digits((uint32_t)value);

	at[0] = '"';
	memcpy(at + 1, &high, 8);
	memcpy(at + 9, &low, 8);
	at[17] = '"';
	return at + 18;
}

/* gmtime_r() cannot fail here: 2^64 ns end in the year 2554. */
static void clock_set_second(struct json_clock *clock, uint64_t second)
{
	time_t t = (time_t)second;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(clock->text, sizeof(clock->text), "%Y-%m-%dT%H:%M:%S", &tm);
	clock->second = second;
}

char *json_time(struct json_clock *clock, char *at, uint64_t ns)
{
	uint64_t second = ns / CLOCK_SECOND_NS, fraction = ns % CLOCK_SECOND_NS;

	if (unlikely(second != clock->second || clock->text[0] == 0))
		clock_set_second(clock, second);
	*at++ = '"';
	memcpy(at, clock->text, 19);
	at[19] = '.';
	at[20] = (char)('0' + fraction / 100000000);
	put_eight(at + 21, (uint32_t)(fraction % 100000000));
	return json_literal(at + 29, "Z\"");
}

/* The longest run of at least two zero groups, the first of equals (RFC 5952 section 4.2). */
static unsigned longest_zero_run(const uint16_t group[8], unsigned *ret_length)
{
	unsigned best = 8, best_length = 1;

	for (unsigned i = 0; i < 8;) {
		unsigned length = 0;

		while (i + length < 8 && group[i + length] == 0)
			length++;
		if (length > best_length) {
			best = i;
			best_length = length;
		}
		i += length + 1;
	}
	*ret_length = best_length;
	return best;
}

static char *put_group(char *at, uint16_t group)
{
	int shift = group >= 0x1000 ? 12 : group >= 0x100 ? 8 : group >= 0x10 ? 4 : 0;

	for (; shift >= 0; shift -= 4)
		*at++ = "0123456789abcdef"[group >> shift & 15];
	return at;
}

static char *put_ip6(char *at, const uint8_t ip[16])
{
	uint16_t group[8];
	unsigned run, run_length;

	for (unsigned i = 0; i < 8; i++)
		group[i] = (uint16_t)(ip[2 * i] << 8 | ip[2 * i + 1]);
	run = longest_zero_run(group, &run_length);
	for (unsigned i = 0; i < 8; i++) {
		if (i == run) {
			at = json_literal(at, "::");
			i += run_length - 1;
			continue;
		}
		if (i > 0 && at[-1] != ':')
			*at++ = ':';
		at = put_group(at, group[i]);
	}
	return at;
}

char *json_address(char *at, const uint8_t ip[16], unsigned version)
{
	if (version != 4)
		return put_ip6(at, ip);
	for (unsigned i = 12; i < 16; i++) {
		at = put_up_to_four(at, ip[i]);
		*at++ = '.';
	}
	return at - 1;
}
