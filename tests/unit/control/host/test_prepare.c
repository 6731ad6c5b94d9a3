/* Proves that a capture makes RSS symmetric where it needs that and puts it back at its end, that
 * the next one puts back what a killed one left, and that a capture that runs is left alone. */
#include "control/host/prepare.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/control/host/nics.h"

static struct host host;
static struct fake_nics nics, was;
static struct nic nic;
static struct settings *settings;

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	nics_make(&nics);
	was = nics;
	machine_nics(&host, &nics, &nic);
	host.link_count = 0;
	machine_put(&host, "/proc/self/ns/net", "");
	settings = calloc(1, sizeof(*settings));
	assert_non_null(settings);
	settings->workers = 4;
	settings->quiet = 1;
	settings->rx_count = 1;
	(void)strcpy(settings->run, "abc123");
	(void)strcpy(settings->rx[0], "af_xdp:" NICS_CARD ",mode=native");
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(settings);
	machine_remove(&host);
	return 0;
}

static bool is_as_it_was(void)
{
	return memcmp(nics.link, was.link, sizeof(was.link)) == 0;
}

static void a_source_names_its_interface(void **state)
{
	static const char *const others[] = {
		"af_packet:eth0",          "pcap:eth0",    "file", "af_xdp:", "af_xdp:,mode=native",
		"af_xdp:sixteen-letters-", "xaf_xdp:eth0", ""
	};
	char name[NIC_NAME_BYTES];

	(void)state;
	assert_true(prepare_interface("af_xdp:eth0", name));
	assert_string_equal(name, "eth0");
	assert_true(prepare_interface("af_xdp:eth1,queues=2", name));
	assert_string_equal(name, "eth1");
	assert_true(prepare_interface("auto:eth2", name));
	assert_string_equal(name, "eth2");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(prepare_interface(others[i], name));
}

static void rss_is_symmetric_as_long_as_it_runs(void **state)
{
	struct prepared p = { .host = NULL };

	(void)state;
	prepare_host(&p, &host, settings, "test");
	assert_true(p.changes);
	assert_int_equal(nics.link[0].rss.transform, NIC_TRANSFORM_SYMMETRIC_XOR);
	prepare_end(&p, "test");
	assert_true(is_as_it_was());
	prepare_end(&p, "test"); /* nothing is left to end */
}

static void one_worker_needs_none(void **state)
{
	struct prepared p = { .host = NULL };

	(void)state;
	settings->workers = 1;
	prepare_host(&p, &host, settings, "test");
	assert_false(p.changes);
	assert_int_equal(nics.changes, 0);
	prepare_end(&p, "test");
}

static void another_back_end_needs_none(void **state)
{
	struct prepared p = { .host = NULL };

	(void)state;
	(void)strcpy(settings->rx[0], "af_packet:" NICS_CARD);
	prepare_host(&p, &host, settings, "test");
	assert_int_equal(nics.changes, 0);
	prepare_end(&p, "test");
}

static void without_rss_it_goes_on(void **state)
{
	struct prepared p = { .host = NULL };

	(void)state;
	(void)strcpy(settings->rx[0], "af_xdp:" NICS_VETH);
	prepare_host(&p, &host, settings, "test");
	assert_false(p.changes);
	prepare_end(&p, "test");
	(void)strcpy(settings->rx[0], "af_xdp:none");
	prepare_host(&p, &host, settings, "test");
	assert_false(p.changes);
	prepare_end(&p, "test");
	assert_true(is_as_it_was());
}

static void where_the_program_chooses_nothing_is_changed(void **state)
{
	struct prepared p = { .host = NULL };

	(void)state;
	(void)strcpy(settings->rx[0], "af_xdp:" NICS_CARD ",spread=on");
	prepare_host(&p, &host, settings, "test");
	assert_false(p.changes);
	prepare_end(&p, "test");
	(void)strcpy(settings->rx[0], "af_xdp:" NICS_CARD);
	(void)strcpy(settings->rx[1], "af_xdp:" NICS_VETH);
	settings->rx_count = 2;
	prepare_host(&p, &host, settings, "test");
	assert_false(p.changes);
	prepare_end(&p, "test");
	assert_int_equal(nics.changes, 0);
}

static void kill_one(void)
{
	int how;
	pid_t child = fork();

	if (child == 0) {
		struct prepared p = { .host = NULL };

		prepare_host(&p, &host, settings, "test");
		/* The interface is in the parent's memory: that is where it stays changed. */
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFSIGNALED(how));
	nics.link[0].rss.transform = NIC_TRANSFORM_SYMMETRIC_XOR;
}

static void what_a_killed_one_left_is_put_back_by_the_next(void **state)
{
	struct prepared p = { .host = NULL };

	(void)state;
	kill_one();
	assert_false(is_as_it_was());
	settings->workers = 1;
	(void)strcpy(settings->run, "def456");
	prepare_host(&p, &host, settings, "test");
	assert_true(is_as_it_was());
	prepare_end(&p, "test");
}

static void one_that_runs_is_left_alone(void **state)
{
	struct prepared p = { .host = NULL }, other = { .host = NULL };

	(void)state;
	prepare_host(&p, &host, settings, "test");
	(void)strcpy(settings->run, "def456");
	prepare_host(&other, &host, settings, "test");
	assert_false(other.changes); /* it is symmetric already */
	prepare_end(&other, "test");
	assert_int_equal(nics.link[0].rss.transform, NIC_TRANSFORM_SYMMETRIC_XOR);
	prepare_end(&p, "test");
	assert_true(is_as_it_was());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_source_names_its_interface),
		TEST(rss_is_symmetric_as_long_as_it_runs),
		TEST(one_worker_needs_none),
		TEST(another_back_end_needs_none),
		TEST(without_rss_it_goes_on),
		TEST(where_the_program_chooses_nothing_is_changed),
		TEST(what_a_killed_one_left_is_put_back_by_the_next),
		TEST(one_that_runs_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
