/* units - numbers as people write them. */
#include "control/weir/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct factor {
	const char *suffix;
	uint64_t times;
};

/* Largest first: units_format() takes the first that divides. */
static const struct factor byte_factors[] = {
	{ "TiB", UINT64_C(1) << 40 },
	{ "GiB", UINT64_C(1) << 30 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "", 1 },
	{ NULL, 0 },
};

/* Further ways to write the same; read, never written. */
static const struct factor byte_aliases[] = {
	{ "T", UINT64_C(1) << 40 },
	{ "G", UINT64_C(1) << 30 },
	{ "M", UINT64_C(1) << 20 },
	{ "K", UINT64_C(1) << 10 },
	{ "B", 1 },
	{ NULL, 0 },
};

static const struct factor time_factors[] = {
	{ "d", UINT64_C(86400000000000) },
	{ "h", UINT64_C(3600000000000) },
	{ "m", UINT64_C(60000000000) },
	{ "s", UINT64_C(1000000000) },
	{ "ms", 1000000 },
	{ "us", 1000 },
	{ "ns", 1 },
	{ NULL, 0 },
};

static const struct factor time_aliases[] = {
	{ "", UINT64_C(1000000000) },
	{ NULL, 0 },
};

static const struct factor *find_factor(const struct factor *list, const char *suffix)
{
	for (; list->suffix != NULL; list++)
		if (strcasecmp(list->suffix, suffix) == 0)
			return list;
	return NULL;
}

/* digits - read decimal digits. Returns how many there were, or -ERANGE. */
static int digits(const char **at, uint64_t *ret)
{
	uint64_t value = 0;
	int count = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++, count++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value))
			return -ERANGE;
	*ret = value;
	return count;
}

static int parse_scaled(const char *text, const struct factor *factors,
			const struct factor *aliases, uint64_t *ret)
{
	uint64_t whole = 0, part = 0, value, scale = 1;
	int whole_digits, part_digits = 0;
	const struct factor *f;

	whole_digits = digits(&text, &whole);
	if (whole_digits <= 0)
		return whole_digits < 0 ? -ERANGE : -EINVAL;
	if (*text == '.') {
		text++;
		part_digits = digits(&text, &part);
		if (part_digits <= 0 || part_digits > 12)
			return -EINVAL;
	}
	for (int i = 0; i < part_digits; i++)
		scale *= 10;
	f = find_factor(factors, text);
	if (f == NULL)
		f = find_factor(aliases, text);
	if (f == NULL)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, f->times, &value))
		return -ERANGE;
	/* 10^12 times the largest factor does not fit 64 bits. */
	unsigned __int128 fraction = (unsigned __int128)part * f->times;
	if (fraction % scale != 0)
		return -EINVAL;
	if (__builtin_add_overflow(value, (uint64_t)(fraction / scale), &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

static int parse_hex(const char *text, uint64_t *ret)
{
	uint64_t value = 0;

	if (*text == '\0')
		return -EINVAL;
	for (; *text != '\0'; text++) {
		static const char alphabet[] = "0123456789abcdef";
		const char *found = strchr(alphabet, *text | 0x20);

		if (found == NULL || (*text | 0x20) != *found)
			return -EINVAL;
		if (value >> 60 != 0)
			return -ERANGE;
		value = value << 4 | (uint64_t)(found - alphabet);
	}
	*ret = value;
	return 0;
}

static int parse_count(const char *text, uint64_t *ret)
{
	uint64_t value;
	int count;

	if (strncasecmp(text, "0x", 2) == 0)
		return parse_hex(text + 2, ret);
	count = digits(&text, &value);
	if (count < 0)
		return count;
	if (count == 0 || *text != '\0')
		return -EINVAL;
	*ret = value;
	return 0;
}

static int parse_switch(const char *text, uint64_t *ret)
{
	bool on = strcmp(text, "on") == 0;

	if (!on && strcmp(text, "off") != 0)
		return -EINVAL;
	*ret = on;
	return 0;
}

int units_parse(enum setting_unit unit, const char *text, uint64_t *ret)
{
	switch (unit) {
	case UNIT_COUNT: return parse_count(text, ret);
	case UNIT_BYTES: return parse_scaled(text, byte_factors, byte_aliases, ret);
	case UNIT_TIME_NS: return parse_scaled(text, time_factors, time_aliases, ret);
	case UNIT_SWITCH: return parse_switch(text, ret);
	}
	return -EINVAL;
}

static void format_scaled(uint64_t value, const struct factor *f, char ret[UNITS_TEXT_BYTES])
{
	while (value % f->times != 0)
		f++;
	(void)snprintf(ret, UNITS_TEXT_BYTES, "%" PRIu64 "%s", value / f->times, f->suffix);
}

void units_format(enum setting_unit unit, uint64_t value, char ret[UNITS_TEXT_BYTES])
{
	if (unit == UNIT_SWITCH)
		(void)snprintf(ret, UNITS_TEXT_BYTES, "%s", value != 0 ? "on" : "off");
	else if (unit == UNIT_BYTES && value != 0)
		format_scaled(value, byte_factors, ret);
	else if (unit == UNIT_TIME_NS && value != 0)
		format_scaled(value, time_factors, ret);
	else
		(void)snprintf(ret, UNITS_TEXT_BYTES, "%" PRIu64, value);
}

const char *units_example(enum setting_unit unit)
{
	switch (unit) {
	case UNIT_COUNT: return "a number such as 1000";
	case UNIT_BYTES: return "a size such as 512, 64k or 1MiB";
	case UNIT_TIME_NS: return "a time such as 20ms, 5s or 2m";
	case UNIT_SWITCH: return "on or off";
	}
	return "";
}
