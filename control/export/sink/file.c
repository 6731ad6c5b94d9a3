/* file - text into a file, or whatever else a path names; `-` is standard output.
 *
 * Rotation, of regular files: OUT.jsonl is always the file being written; when
 * it is full or old enough it becomes OUT-20251121T093000-0001.jsonl (the time
 * it was begun, in UTC, and its number in the run) and OUT.jsonl begins anew. Every file begins
 * with the head and ends with a whole line. A file is larger than asked for only
 * if its first line alone is.
 *
 * After a failed write a regular file is cut back to its last whole line, and
 * a restarted control does the same with what its predecessor left: the
 * records of the torn line were not given back to the dataplane and come again. What cannot be cut
 * (a pipe) gets a newline first, so that a torn line spoils no other one.
 */
#include "control/export/sink/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/clock.h"

enum { OUTPUT_MODE = 0644, SEARCH_BYTES = 64 * 1024, NUMBER_MAX = 9999 };

struct sink {
	int fd;
	bool is_stdout, is_regular;
	uint64_t bytes; /* of a regular file: how long it is */
	uint64_t rotate_bytes, rotate_ns;
	uint64_t begun_ns; /* CLOCK_MONOTONIC */
	time_t begun;      /* CLOCK_REALTIME */
	uint32_t number;   /* of the file, from 1 */
	bool empty;        /* nothing but the head is in it */
	size_t head_bytes;
	char *head;
	char *target;
};

/* ---- failures ---- */

static enum sink_failure failure_of(int err)
{
	switch (err) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return SINK_FAILED_no_space;
	case EPIPE: return SINK_FAILED_closed_pipe;
	case EACCES:
	case EPERM:
	case EROFS: return SINK_FAILED_permission;
	default: return SINK_FAILED_io;
	}
}

/* Whoever called weir may be another than the user that writes. */
static const char *who_may_not(void)
{
	static char text[160];
	const struct passwd *me = getpwuid(geteuid());

	(void)snprintf(text, sizeof(text),
		       "user %.32s may not: choose a place where it may, or, "
		       "capturing as root, the "
		       "user with --user",
		       me != NULL ? me->pw_name : "nobody");
	return text;
}

static const char *remedy(int err)
{
	switch (err) {
	case ENOSPC:
	case EDQUOT: return "make room, or choose another place with --output";
	case EFBIG: return "raise the limit on file sizes, or rotate with --rotate-size";
	case EPIPE: return "let the reader stay until the end, or write into a file with --output";
	case EACCES:
	case EPERM: return who_may_not();
	case EROFS: return "choose a place that is not mounted read-only";
	case EISDIR: return "name a file in it";
	case ENOENT:
	case ENOTDIR: return "make the folder first";
	default: return "nothing more was written";
	}
}

/* Returns -err. */
static int fail(const struct sink_how *how, const struct sink *s, int err, struct sink_error *ret)
{
	const char *target = how != NULL ? how->target : s->target;

	ret->failure = failure_of(err);
	(void)snprintf(ret->text, sizeof(ret->text), "cannot write %.300s: %s; %s",
		       strcmp(target, "-") == 0 ? "standard output" : target, strerror(err),
		       remedy(err));
	return -err;
}

/* ---- bytes ---- */

static void wait_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	(void)poll(&p, 1, 1000);
}

/* Everything, however often write(2) takes only a part. Returns: 0, -errno; *ret_written either
 * way. */
static int write_all(int fd, const char *bytes, size_t count, size_t *ret_written)
{
	size_t written = 0;
	int err = 0;

	while (written < count && err == 0) {
		ssize_t n = write(fd, bytes + written, count - written);

		if (n >= 0)
			written += (size_t)n;
		else if (errno == EAGAIN)
			wait_writable(fd);
		else if (errno != EINTR)
			err = -errno;
	}
	*ret_written = written;
	return err;
}

