/* Proves what file.c promises: several inputs are one capture, folders and pipes included; an input
 * that cannot be opened or is no capture is refused by name, with the way out; damage ends one
 * input, not the others, and is told once, at the end; nothing is opened after open().
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "captures.h"

#include "dataplane/base/compiler.h"
#include "dataplane/base/log.h"
#include "dataplane/rx/inputs.h"

static char folder[] = P_tmpdir "/weir-test-file-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	log_open("test", LOG_ERROR);
	return mkdtemp(folder) == NULL;
}

static int empty_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s' && mkdir '%s'", folder, folder);
	return system(command);
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static void folder_put(const char *name, struct blob *b)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, b->at, b->bytes), (ssize_t)b->bytes);
	close(fd);
	blob_free(b);
}

static void folder_put_text(const char *name, const char *text)
{
	struct blob b = { 0 };

	blob_put(&b, text, strlen(text));
	folder_put(name, &b);
}

/* refused - open() of these paths fails with `code`, saying `why`. */
static void refused(uint32_t count, const char *const *path, uint32_t workers, int code,
		    const char *why)
{
	struct rx_open how = how_default();
	struct rx_port *port = (struct rx_port *)&how;
	struct rx_error err = { "" };

	inputs_name(count, path);
	how.workers = workers;
	assert_int_equal(backend("file")->open(&how, &port, &err), code);
	assert_ptr_equal(port, &how);
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	assert_null(strchr(err.text, '\n'));
}

static void several_files_are_one_capture(void **state)
{
	struct blob a = pcap_plain(1, 100), b = { 0 }, c = pcap_plain(102, 50);
	struct held_file file[3] = { file_of(&a) };
	const char *path[3];
	struct rx_open how = how_default();
	struct drained d;

	(void)state;
	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0);
	ng_packet(&b, 0, 0, 101, 60);
	file[1] = file_of(&b);
	file[2] = file_of(&c);
	for (int i = 0; i < 3; i++)
		path[i] = file[i].path;
	inputs_name(3, path);
	d = drain(port_open("file", &how), true);
	assert_int_equal(d.state, RX_END);
	assert_int_equal(d.packets, 151);
	assert_int_equal(d.counters.offered, 151);
	assert_true(d.counters.position_total_bytes > 0);
	assert_int_equal(d.counters.position_bytes, d.counters.position_total_bytes);
	for (int i = 0; i < 3; i++)
		close(file[i].fd);
}

static void a_folder_is_its_captures_in_the_order_of_their_names(void **state)
{
	struct blob first = pcap_plain(1, 10), second = pcap_plain(11, 10);
	const char *path = folder;
	struct rx_open how = how_default();
	struct drained d;
	char sub[256];

	(void)state;
	folder_put("b.pcap", &second);
	folder_put("a.pcap", &first);
	folder_put_text("README", "no capture");
	folder_put_text("nothing", "");
	snprintf(sub, sizeof(sub), "%s/folder", folder);
	assert_int_equal(mkdir(sub, 0700), 0);
	snprintf(sub, sizeof(sub), "%s/fifo", folder);
	assert_int_equal(mkfifo(sub, 0600), 0); /* opening it would wait for ever */
	inputs_name(1, &path);
	d = drain(port_open("file", &how), true);
	assert_int_equal(d.packets, 20);
	assert_int_equal(d.state, RX_END);
}

static void a_folder_without_captures_is_refused(void **state)
{
	const char *path = folder;

	(void)state;
	refused(1, &path, 1, -ENOTSUP, "there is no capture in this folder");
	folder_put_text("README", "no capture");
	refused(1, &path, 1, -ENOTSUP, "there is no capture in this folder");
}

