#include "dataplane/together.h"

#include <stdatomic.h>
#include <string.h>

void together_init(struct together *t, uint32_t workers)
{
	memset(t, 0, sizeof(*t));
	t->workers = workers;
}

void together_walked(struct together *t, uint32_t worker, uint32_t packets)
{
	struct together_worker *w = &t->worker[worker];
	uint64_t before = atomic_load_explicit(&w->packets, memory_order_relaxed);

	atomic_store_explicit(&w->packets, before + packets, memory_order_relaxed);
}

void together_ended(struct together *t, uint32_t worker)
{
	/* Pairs with the acquire in together_left(): who has ended is where it said. */
	atomic_store_explicit(&t->worker[worker].ended, true, memory_order_release);
}

uint64_t together_left(const struct together *t, uint32_t worker, bool *ret_final)
{
	uint64_t own = atomic_load_explicit(&t->worker[worker].packets, memory_order_relaxed);
	uint64_t furthest = own;

	/* In this order: nobody that has ended gets further than the furthest is then. */
	*ret_final = true;
	for (uint32_t i = 0; i < t->workers; i++)
		if (!atomic_load_explicit(&t->worker[i].ended, memory_order_acquire))
			*ret_final = false;
	for (uint32_t i = 0; i < t->workers; i++) {
		uint64_t at = atomic_load_explicit(&t->worker[i].packets, memory_order_relaxed);

		furthest = at > furthest ? at : furthest;
	}
	return furthest - own;
}