static uint64_t count_lines(const char *bytes, size_t count)
{
	const char *end = bytes + count;
	uint64_t lines = 0;

	while ((bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
		lines++;
		bytes++;
	}
	return lines;
}

/* Where the last whole line of the first `size` bytes ends. Returns: the offset, or -errno. */
static off_t last_line_end(int fd, off_t size)
{
	char part[SEARCH_BYTES];

	while (size > 0) {
		off_t from = size > SEARCH_BYTES ? size - SEARCH_BYTES : 0;
		ssize_t n = pread(fd, part, (size_t)(size - from), from);
		const char *newline;

		if (n < 0)
			return -errno;
		newline = memrchr(part, '\n', (size_t)n);
		if (newline != NULL)
			return from + (newline - part) + 1;
		size = from;
	}
	return 0;
}

/* Write a part, keeping the books of lines and length. On failure cut back to whole lines. */
static int put(struct sink *s, const char *bytes, size_t count, uint64_t *lines)
{
	size_t written;
	int err = write_all(s->fd, bytes, count, &written);

	if (lines != NULL)
		*lines += count_lines(bytes, written);
	if (err < 0 && s->is_regular) {
		const char *newline = memrchr(bytes, '\n', written);
		size_t whole = newline != NULL ? (size_t)(newline - bytes) + 1 : 0;

		/* Should this fail too, a torn last line is what remains to be seen. */
		if (ftruncate(s->fd, (off_t)(s->bytes + whole)) < 0)
			return err;
		written = whole;
	}
	s->bytes += written;
	return err;
}

/* ---- opening ---- */

/* A second descriptor that can be read: ours may be write-only. */
static int reopen_to_read(int fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Does this file begin as only this run's files do? */
static bool is_ours(int read_fd, const struct sink_how *how)
{
	char begin[512];

	if (how->mark_bytes == 0 || how->mark_bytes > sizeof(begin))
		return false;
	return pread(read_fd, begin, how->mark_bytes, 0) == (ssize_t)how->mark_bytes &&
	       memcmp(begin, how->head, how->mark_bytes) == 0;
}

/* Go on behind the last whole line of a predecessor; what another run left is no predecessor. */
static int take_over(struct sink *s, const struct sink_how *how)
{
	int read_fd = reopen_to_read(s->fd);
	off_t end = 0;
	int err = 0;

	/* Standard output may be a file that only whoever started weir can open. */
	if (read_fd < 0)
		return s->is_stdout ? put(s, "\n", 1, NULL) : -errno;
	/* What stands before our part of standard output is not ours to judge, nor to cut. */
	if (s->is_stdout || is_ours(read_fd, how))
		end = last_line_end(read_fd, (off_t)s->bytes);
	close(read_fd);
	if (end < 0)
		return (int)end;
	if (ftruncate(s->fd, end) < 0 || lseek(s->fd, end, SEEK_SET) < 0)
		err = -errno;
	s->bytes = (uint64_t)end;
	return err;
}

/* The descriptor, what kind it is, and how long. */
static int open_target(struct sink *s, const struct sink_how *how)
{
	int truncate = how->restarted ? 0 : O_TRUNC;
	struct stat st;

	s->is_stdout = strcmp(s->target, "-") == 0;
	s->fd = s->is_stdout ? STDOUT_FILENO
			     : open(s->target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | truncate,
				    OUTPUT_MODE);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return -errno;
	s->is_regular = S_ISREG(st.st_mode);
	s->bytes = s->is_regular ? (uint64_t)st.st_size : 0;
	return 0;
}

static int begin_file(struct sink *s)
{
	s->begun_ns = clock_monotonic_ns();
	s->begun = time(NULL);
	s->empty = s->bytes == 0;
	return put(s, s->head, s->head_bytes, NULL);
}

/* Standard output that is a file may have been appended to: then its length is where we are. */
static int begin(struct sink *s, const struct sink_how *how)
{
	int err = 0;

	if (how->restarted && s->is_regular)
		err = take_over(s, how);
	else if (how->restarted)
		err = put(s, "\n", 1, NULL);
	return err < 0 ? err : begin_file(s);
}

static void sink_free(struct sink *s)
{
	if (s->fd >= 0 && !s->is_stdout)
		close(s->fd);
	free(s->head);
	free(s->target);
	free(s);
}

static struct sink *sink_new(const struct sink_how *how)
{
	struct sink *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->fd = -1;
	s->number = 1;
	s->rotate_bytes = how->rotate_bytes;
	s->rotate_ns = how->rotate_ns;
	s->head_bytes = how->head_bytes;
	s->head = malloc(how->head_bytes + 1);
	s->target = strdup(how->target);
	if (s->head == NULL || s->target == NULL) {
		sink_free(s);
		return NULL;
	}
	memcpy(s->head, how->head != NULL ? how->head : "", how->head_bytes);
	return s;
}

static int file_open(const struct sink_how *how, struct sink **ret, struct sink_error *err)
{
	struct sink *s = sink_new(how);
	int status;

	if (s == NULL)
		return fail(how, NULL, ENOMEM, err);
	status = open_target(s, how);
	if (status == 0)
		status = begin(s, how);
	if (status < 0) {
		sink_free(s);
		return fail(how, NULL, -status, err);
	}
	*ret = s;
	return 0;
}

/* ---- rotation ---- */

static bool rotates(const struct sink *s)
{
	return s->is_regular && !s->is_stdout && (s->rotate_bytes != 0 || s->rotate_ns != 0);
}

static bool is_old(const struct sink *s)
{
	return s->rotate_ns != 0 && clock_monotonic_ns() - s->begun_ns >= s->rotate_ns;
}

/* OUT.jsonl -> OUT-TIME-NUMBER.jsonl; the dot of a hidden file begins no suffix. */
static void finished_name(const struct sink *s, char *ret, size_t room)
{
	const char *slash = strrchr(s->target, '/');
	const char *base = slash != NULL ? slash + 1 : s->target;
	const char *dot = strrchr(base, '.');
	const char *suffix = dot != NULL && dot != base ? dot : base + strlen(base);
	char begun[24];
	struct tm tm;

	gmtime_r(&s->begun, &tm);
	strftime(begun, sizeof(begun), "%Y%m%dT%H%M%S", &tm);
	(void)snprintf(ret, room, "%.*s-%s-%04u%s", (int)(suffix - s->target), s->target, begun,
		       s->number, suffix);
}

/* Never over a file that is there: the next number is free. A file that somebody has moved away
 * himself is as good as renamed. */
static int rename_finished(struct sink *s)
{
	char name[4096 + 64];

	for (; s->number <= NUMBER_MAX; s->number++) {
		finished_name(s, name, sizeof(name));
		if (renameat2(AT_FDCWD, s->target, AT_FDCWD, name, RENAME_NOREPLACE) == 0) {
			s->number++;
			return 0;
		}
		/* EINVAL: a file system that cannot refuse to replace. */
		if (errno == EINVAL && access(name, F_OK) < 0)
			return rename(s->target, name) < 0 ? -errno : (s->number++, 0);
		if (errno != EEXIST)
			return errno == ENOENT ? 0 : -errno;
	}
	return -EEXIST;
}

static int rotate(struct sink *s)
{
	int err = rename_finished(s);
	int fd;

	if (err < 0)
		return err;
	fd = open(s->target, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, OUTPUT_MODE);
	if (fd < 0)
		return -errno;
	err = close(s->fd) < 0 ? -errno : 0;
	s->fd = fd;
	s->bytes = 0;
	return err < 0 ? err : begin_file(s);
}

/* How much of the lines goes into the current file: up to the last line end that fits, and at
 * least a line if the file has none. 0: the file is full. */
static size_t fitting(const struct sink *s, const char *lines, size_t bytes)
{
	uint64_t room = s->rotate_bytes > s->bytes ? s->rotate_bytes - s->bytes : 0;
	const char *newline;

	if (s->rotate_bytes == 0 || bytes <= room)
		return bytes;
	newline = memrchr(lines, '\n', (size_t)room);
	if (newline == NULL && s->empty)
		newline = memchr(lines, '\n', bytes);
	return newline != NULL ? (size_t)(newline - lines) + 1 : 0;
}

static int put_rotating(struct sink *s, const char *lines, size_t bytes, uint64_t *ret_lines)
{
	int err = is_old(s) && !s->empty ? rotate(s) : 0;

	while (bytes > 0 && err == 0) {
		size_t part = fitting(s, lines, bytes);

		if (part == 0) {
			err = rotate(s);
			continue;
		}
		err = put(s, lines, part, ret_lines);
		s->empty = false;
		lines += part;
		bytes -= part;
	}
	return err;
}

static int file_write(struct sink *s, const char *lines, size_t bytes, uint64_t *ret_lines,
		      struct sink_error *err)
{
	int status;

	*ret_lines = 0;
	status = rotates(s) ? put_rotating(s, lines, bytes, ret_lines)
			    : put(s, lines, bytes, ret_lines);
	return status < 0 ? fail(NULL, s, -status, err) : 0;
}

/* A network file system may report only here what it could not store. Standard output is closed
 * too: its reader should not wait for what control still prints elsewhere. */
static int file_close(struct sink *s, struct sink_error *err)
{
	int status = close(s->fd) < 0 ? fail(NULL, s, errno, err) : 0;

	s->fd = -1;
	sink_free(s);
	return status;
}

const struct sink_backend sink_file = {
	.name = "file",
	.open = file_open,
	.write = file_write,
	.close = file_close,
};