static void what_is_no_capture_is_refused_by_name(void **state)
{
	static const struct {
		const char *bytes;
		size_t count;
		const char *why;
	} bad[] = {
		{ "", 0, "bad.pcap: cannot be read as a capture: it is empty" },
		{ "\xd4\xc3\xb2\xa1", 4, "its pcap header is cut short" },
		{ "hello, this is some text", 24, "neither pcap nor pcapng" },
		{ "\x1f\x8b\x08\0\0\0\0\0\0\3", 10, "the compressed data end too early" },
		{ "\x1f\x8b\x08\xff\xff\xff\xff\xff\xff\xff", 10, "the compressed data" },
	};
	struct blob good = pcap_plain(1, 1);
	char path[2][256];
	const char *both[2] = { path[0], path[1] };

	(void)state;
	snprintf(path[0], sizeof(path[0]), "%s/good.pcap", folder);
	snprintf(path[1], sizeof(path[1]), "%s/bad.pcap", folder);
	folder_put("good.pcap", &good);
	for (size_t i = 0; i < array_count(bad); i++) {
		struct blob b = { 0 };

		blob_put(&b, bad[i].bytes, bad[i].count);
		folder_put("bad.pcap", &b);
		refused(2, both, 1, -ENOTSUP, bad[i].why);
		refused(2, both, 1, -ENOTSUP, "bad.pcap");
	}
}

static void what_cannot_be_opened_is_refused_by_name(void **state)
{
	char path[256];
	const char *p = path, *odd = "/nowhere/with\na line";

	(void)state;
	snprintf(path, sizeof(path), "%s/absent.pcap", folder);
	refused(1, &p, 1, -ENOENT, "absent.pcap: there is no such file");
	refused(1, &odd, 1, -ENOENT, "/nowhere/with?a line: there is no such file");
	refused(0, NULL, 1, -EINVAL, "no input is named");
	memset(path, 'n', sizeof(path) - 1);
	path[255] = 0;
	refused(1, &p, 1, -ENOENT, "...nnnn");
}

static void the_soft_limit_of_open_files_is_raised(void **state)
{
	struct rx_open how = how_default();
	struct blob b = pcap_plain(1, 1);
	struct held_file f = file_of(&b);
	const char *path[40];
	struct rlimit old, few;

	(void)state;
	for (size_t i = 0; i < array_count(path); i++)
		path[i] = f.path;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 20;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	inputs_name(array_count(path), path);
	assert_int_equal(drain(port_open("file", &how), false).packets, array_count(path));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	close(f.fd);
}

/* too_many - in a process of its own, because a hard limit cannot be put back. Returns 0 if all is
 * well. */
static int too_many(const char *const *path, uint32_t count)
{
	struct rlimit few = { .rlim_cur = 20, .rlim_max = 20 };
	struct rx_open how = how_default();
	struct rx_error err = { "" };
	struct rx_port *port;

	inputs_name(count, path);
	if (setrlimit(RLIMIT_NOFILE, &few) < 0 ||
	    backend("file")->open(&how, &port, &err) != -EMFILE)
		return 1;
	return strstr(err.text, "too many files are open") == NULL ||
	       strstr(err.text, "ulimit -n") == NULL;
}

