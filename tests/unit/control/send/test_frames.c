/* frames - Promises:
 * - numbered frames are as frames.h draws them, in every size, and their numbers go on without end;
 * - a capture's frames come in order with the bytes that it has, and are marked where it cut them;
 * - --loop begins again, and ends when there is nothing to repeat;
 * - damage and foreign link types end it behind what came before, with a sentence;
 * - what cannot be opened is refused with a sentence, and nothing is left open.
 */
#include "tests/unit/dataplane/rx/captures.h"

#include <dirent.h>
#include <errno.h>

#include "control/send/frames.h"
#include "dataplane/base/bytes.h"
#include "dataplane/base/compiler.h"

static struct frames *opened(const struct frames_plan *plan)
{
	struct send_error err = { "" };
	struct frames *f = NULL;

	if (frames_open(plan, &f, &err) < 0)
		fail_msg("%s", err.text);
	return f;
}

static void refused(const struct frames_plan *plan, int code, const char *word)
{
	struct send_error err = { "" };
	struct frames *f = NULL;

	assert_int_equal(frames_open(plan, &f, &err), code);
	assert_null(f);
	if (strstr(err.text, word) == NULL)
		fail_msg("no \"%s\" in: %s", word, err.text);
}

static unsigned open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* ---- numbered ---- */

static void check_numbered(const struct tx_frame *f, uint64_t number, uint32_t bytes,
			   uint32_t flows)
{
	static const uint8_t ethernet[] = { 2, 0, 10, 83, 0, 2, 2, 0, 10, 83, 0, 1, 8, 0 };
	static const uint8_t addresses[] = { 10, 83, 0, 1, 10, 83, 0, 2 };
	uint32_t sum = 0;

	assert_int_equal(f->length_bytes, bytes);
	assert_false(f->is_cut);
	assert_memory_equal(f->bytes, ethernet, sizeof(ethernet));
	assert_int_equal(f->bytes[14], 0x45);
	assert_int_equal(be16_at(f->bytes + 16), bytes - 14);
	assert_int_equal(f->bytes[23], 17);
	for (int i = 14; i < 34; i += 2)
		sum += be16_at(f->bytes + i);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	assert_memory_equal(f->bytes + 26, addresses, sizeof(addresses));
	assert_int_equal(be16_at(f->bytes + 34), 9 + number % flows);
	assert_int_equal(be16_at(f->bytes + 36), 9);
	assert_int_equal(be16_at(f->bytes + 38), bytes - 34);
	assert_int_equal(be16_at(f->bytes + 40), 0);
	assert_memory_equal(f->bytes + NUMBERED_MAGIC_AT, "weir", 4);
	assert_int_equal(be64_at(f->bytes + NUMBERED_NUMBER_AT), number);
	for (uint32_t i = 54; i < bytes; i++)
		assert_int_equal(f->bytes[i], 0);
}

static void numbered_frames_are_as_they_are_drawn(void **state)
{
	static const uint32_t sizes[] = { 60, 61, 64, 1514, 9014, 65549 };

	(void)state;
	for (size_t i = 0; i < array_count(sizes); i++) {
		struct frames_plan plan = { .size_bytes = sizes[i], .flows = 7 };
		struct frames *f = opened(&plan);
		struct tx_frame frame[TX_BATCH_FRAMES];
		uint64_t number = 0;

		assert_true(frames_are_numbered(f));
		for (uint32_t room = 1; room <= TX_BATCH_FRAMES; room++) {
			assert_int_equal(frames_pull(f, frame, room), room);
			for (uint32_t j = 0; j < room; j++)
				check_numbered(&frame[j], number++, sizes[i], 7);
		}
		frames_close(f);
	}
}

static void sizes_and_flows_that_cannot_be_are_refused(void **state)
{
	(void)state;
	refused(&(struct frames_plan){ .size_bytes = 59, .flows = 1 }, -EINVAL, "60 to 65549");
	refused(&(struct frames_plan){ .size_bytes = 65550, .flows = 1 }, -EINVAL, "60 to 65549");
	refused(&(struct frames_plan){ .size_bytes = 64, .flows = 0 }, -EINVAL, "1 to 60000");
	refused(&(struct frames_plan){ .size_bytes = 64, .flows = 60001 }, -EINVAL, "1 to 60000");
	frames_close(NULL);
}

