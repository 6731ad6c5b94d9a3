/* Proves which parts of a path count for a flow key and which do not, that everything counts for
 * the fragments of a datagram, what a path looks like from the other side, and that the table keeps
 * equal paths once, forgets none that is used, and counts what it has no room for.
 */
#include "tests/support/check.h"

#include "dataplane/flow/path.h"

static const struct hash_key secret = { 3, 5 };
static struct counters counters;
static struct arena arena;
static struct paths table;

struct long_path {
	struct path path;
	struct record_tunnel room[RECORD_TUNNELS_MAX];
};

static struct record_tunnel *add(struct long_path *p, enum tunnel_type type, uint32_t id)
{
	struct record_tunnel *t = &p->path.tunnel[p->path.count++];

	*t = (struct record_tunnel){ .type = (uint8_t)type,
				     .id = id,
				     .has_id = 1,
				     .ip_version = 4,
				     .src = { [15] = 1 },
				     .dst = { [15] = 2 } };
	return t;
}

static uint32_t outer_of(enum tunnel_type type, uint32_t id)
{
	struct long_path p = { .path.count = 0 };

	add(&p, type, id);
	return path_outer(&p.path, secret);
}

static void ids_of_networks_count_for_the_key(void **state)
{
	(void)state;
	static const enum tunnel_type networks[] = { TUNNEL_pppoe, TUNNEL_nvgre, TUNNEL_vxlan,
						     TUNNEL_vxlan_gpe, TUNNEL_geneve };

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		assert_int_not_equal(outer_of(networks[i], 5), 0);
		assert_int_not_equal(outer_of(networks[i], 5), outer_of(networks[i], 6));
		assert_int_equal(outer_of(networks[i], 5), outer_of(networks[i], 5));
	}
	assert_int_not_equal(outer_of(TUNNEL_vxlan, 5), outer_of(TUNNEL_geneve, 5));
}

static void ids_of_directions_do_not(void **state)
{
	(void)state;
	static const enum tunnel_type others[] = { TUNNEL_mpls, TUNNEL_gre,    TUNNEL_pptp,
						   TUNNEL_gtp,  TUNNEL_erspan, TUNNEL_l2tp,
						   TUNNEL_ipip, TUNNEL_ip6in4, TUNNEL_teredo };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(outer_of(others[i], 5), 0);
}

static void addresses_do_not_count_for_the_key_but_for_fragments(void **state)
{
	(void)state;
	struct long_path p = { .path.count = 0 }, q = p;

	add(&p, TUNNEL_vxlan, 5);
	add(&q, TUNNEL_vxlan, 5)->src[0] = 9;
	assert_int_equal(path_outer(&p.path, secret), path_outer(&q.path, secret));
	assert_int_not_equal(path_way(&p.path, secret), path_way(&q.path, secret));
	q = p;
	q.path.vlan[0] = 0x8005;
	assert_int_not_equal(path_way(&p.path, secret), path_way(&q.path, secret));
}

static void networks_inside_each_other_count_in_their_order(void **state)
{
	(void)state;
	struct long_path p = { .path.count = 0 }, q = p, r = p;

	add(&p, TUNNEL_vxlan, 5), add(&p, TUNNEL_geneve, 6);
	add(&q, TUNNEL_geneve, 6), add(&q, TUNNEL_vxlan, 5);
	add(&r, TUNNEL_vxlan, 5), add(&r, TUNNEL_gtp, 77), add(&r, TUNNEL_geneve, 6);
	assert_int_not_equal(path_outer(&p.path, secret), path_outer(&q.path, secret));
	assert_int_equal(path_outer(&p.path, secret), path_outer(&r.path, secret));
}

static void the_other_side_sees_the_ends_swapped_and_no_id_of_one_direction(void **state)
{
	(void)state;
	struct long_path p = { .path.count = 0 };
	struct record_tunnel seen[3];

	add(&p, TUNNEL_vxlan, 5), add(&p, TUNNEL_gtp, 77), add(&p, TUNNEL_erspan, 9);
	path_mirror(seen, p.path.tunnel, 3);
	assert_int_equal(seen[0].has_id, 1);
	assert_int_equal(seen[0].id, 5);
	assert_int_equal(seen[0].src[15], 2);
	assert_int_equal(seen[0].dst[15], 1);
	assert_int_equal(seen[1].has_id, 0);
	assert_int_equal(seen[1].src[15], 2);
	assert_int_equal(seen[2].src[15], 1);
	assert_int_equal(seen[2].dst[15], 2);
}