static void too_many_files_are_refused_with_the_way_out(void **state)
{
	struct blob b = pcap_plain(1, 1);
	struct held_file f = file_of(&b);
	const char *path[40];
	int status;
	pid_t child;

	(void)state;
	for (size_t i = 0; i < array_count(path); i++)
		path[i] = f.path;
	child = fork();
	if (child == 0)
		_exit(too_many(path, array_count(path)));
	assert_true(waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
	close(f.fd);
}

static void damage_ends_one_input_and_is_told_at_the_very_end(void **state)
{
	struct blob b[4];
	struct held_file file[4];
	const char *path[4];
	struct rx_open how = how_default();
	struct packet packet[BURST_PACKETS];
	struct rx_port *port;
	struct rx_error err;
	uint64_t number = 0;
	uint32_t n;

	(void)state;
	for (int i = 0; i < 4; i++) {
		b[i] = pcap_plain((uint64_t)i * 3 + 1, 3);
		if (i == 1 || i == 2)
			blob_put(&b[i], "cut", 3);
		file[i] = file_of(&b[i]);
		path[i] = file[i].path;
	}
	inputs_name(4, path);
	port = port_open("file", &how);
	while ((n = backend("file")->pull(port, packet, BURST_PACKETS)) > 0) {
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(packet[i].number, ++number);
		assert_int_equal(backend("file")->state(port, NULL), RX_OPEN);
		backend("file")->give_back(port);
	}
	assert_int_equal(number, 12);
	assert_int_equal(backend("file")->state(port, NULL), RX_DAMAGED);
	assert_int_equal(backend("file")->state(port, &err), RX_DAMAGED);
	assert_true(strncmp(err.text, path[1], strlen(path[1])) == 0);
	assert_non_null(strstr(err.text, "damaged at offset"));
	assert_non_null(strstr(err.text, "after 3 of 16 bytes, and 1 more"));
	assert_int_equal(backend("file")->pull(port, packet, BURST_PACKETS), 0);
	backend("file")->close(port);
	for (int i = 0; i < 4; i++)
		close(file[i].fd);
}

static void a_file_that_shrinks_is_read_up_to_where_it_ends(void **state)
{
	struct blob b = pcap_plain(1, 2000);
	struct held_file f = file_of(&b);
	struct rx_port *port = file_port(f.path);
	struct packet packet[BURST_PACKETS];
	struct drained d;

	(void)state;
	assert_int_equal(backend("file")->pull(port, packet, 10), 10);
	backend("file")->give_back(port);
	assert_int_equal(ftruncate(f.fd, 300000), 0);
	d.packets = 10;
	for (uint32_t n; (n = backend("file")->pull(port, packet, BURST_PACKETS)) > 0;) {
		d.packets += n;
		backend("file")->give_back(port);
	}
	assert_in_range(d.packets, 300, 500);
	assert_int_equal(backend("file")->state(port, &d.err), RX_DAMAGED);
	assert_non_null(strstr(d.err.text, "at offset 300000: the file became shorter"));
	backend("file")->close(port);
	close(f.fd);
}

static void the_snap_length_cuts_frames_but_not_what_was_on_the_wire(void **state)
{
	struct blob b = pcap_plain(10, 1);
	struct held_file f = file_of(&b);
	const char *path = f.path;
	struct rx_open how = how_default();
	struct drained d;

	(void)state;
	inputs_name(1, &path);
	test_settings.snaplen_bytes = 96;
	d = drain(port_open("file", &how), false);
	assert_int_equal(d.last.caplen_bytes, 96);
	assert_int_equal(d.last.wire_bytes, 1310);
	close(f.fd);
}

static void what_can_be_read_only_once_is_refused_for_several_workers(void **state)
{
	const char *dash = "-";
	char fifo[256];
	const char *path = fifo;
	int fd;

	(void)state;
	refused(1, &dash, 2, -EINVAL, "standard input can be read only once; use --workers 1");
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fd = open(fifo, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	refused(1, &path, 2, -EINVAL, "/fifo can be read only once");
	close(fd);
}

static void pipes_and_devices_are_read_like_standard_input(void **state)
{
	struct blob b = pcap_plain(1, 5);
	const char *device = "/dev/null";
	char fifo[256];
	struct drained d;
	int fd;

	(void)state;
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fd = open(fifo, O_RDWR | O_CLOEXEC); /* a writer that does not wait for its reader */
	assert_int_equal(write(fd, b.at, b.bytes), (ssize_t)b.bytes);
	struct rx_port *port = file_port(fifo);

	close(fd);
	d = drain(port, true);
	assert_int_equal(d.packets, 5);
	assert_int_equal(d.state, RX_END);
	assert_int_equal(d.counters.position_total_bytes, 0);
	assert_int_equal(d.counters.position_bytes, b.bytes);
	blob_free(&b);
	refused(1, &device, 1, -ENOTSUP, "/dev/null: cannot be read as a capture: it is empty");
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup(test, empty_folder)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_files_are_one_capture),
		IN_FOLDER(a_folder_is_its_captures_in_the_order_of_their_names),
		IN_FOLDER(a_folder_without_captures_is_refused),
		IN_FOLDER(what_is_no_capture_is_refused_by_name),
		IN_FOLDER(what_cannot_be_opened_is_refused_by_name),
		cmocka_unit_test(the_soft_limit_of_open_files_is_raised),
		cmocka_unit_test(too_many_files_are_refused_with_the_way_out),
		cmocka_unit_test(damage_ends_one_input_and_is_told_at_the_very_end),
		cmocka_unit_test(a_file_that_shrinks_is_read_up_to_where_it_ends),
		cmocka_unit_test(the_snap_length_cuts_frames_but_not_what_was_on_the_wire),
		IN_FOLDER(what_can_be_read_only_once_is_refused_for_several_workers),
		IN_FOLDER(pipes_and_devices_are_read_like_standard_input),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