/* ---- captures ---- */

static struct frames *opened_file(struct blob *b, bool loop, int *ret_fd)
{
	static struct held_file file;
	struct frames_plan plan = { .loop = loop };

	file = file_of(b);
	*ret_fd = file.fd;
	plan.file = file.path;
	return opened(&plan);
}

/* pull_all - Returns how many came until `limit` or until none did. */
static uint64_t pull_all(struct frames *f, uint64_t limit, uint64_t pass, uint64_t *ret_cut)
{
	uint64_t n = 0;

	*ret_cut = 0;
	while (n < limit) {
		struct tx_frame frame[TX_BATCH_FRAMES];
		uint32_t got = frames_pull(f, frame, TX_BATCH_FRAMES);
		struct send_error err;

		if (got == 0 && frames_state(f, &err) != FRAMES_OPEN)
			break;
		for (uint32_t i = 0; i < got; i++, n++) {
			*ret_cut += frame[i].is_cut;
			for (uint32_t j = 0; j < frame[i].length_bytes; j++)
				assert_int_equal(frame[i].bytes[j], frame_byte(1 + n % pass, j));
		}
	}
	return n;
}

static void a_capture_comes_byte_for_byte(void **state)
{
	struct blob b = pcap_plain(1, 1000);
	struct send_error err;
	uint64_t cut;
	int fd;
	struct frames *f;

	(void)state;
	pcap_record_head(&b, 1700000001, 0, 100, 1500);
	blob_frame(&b, 1001, 100);
	f = opened_file(&b, false, &fd);
	assert_false(frames_are_numbered(f));
	assert_int_equal(pull_all(f, UINT64_MAX, 1001, &cut), 1001);
	assert_int_equal(cut, 1);
	assert_int_equal(frames_state(f, &err), FRAMES_END);
	frames_close(f);
	close(fd);
}

static void a_loop_begins_again(void **state)
{
	struct blob b = pcap_plain(1, 100);
	unsigned before = open_descriptors();
	struct send_error err;
	uint64_t cut;
	int fd;
	struct frames *f = opened_file(&b, true, &fd);

	(void)state;
	assert_true(pull_all(f, 100000, 100, &cut) >= 100000);
	assert_int_equal(frames_state(f, &err), FRAMES_OPEN);
	frames_close(f);
	close(fd);
	assert_int_equal(open_descriptors(), before);
}

static void a_loop_over_nothing_ends(void **state)
{
	struct blob b = pcap_plain(1, 0);
	struct send_error err;
	uint64_t cut;
	int fd;
	struct frames *f = opened_file(&b, true, &fd);

	(void)state;
	assert_int_equal(pull_all(f, UINT64_MAX, 1, &cut), 0);
	assert_int_equal(frames_state(f, &err), FRAMES_END);
	frames_close(f);
	close(fd);
}

static void a_pipe_is_waited_for_and_not_repeated(void **state)
{
	struct blob b = pcap_plain(1, 10);
	struct frames_plan plan = { .file = "/proc/self/fd/0" };
	struct tx_frame frame[TX_BATCH_FRAMES];
	struct send_error err;
	struct frames *f;
	uint64_t cut;
	int end[2], standard = dup(0);

	(void)state;
	assert_int_equal(pipe(end), 0);
	assert_int_equal(dup2(end[0], 0), 0);
	refused(&(struct frames_plan){ .file = "-", .loop = true }, -EINVAL, "read only once");
	refused(&(struct frames_plan){ .file = "/proc/self/fd/0", .loop = true }, -EINVAL,
		"read only once");
	assert_int_equal(write(end[1], b.at, 40), 40);
	f = opened(&plan);
	assert_int_equal(frames_pull(f, frame, TX_BATCH_FRAMES), 0);
	assert_int_equal(frames_state(f, &err), FRAMES_OPEN);
	assert_int_equal(write(end[1], b.at + 40, b.bytes - 40), (ssize_t)b.bytes - 40);
	close(end[1]);
	assert_int_equal(pull_all(f, UINT64_MAX, 10, &cut), 10);
	assert_int_equal(frames_state(f, &err), FRAMES_END);
	frames_close(f);
	dup2(standard, 0);
	close(standard);
	close(end[0]);
	blob_free(&b);
}

