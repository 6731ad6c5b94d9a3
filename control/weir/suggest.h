/* suggest - which of the known words did somebody mean? */
#ifndef CONTROL_WEIR_SUGGEST_H
#define CONTROL_WEIR_SUGGEST_H

#include <stddef.h>

struct suggest {
	const char *typed;
	const char *best; /* NULL: nothing is near enough to be helpful */
	unsigned best_distance;
};

/* suggest_begin - then suggest_offer() every known word; `best` is the answer.
 *
 * Near enough is: one typing error in three letters, or the beginning of the
 * word. Words that are equally near: the first one offered.
 */
void suggest_begin(struct suggest *s, const char *typed);
void suggest_offer(struct suggest *s, const char *word);

#endif
