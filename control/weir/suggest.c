/* suggest - the nearest known word by edit distance. */
#include "control/weir/suggest.h"

#include <limits.h>
#include <string.h>

/* Longer words are not worth a suggestion; it bounds the table of distance(). */
enum { WORD_BYTES = 40 };

#define TOO_FAR UINT_MAX

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* distance - letters to insert, delete, replace or swap with their neighbour to get from a to b
 * (Damerau-Levenshtein, in its restricted form). */
static unsigned distance(const char *a, const char *b)
{
	size_t rows = strlen(a), columns = strlen(b);
	unsigned d[WORD_BYTES + 1][WORD_BYTES + 1];

	if (rows > WORD_BYTES || columns > WORD_BYTES)
		return TOO_FAR;
	for (unsigned i = 0; i <= rows; i++)
		d[i][0] = i;
	for (unsigned j = 0; j <= columns; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= rows; i++) {
		for (size_t j = 1; j <= columns; j++) {
			unsigned differs = a[i - 1] != b[j - 1];

			d[i][j] = smallest(d[i - 1][j] + 1, d[i][j - 1] + 1,
					   d[i - 1][j - 1] + differs);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[rows][columns];
}

void suggest_begin(struct suggest *s, const char *typed)
{
	size_t allowed = (strlen(typed) + 2) / 3;

	*s = (struct suggest){ .typed = typed, .best_distance = (unsigned)allowed + 1 };
}

void suggest_offer(struct suggest *s, const char *word)
{
	size_t bytes = strlen(s->typed);
	unsigned d = distance(s->typed, word);

	/* Who stopped typing early is nearer than who mistyped. */
	if (bytes >= 2 && strncmp(s->typed, word, bytes) == 0)
		d = d < 1 ? 0 : 1;
	if (d < s->best_distance) {
		s->best = word;
		s->best_distance = d;
	}
}