static void damage_ends_it_behind_what_came_before(void **state)
{
	struct blob b = pcap_plain(1, 50);
	struct send_error err = { "" };
	uint64_t cut;
	int fd;
	struct frames *f;

	(void)state;
	b.bytes -= 3;
	f = opened_file(&b, true, &fd);
	assert_int_equal(pull_all(f, UINT64_MAX, 50, &cut), 49);
	assert_int_equal(frames_state(f, &err), FRAMES_DAMAGED);
	assert_non_null(strstr(err.text, "/proc/self/fd/"));
	frames_close(f);
	close(fd);
}

static void a_foreign_link_type_ends_it_behind_what_came_before(void **state)
{
	struct blob b = { 0 };
	struct send_error err = { "" };
	uint64_t cut;
	int fd;
	struct frames *f;

	(void)state;
	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0);
	ng_interface(&b, LINK_LINUX_SLL, 0);
	for (uint64_t number = 1; number <= 20; number++)
		ng_packet(&b, number == 15, number, number, 64);
	f = opened_file(&b, false, &fd);
	assert_int_equal(pull_all(f, UINT64_MAX, 20, &cut), 14);
	assert_int_equal(frames_state(f, &err), FRAMES_FOREIGN);
	assert_non_null(strstr(err.text, "packet 15 is of link type 113"));
	frames_close(f);
	close(fd);
}

static void what_cannot_be_read_is_refused(void **state)
{
	static const char text[] = "these are words and no capture, however long one reads on";
	struct held_file f = file_of_bytes(text, sizeof(text));
	unsigned before = open_descriptors();

	(void)state;
	refused(&(struct frames_plan){ .file = "/nowhere/at/all" }, -ENOENT, "/nowhere/at/all");
	refused(&(struct frames_plan){ .file = f.path }, -ENOTSUP, "cannot be read as a capture");
	assert_int_equal(open_descriptors(), before);
	close(f.fd);
}

/* ---- synth ---- */

static void synth_invents_as_many_frames_as_asked(void **state)
{
	struct frames_plan plan = { .synth = "packets=1000,connections=5" };
	struct tx_frame frame[TX_BATCH_FRAMES];
	struct send_error err;
	struct frames *f = opened(&plan);
	uint64_t n = 0;
	uint32_t got;

	(void)state;
	while ((got = frames_pull(f, frame, TX_BATCH_FRAMES)) > 0) {
		for (uint32_t i = 0; i < got; i++)
			assert_in_range(frame[i].length_bytes, 54, 1514);
		n += got;
	}
	assert_int_equal(n, 1000);
	assert_int_equal(frames_state(f, &err), FRAMES_END);
	frames_close(f);
	refused(&(struct frames_plan){ .synth = "packet=1" }, -EINVAL, "packet");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbered_frames_are_as_they_are_drawn),
		cmocka_unit_test(sizes_and_flows_that_cannot_be_are_refused),
		cmocka_unit_test(a_capture_comes_byte_for_byte),
		cmocka_unit_test(a_loop_begins_again),
		cmocka_unit_test(a_loop_over_nothing_ends),
		cmocka_unit_test(a_pipe_is_waited_for_and_not_repeated),
		cmocka_unit_test(damage_ends_it_behind_what_came_before),
		cmocka_unit_test(a_foreign_link_type_ends_it_behind_what_came_before),
		cmocka_unit_test(what_cannot_be_read_is_refused),
		cmocka_unit_test(synth_invents_as_many_frames_as_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