/* ---- the table ---- */

static void open_table(uint32_t limit)
{
	counters = (struct counters){ 0 };
	assert_int_equal(arena_init(&arena), 0);
	assert_int_equal(paths_init(&table, limit, secret, &arena, &counters), 0);
}

static void close_table(void)
{
	paths_fini(&table);
	assert_int_equal(arena.held_bytes, 0);
	arena_fini(&arena);
}

static void equal_paths_are_kept_once_as_long_as_one_is_used(void **state)
{
	(void)state;
	struct long_path p = { .path.count = 0 };
	const struct path *a, *b, *c;

	open_table(4);
	add(&p, TUNNEL_vxlan, 5);
	a = paths_take(&table, &p.path);
	b = paths_take(&table, &p.path);
	assert_non_null(a);
	assert_ptr_equal(a, b);
	p.path.tunnel[0].id = 6;
	c = paths_take(&table, &p.path);
	assert_ptr_not_equal(a, c);
	assert_int_equal(table.count, 2);
	paths_give(&table, a);
	assert_int_equal(b->tunnel[0].id, 5);
	assert_int_equal(table.count, 2);
	paths_give(&table, b);
	assert_int_equal(table.count, 1);
	paths_give(&table, c);
	close_table();
}

static void a_full_table_counts_and_recovers(void **state)
{
	(void)state;
	struct long_path p = { .path.count = 0 };
	const struct path *kept[3];

	open_table(3);
	add(&p, TUNNEL_gtp, 0);
	for (uint32_t i = 0; i < 3; i++) {
		p.path.tunnel[0].id = i;
		kept[i] = paths_take(&table, &p.path);
		assert_non_null(kept[i]);
	}
	p.path.tunnel[0].id = 3;
	assert_null(paths_take(&table, &p.path));
	assert_int_equal(counters.value[C_paths_forgotten], 1);
	paths_give(&table, kept[1]);
	kept[1] = paths_take(&table, &p.path);
	assert_non_null(kept[1]);
	for (uint32_t i = 0; i < 3; i++)
		paths_give(&table, kept[i]);
	close_table();
}

static void no_memory_is_counted_the_same(void **state)
{
	(void)state;
	struct long_path p = { .path.count = 0 };

	open_table(3);
	arena.limit_bytes = 16;
	add(&p, TUNNEL_gtp, 0);
	assert_null(paths_take(&table, &p.path));
	assert_int_equal(counters.value[C_paths_forgotten], 1);
	close_table();
}

static void a_table_of_none_keeps_none_and_counts_nothing(void **state)
{
	(void)state;
	struct long_path p = { .path.count = 0 };

	open_table(0);
	add(&p, TUNNEL_vxlan, 5);
	assert_null(paths_take(&table, &p.path));
	assert_int_equal(counters.value[C_paths_forgotten], 0);
	close_table();
}

static void thousands_are_found_again(void **state)
{
	(void)state;
	enum { MANY = 5000 };
	static const struct path *kept[MANY];
	struct long_path p = { .path.count = 0 };

	open_table(MANY);
	for (int i = 0; i < RECORD_TUNNELS_MAX; i++)
		add(&p, TUNNEL_gre, 0);
	for (uint32_t i = 0; i < MANY; i++) {
		p.path.tunnel[RECORD_TUNNELS_MAX - 1].id = i;
		kept[i] = paths_take(&table, &p.path);
		assert_non_null(kept[i]);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		p.path.tunnel[RECORD_TUNNELS_MAX - 1].id = i;
		assert_ptr_equal(paths_take(&table, &p.path), kept[i]);
		paths_give(&table, kept[i]);
		paths_give(&table, kept[i]);
	}
	assert_int_equal(table.count, 0);
	close_table();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_of_networks_count_for_the_key),
		cmocka_unit_test(ids_of_directions_do_not),
		cmocka_unit_test(addresses_do_not_count_for_the_key_but_for_fragments),
		cmocka_unit_test(networks_inside_each_other_count_in_their_order),
		cmocka_unit_test(the_other_side_sees_the_ends_swapped_and_no_id_of_one_direction),
		cmocka_unit_test(equal_paths_are_kept_once_as_long_as_one_is_used),
		cmocka_unit_test(a_full_table_counts_and_recovers),
		cmocka_unit_test(no_memory_is_counted_the_same),
		cmocka_unit_test(a_table_of_none_keeps_none_and_counts_nothing),
		cmocka_unit_test(thousands_are_found_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
