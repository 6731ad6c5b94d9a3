/* Proves of busy polling: the interface's settings are changed and put back, by a port that has no
 * privilege left as well as after kill -9; another namespace's /sys is not touched. */
#include "veth.h"

#include <errno.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "dataplane/base/privilege.h"
#include "dataplane/rx/af_xdp_busy.h"

enum { NOBODY = 65534 };

static bool have;

/* set_up - /sys has to be the one of the namespace, in a mount namespace that nobody else sees. */
static int set_up(void **state)
{
	(void)state;
	have = unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && own_namespace();
	if (!have)
		return 0;
	wire("tap0", "far0", "");
	return mount("sysfs", "/sys", "sysfs", 0, NULL);
}

static void assert_setting(const char *name, const char *value)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/tap0/%s", name);
	/* Who was killed cannot say when all is well again. */
	for (int ms = 0; ms < 2000; ms++) {
		ssize_t n;

		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = 0;
		text[strcspn(text, "\n")] = 0;
		if (strcmp(text, value) == 0)
			return;
		nap_ms(1);
	}
	assert_string_equal(text, value);
}

static void start(struct af_xdp_busy *b)
{
	struct rx_error err;

	if (af_xdp_busy_open(b, "tap0", (int)if_nametoindex("tap0"), &err) != 0)
		fail_msg("%s", err.text);
}

static void settings_are_changed_and_put_back(void **state)
{
	struct af_xdp_busy b;

	(void)state;
	need_namespace(have);
	run("echo 7 > /sys/class/net/tap0/napi_defer_hard_irqs");
	start(&b);
	assert_setting("napi_defer_hard_irqs", "2");
	assert_setting("gro_flush_timeout", "200000");
	af_xdp_busy_close(&b);
	assert_setting("napi_defer_hard_irqs", "7");
	assert_setting("gro_flush_timeout", "0");
	af_xdp_busy_close(&b);
}

/* in_child - that has what it opened while it was root. */
static void in_child(void (*body)(struct af_xdp_busy *b))
{
	struct af_xdp_busy b;
	pid_t child = fork();
	int how;

	assert_true(child >= 0);
	if (child == 0) {
		start(&b);
		body(&b);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
}

static void close_as_nobody(struct af_xdp_busy *b)
{
	if (privilege_drop(NOBODY, NOBODY) != 0)
		_exit(1);
	af_xdp_busy_close(b);
}

static void die(struct af_xdp_busy *b)
{
	(void)b;
	raise(SIGKILL);
}

static void without_privilege_they_are_put_back_too(void **state)
{
	(void)state;
	need_namespace(have);
	run("echo 5 > /sys/class/net/tap0/napi_defer_hard_irqs");
	in_child(close_as_nobody);
	assert_setting("napi_defer_hard_irqs", "5");
	assert_setting("gro_flush_timeout", "0");
}

static void after_kill_9_they_are_put_back_too(void **state)
{
	(void)state;
	need_namespace(have);
	run("echo 3 > /sys/class/net/tap0/napi_defer_hard_irqs");
	in_child(die);
	assert_setting("napi_defer_hard_irqs", "3");
	assert_setting("gro_flush_timeout", "0");
}

static void another_interface_of_the_same_name_is_left_alone(void **state)
{
	struct af_xdp_busy b;
	struct rx_error err;

	(void)state;
	need_namespace(have);
	run("echo 4 > /sys/class/net/tap0/napi_defer_hard_irqs");
	assert_int_equal(af_xdp_busy_open(&b, "tap0", 99, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "another network namespace"));
	assert_int_equal(af_xdp_busy_open(&b, "nosuch0", 1, &err), -ENOTSUP);
	assert_setting("napi_defer_hard_irqs", "4");
}

static void a_socket_takes_the_options_or_says_why_not(void **state)
{
	struct rx_error err = { "" };
	int fd;

	(void)state;
	need_namespace(have);
	fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		print_message("skipped: no AF_XDP sockets\n");
		skip();
	}
	assert_int_equal(af_xdp_busy_socket(fd, 64, &err), 0);
	close(fd);
	assert_int_equal(af_xdp_busy_socket(fd, 64, &err), -EBADF);
	assert_non_null(strstr(err.text, "busy-poll=on"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_changed_and_put_back),
		cmocka_unit_test(without_privilege_they_are_put_back_too),
		cmocka_unit_test(after_kill_9_they_are_put_back_too),
		cmocka_unit_test(another_interface_of_the_same_name_is_left_alone),
		cmocka_unit_test(a_socket_takes_the_options_or_says_why_not),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
