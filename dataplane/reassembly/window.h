/* window - what reassembly keeps of a direction: segments ahead of a hole, and
 * what it needs to tell copies apart. Reassembly's own; nobody else includes it.
 */
#ifndef DATAPLANE_REASSEMBLY_WINDOW_H
#define DATAPLANE_REASSEMBLY_WINDOW_H

#include "dataplane/reassembly/reassembly.h"

/* window_has_room - may `bytes` more be held, by the caps of the direction and of the worker? */
bool window_has_room(const struct reassembly *r, const struct direction *d, uint64_t bytes);

/* window_hold - copy `bytes` for later. [offset, +bytes) must not overlap what is held. False: no
 * memory. *near is a held segment that begins before `offset`, or NULL; it becomes the new one.
 * Cost: constant at either end of the list, else one step per segment between *near and its place.
 */
bool window_hold(struct reassembly *r, struct direction *d, struct held **near, uint64_t offset,
		 struct slice bytes, const struct segment *from);

/* window_find - the first held segment that ends after `offset`, or NULL. Looks from `near` on: one
 * that begins before `offset`, or NULL for the first. */
struct held *window_find(const struct direction *d, struct held *near, uint64_t offset);

/* window_pop - take the first held segment off the list; it still counts until window_free(). */
struct held *window_pop(struct reassembly *r, struct direction *d);
void window_free(struct reassembly *r, struct held *h);

/* window_compare_held, _history - how many of `bytes` differ from the copy kept;
 * history only where d->extra is there. */
uint64_t window_compare_held(const struct held *h, uint64_t offset, struct slice bytes);
uint64_t window_compare_history(const struct direction *d, uint64_t offset, struct slice bytes);
void window_keep_history(struct reassembly *r, struct direction *d, uint64_t offset,
			 struct slice bytes);

/* window_note_duplicate - `bytes` were seen before, of which `differ` are not what they were. */
void window_note_duplicate(struct reassembly *r, struct direction *d, uint64_t bytes,
			   uint64_t differ);

/* window_remember_gap, window_bytes_in_gaps - the gaps declared last, to tell late from duplicate.
 */
void window_remember_gap(struct reassembly *r, struct direction *d, uint64_t from, uint64_t to);
uint64_t window_bytes_in_gaps(const struct direction *d, uint64_t from, uint64_t to);

/* window_shunt - [d->next, to) is not followed from now on. Nothing may be held. False: no memory.
 */
bool window_shunt(struct reassembly *r, struct direction *d, uint64_t to);

/* window_keep_syn, window_drop_syn - payload of a SYN. keep: false if there is no memory. */
bool window_keep_syn(struct reassembly *r, struct direction *d, const struct packet *p);
void window_drop_syn(struct reassembly *r, struct direction *d);

/* window_drop_held - the direction ends: what is still held lies beyond its FIN, or had to make
 * room. */
void window_drop_held(struct reassembly *r, struct direction *d);

/* window_clear - give everything back that the direction still has. */
void window_clear(struct reassembly *r, struct direction *d);

/* window_link, window_unlink - the list of directions whose hole waits for --gap-wait. */
void window_link(struct reassembly *r, struct flow *f, enum side side, uint64_t since_ns);
void window_unlink(struct reassembly *r, const struct flow *f, enum side side);

#endif
