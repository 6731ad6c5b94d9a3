/* identify - one scan, then the probes. See identify.h. */
#include "dataplane/dissect/identify.h"

#include <errno.h>
#include <hs.h>
#include <stdlib.h>
#include <string.h>

struct identify_database {
	hs_database_t *hs; /* NULL: no enabled dissector has a pattern */
};

enum { PATTERNS_MAX = 1024 };

/* The set of dissectors that `names` enables. */
static int enabled_set(const char *names, uint64_t *ret, const char **ret_bad)
{
	*ret = 0;
	if (*names == 0) {
		*ret = dissector_count == 64 ? UINT64_MAX : (UINT64_C(1) << dissector_count) - 1;
		return 0;
	}
	for (; *names != 0; names += strlen(names) + 1) {
		uint32_t i = dissector_find(names);

		if (i == DISSECTOR_NONE) {
			*ret_bad = names;
			return -EINVAL;
		}
		*ret |= UINT64_C(1) << i;
	}
	return 0;
}

int identify_compile(const char *names, struct identify_database **ret, uint64_t *ret_enabled,
		     const char **ret_bad)
{
	static const char *regex[PATTERNS_MAX];
	static unsigned flags[PATTERNS_MAX], id[PATTERNS_MAX];
	struct identify_database *d;
	hs_compile_error_t *error = NULL;
	unsigned count = 0;
	int err = enabled_set(names, ret_enabled, ret_bad);

	if (err < 0)
		return err;
	for (uint32_t i = 0; i < dissector_count; i++) {
		for (uint32_t k = 0; k < dissectors[i]->pattern_count; k++) {
			if ((*ret_enabled >> i & 1) == 0 || count == PATTERNS_MAX)
				continue;
			regex[count] = dissectors[i]->patterns[k].regex;
			flags[count] = dissectors[i]->patterns[k].hs_flags | HS_FLAG_SINGLEMATCH;
			id[count++] = i;
		}
	}
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	if (count > 0 && hs_compile_multi(regex, flags, id, count, HS_MODE_BLOCK, NULL, &d->hs,
					  &error) != HS_SUCCESS) {
		*ret_bad = error->expression >= 0 ? regex[error->expression]
						  : "all patterns together";
		hs_free_compile_error(error);
		free(d);
		return -EINVAL;
	}
	*ret = d;
	return 0;
}

void identify_free(struct identify_database *d)
{
	if (d == NULL)
		return;
	hs_free_database(d->hs);
	free(d);
}

int identify_init(struct identify *i, const struct identify_database *d, uint64_t enabled)
{
	hs_scratch_t *scratch = NULL;

	if (d->hs != NULL && hs_alloc_scratch(d->hs, &scratch) != HS_SUCCESS)
		return -ENOMEM;
	*i = (struct identify){ .database = d, .scratch = scratch, .enabled = enabled };
	return 0;
}

void identify_fini(struct identify *i)
{
	hs_free_scratch(i->scratch);
	i->scratch = NULL;
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		    void *context)
{
	uint64_t *candidates = context;

	(void)from, (void)to, (void)flags;
	*candidates |= UINT64_C(1) << id;
	return 0;
}

static uint64_t scan(const struct identify *i, struct slice first)
{
	unsigned bytes = first.bytes < IDENTIFY_SCAN_BYTES ? (unsigned)first.bytes
							   : IDENTIFY_SCAN_BYTES;
	uint64_t candidates = 0;

	/* A dissector without patterns is always asked. */
	for (uint32_t k = 0; k < dissector_count; k++)
		if (dissectors[k]->pattern_count == 0)
			candidates |= UINT64_C(1) << k;
	if (i->database->hs != NULL)
		hs_scan(i->database->hs, (const char *)first.at, bytes, 0, i->scratch, on_match,
			&candidates);
	return candidates & i->enabled;
}

enum guess identify_side(const struct identify *i, struct slice first, uint16_t port, bool last,
			 uint64_t *candidates, uint32_t *ret)
{
	uint32_t maybe = DISSECTOR_NONE;
	uint64_t more = 0;

	if (first.bytes < IDENTIFY_FIRST_BYTES && !last)
		return GUESS_MORE;
	if (*candidates == UINT64_MAX) {
		*candidates = scan(i, first);
		if (*candidates == 0 && first.bytes < IDENTIFY_SCAN_BYTES && !last) {
			*candidates = UINT64_MAX; /* a pattern may need more than has come */
			return GUESS_MORE;
		}
	}
	for (uint64_t left = *candidates; left != 0; left &= left - 1) {
		uint32_t k = (uint32_t)__builtin_ctzll(left);

		switch (dissectors[k]->probe(first, port)) {
		case GUESS_YES: *ret = k; return GUESS_YES;
		case GUESS_MAYBE:
			maybe = maybe == DISSECTOR_NONE ? k : maybe;
			more |= 1ull << k;
			break;
		case GUESS_MORE: more |= 1ull << k; break;
		case GUESS_NO: break;
		}
	}
	*candidates = more;
	if (maybe != DISSECTOR_NONE && (last || more == UINT64_C(1) << maybe)) {
		*ret = maybe;
		return GUESS_YES;
	}
	return more != 0 && !last ? GUESS_MORE : GUESS_NO;
}
