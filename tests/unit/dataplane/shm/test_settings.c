/* Proves the promises in settings.h: defaults lie within their limits; what was sealed comes out
 * byte for byte and can be changed by nobody; a number outside its limits, a string without an end,
 * a list without an end, an input that does not add up, a wrong size, version or seal are refused,
 * when sealing and, for whoever sealed by other means, when mapping.
 */
#include "dataplane/shm/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/compiler.h"

enum { ALL_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };

static struct settings s;

static int defaults(void **state)
{
	(void)state;
	settings_defaults(&s);
	return 0;
}

static void input_add(const char *path)
{
	memcpy(s.input + s.input_bytes, path, strlen(path) + 1);
	s.input_bytes += (uint32_t)strlen(path) + 1;
	s.input_count++;
}

/* A memfd that settings_seal() would not have made. */
static int forge(const void *from, size_t bytes, int seals)
{
	int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, from, bytes), bytes);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int map_forged(const void *from, size_t bytes, int seals)
{
	int fd = forge(from, bytes, seals);
	const struct settings *m = NULL;
	int err = settings_map(fd, &m);

	assert_true((m != NULL) == (err == 0));
	if (m != NULL)
		munmap((void *)(uintptr_t)m, sizeof(*m));
	close(fd);
	return err;
}

static void assert_accepted(void)
{
	int fd = settings_seal(&s);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(map_forged(&s, sizeof(s), ALL_SEALS), 0);
}

static void assert_refused(void)
{
	assert_int_equal(settings_seal(&s), -EINVAL);
	assert_int_equal(map_forged(&s, sizeof(s), ALL_SEALS), -EPROTO);
	settings_defaults(&s);
}

static void defaults_are_those_of_the_list_and_acceptable(void **state)
{
	(void)state;
#define IS_DEFAULT(field, name, def, min, max, unit, help) assert_true(s.field == (uint64_t)(def));
	SETTINGS_LIST(IS_DEFAULT)
	assert_int_equal(s.until, STAGE_normal);
	assert_int_equal(s.input_count, 0);
	assert_accepted();
}

static void names_are_unique_and_help_is_there(void **state)
{
	(void)state;
	static const char *const names[] = {
#define ITS_NAME(field, name, def, min, max, unit, help) name,
		SETTINGS_LIST(ITS_NAME)
	};

	for (size_t i = 0; i < array_count(names); i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
#define HAS_HELP(field, name, def, min, max, unit, help) assert_true(sizeof(help) > 8);
	SETTINGS_LIST(HAS_HELP)
}

static void stages_have_names_in_order(void **state)
{
	(void)state;
	assert_string_equal(stage_name(STAGE_open), "open");
	assert_string_equal(stage_name(STAGE_rx), "rx");
	assert_string_equal(stage_name(STAGE_format), "format");
	assert_string_equal(stage_name(STAGE_normal), "normal");
	assert_null(stage_name(STAGE_COUNT));
	assert_null(stage_name(UINT32_MAX));
}

static void what_was_sealed_comes_out_unchanged(void **state)
{
	(void)state;
	const struct settings *m;
	int fd;

	input_add("first.pcap");
	input_add("-");
	memcpy(s.run, "k3q9", 5);
	memcpy(s.header_names, "host\0via\0", 10);
	s.headers = HEADERS_NAMED;
	s.ignore_ports[65535 / 8] = 0x80;
	s.ignores_ports = 1;
	fd = settings_seal(&s);
	assert_true(fd >= 0);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(settings_map(fd, &m), 0);
	assert_memory_equal(m, &s, sizeof(s));
	munmap((void *)(uintptr_t)m, sizeof(*m));
	close(fd);
}

static void nobody_can_change_what_was_sealed(void **state)
{
	(void)state;
	int fd = settings_seal(&s);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(ftruncate(fd, sizeof(s) + 1), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), -1);
	assert_ptr_equal(mmap(NULL, sizeof(s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
			 MAP_FAILED);
	close(fd);
}

static void numbers_at_their_limits_are_accepted_and_one_past_them_refused(void **state)
{
	(void)state;
	/* The ring must be a power of two besides; its limits are. */
#define LIMITS(field, name, def, min, max, unit, help)                                             \
	s.field = (min);                                                                           \
	assert_accepted();                                                                         \
	s.field = (max);                                                                           \
	assert_accepted();                                                                         \
	if ((uint64_t)(min) > 0) {                                                                 \
		s.field = (uint64_t)(min)-1;                                                       \
		assert_refused();                                                                  \
	}                                                                                          \
	if ((uint64_t)(max) < UINT64_MAX) {                                                        \
		s.field = (uint64_t)(max) + 1;                                                     \
		assert_refused();                                                                  \
	}                                                                                          \
	settings_defaults(&s);
	SETTINGS_LIST(LIMITS)
}

static void a_ring_that_is_no_power_of_two_is_refused(void **state)
{
	(void)state;
	s.ring_bytes = 12 << 20;
	assert_refused();
	s.ring_bytes = (8 << 20) + 8;
	assert_refused();
}

static void choices_outside_their_lists_are_refused(void **state)
{
	(void)state;
	s.until = STAGE_COUNT;
	assert_refused();
	s.headers = HEADERS_NAMED + 1;
	assert_refused();
	s.progress = 2;
	assert_refused();
	s.quiet = 2;
	assert_refused();
	s.live = UINT32_MAX;
	assert_refused();
	s.ignores_ports = 2;
	assert_refused();
	s.rx_count = SETTINGS_RX_MAX + 1;
	assert_refused();
	s.rx_count = SETTINGS_RX_MAX;
	assert_accepted();
}

static void strings_without_an_end_are_refused(void **state)
{
	(void)state;
#define NO_END(string)                                                                             \
	memset((string), 'x', sizeof(string));                                                     \
	assert_refused();                                                                          \
	memset((string), 'x', sizeof(string) - 1);                                                 \
	assert_accepted();                                                                         \
	settings_defaults(&s);
	NO_END(s.run)
	NO_END(s.command)
	NO_END(s.format)
	NO_END(s.output)
	NO_END(s.ledger)
	NO_END(s.runtime)
	NO_END(s.filter)
	for (unsigned i = 0; i < SETTINGS_RX_MAX; i++) {
		NO_END(s.rx[i])
	}
}

static void a_run_that_would_need_escaping_is_refused(void **state)
{
	(void)state;
	memcpy(s.run, "a\"b", 4);
	assert_refused();
	memcpy(s.run, "Abc", 4);
	assert_refused();
	memcpy(s.run, "a\xc3\xa4", 4);
	assert_refused();
}

static void lists_without_a_second_end_are_refused(void **state)
{
	(void)state;
	char *const lists[] = { s.header_names, s.dissectors };

	for (size_t i = 0; i < array_count(lists); i++) {
		memset(lists[i], 'x', SETTINGS_NAMES_BYTES);
		assert_refused();
		memset(lists[i], 'x', SETTINGS_NAMES_BYTES - 1); /* one end, at the end */
		assert_refused();
		memset(lists[i], 'x', SETTINGS_NAMES_BYTES - 2); /* both, at the end */
		assert_accepted();
		settings_defaults(&s);
		memcpy(lists[i], "a\0bc\0", 6);
		lists[i][SETTINGS_NAMES_BYTES - 1] = 'x'; /* behind the list is nobody's business */
		assert_accepted();
		settings_defaults(&s);
	}
}

static void inputs_that_do_not_add_up_are_refused(void **state)
{
	(void)state;
	input_add("a");
	input_add("b");
	s.input_count = 1;
	assert_refused();
	input_add("a");
	s.input_count = 2;
	assert_refused();
	input_add("a");
	s.input_bytes--; /* without its end */
	assert_refused();
	s.input_count = 1;
	assert_refused();
	s.input_bytes = SETTINGS_INPUT_BYTES + 1;
	assert_refused();
	s.input_bytes = UINT32_MAX;
	s.input_count = UINT32_MAX;
	assert_refused();
	s.input_bytes = SETTINGS_INPUT_BYTES;
	s.input_count = SETTINGS_INPUT_BYTES;
	assert_accepted();
}

static void other_versions_are_refused(void **state)
{
	(void)state;
	s.magic++;
	assert_refused();
	s.bytes -= 8;
	assert_refused();
	memset(&s, 0, sizeof(s));
	assert_refused();
}

static void other_sizes_are_refused(void **state)
{
	(void)state;
	static uint8_t longer[sizeof(s) + 4096];

	memcpy(longer, &s, sizeof(s));
	assert_int_equal(map_forged(longer, sizeof(longer), ALL_SEALS), -EPROTO);
	assert_int_equal(map_forged(longer, sizeof(s) - 4096, ALL_SEALS), -EPROTO);
	assert_int_equal(map_forged(longer, 0, ALL_SEALS), -EPROTO);
}

static void a_missing_seal_is_refused(void **state)
{
	(void)state;
	static const int seals[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_SEAL };

	for (size_t i = 0; i < array_count(seals); i++)
		assert_int_equal(map_forged(&s, sizeof(s), ALL_SEALS & ~seals[i]), -EPROTO);
}

static void what_is_no_memfd_is_refused(void **state)
{
	(void)state;
	const struct settings *m = NULL;
	int fds[2];

	assert_int_equal(settings_map(-1, &m), -EBADF);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(settings_map(fds[0], &m), -EPROTO);
	assert_null(m);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(defaults_are_those_of_the_list_and_acceptable, defaults),
		cmocka_unit_test_setup(names_are_unique_and_help_is_there, defaults),
		cmocka_unit_test_setup(stages_have_names_in_order, defaults),
		cmocka_unit_test_setup(what_was_sealed_comes_out_unchanged, defaults),
		cmocka_unit_test_setup(nobody_can_change_what_was_sealed, defaults),
		cmocka_unit_test_setup(
			numbers_at_their_limits_are_accepted_and_one_past_them_refused, defaults),
		cmocka_unit_test_setup(a_ring_that_is_no_power_of_two_is_refused, defaults),
		cmocka_unit_test_setup(choices_outside_their_lists_are_refused, defaults),
		cmocka_unit_test_setup(strings_without_an_end_are_refused, defaults),
		cmocka_unit_test_setup(a_run_that_would_need_escaping_is_refused, defaults),
		cmocka_unit_test_setup(lists_without_a_second_end_are_refused, defaults),
		cmocka_unit_test_setup(inputs_that_do_not_add_up_are_refused, defaults),
		cmocka_unit_test_setup(other_versions_are_refused, defaults),
		cmocka_unit_test_setup(other_sizes_are_refused, defaults),
		cmocka_unit_test_setup(a_missing_seal_is_refused, defaults),
		cmocka_unit_test_setup(what_is_no_memfd_is_refused, defaults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
