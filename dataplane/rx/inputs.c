/* inputs - the files, folders and pipes that a user named, opened and recognised. */
#include "dataplane/rx/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/rx/capture_file.h"
#include "dataplane/shm/settings.h"

/* What the functions below share while the list is made. */
struct opening {
	struct inputs inputs;
	uint32_t worker, workers;
	bool sizes_unknown;
	struct rx_error *err;
};

/* Files of one folder that are no captures. */
struct left_out {
	uint32_t count;
	char names[400];
};

__attribute__((format(printf, 3, 4))) static int refuse(struct opening *o, int code,
							const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(o->err->text, sizeof(o->err->text), format, ap);
	va_end(ap);
	return code;
}

/* show_name - a path as a person may see it on a terminal: no control characters, and the end of
 * it, which tells files apart, rather than the beginning. */
static void show_name(char ret[INPUT_NAME_BYTES], const char *path)
{
	size_t bytes = strlen(path), room = INPUT_NAME_BYTES - 1;

	if (bytes > room)
		snprintf(ret, INPUT_NAME_BYTES, "...%s", path + bytes - (room - 3));
	else
		memcpy(ret, path, bytes + 1);
	for (char *c = ret; *c != 0; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

static int refuse_open(struct opening *o, const char *name, int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
		return refuse(
			o, -error,
			"%s: too many files are open after %u inputs; raise the limit (ulimit -n), "
			"use fewer workers, or read fewer files at once",
			name, o->inputs.count);
	case EACCES:
		return refuse(o, -error, "%s: permission denied; run as a user who may read it",
			      name);
	case ENOENT: return refuse(o, -error, "%s: there is no such file or folder", name);
	default: return refuse(o, -error, "%s: cannot be opened: %s", name, strerrordesc_np(error));
	}
}

/* Every worker has every file open, so the usual soft limit of 1024 is soon reached. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static struct input *input_room(struct opening *o)
{
	struct inputs *in = &o->inputs;
	uint32_t room = in->room == 0 ? 8 : in->room * 2;
	struct input *larger;

	if (in->count < in->room)
		return &in->input[in->count];
	larger = realloc(in->input, room * sizeof(*larger));
	if (larger == NULL)
		return NULL;
	in->input = larger;
	in->room = room;
	return &in->input[in->count];
}

/* recognise - NULL, or why this is no capture. */
static const char *recognise(struct stream *s)
{
	uint8_t head[CAPTURE_HEAD_BYTES];
	size_t n = stream_peek(s, head, sizeof(head));

	if (n < sizeof(head) && s->damage != NULL)
		return s->damage;
	return capture_recognise(head, n);
}

/* input_add - take `fd`. With `left_out` a file that is no capture is noted there instead of
 * refused. */
static int input_add(struct opening *o, int fd, const char *path, struct left_out *left_out)
{
	struct input *i = input_room(o);
	const char *why;
	int err;

	if (i == NULL) {
		close(fd);
		return refuse(o, -ENOMEM, "there is no memory for %u inputs", o->inputs.count + 1);
	}
	show_name(i->name, path);
	err = stream_open(&i->stream, fd);
	if (err < 0) {
		close(fd);
		return refuse_open(o, i->name, -err);
	}
	why = recognise(&i->stream);
	if (why != NULL) {
		stream_close(&i->stream);
		if (left_out == NULL)
			return refuse(o, -ENOTSUP, "%s: cannot be read as a capture: %s", i->name,
				      why);
		left_out->count++;
		return 0;
	}
	if (i->stream.regular)
		stream_rewind(&i->stream);
	else
		o->sizes_unknown = true;
	o->inputs.total_bytes += i->stream.size_bytes;
	o->inputs.count++;
	return 0;
}

/* ---- folders ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void note_left_out(struct left_out *l, const char *name)
{
	size_t have = strlen(l->names);
	char shown[INPUT_NAME_BYTES];

	show_name(shown, name);
	snprintf(l->names + have, sizeof(l->names) - have, "%s%s", have > 0 ? ", " : "", shown);
}

/* folder_entry - Opened without waiting: a pipe that lies in the folder is none of its regular
 * files. */
static int folder_entry(struct opening *o, int folder_fd, const char folder[INPUT_NAME_BYTES],
			const char *name, struct left_out *left_out)
{
	char path[INPUT_NAME_BYTES + NAME_MAX + 1];
	uint32_t before = left_out->count;
	struct stat st;
	int fd, err;

	if (fstatat(folder_fd, name, &st, 0) == 0 && !S_ISREG(st.st_mode))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		char shown[INPUT_NAME_BYTES];

		err = errno;
		show_name(shown, path);
		return refuse_open(o, shown, err);
	}
	err = input_add(o, fd, path, left_out);
	if (left_out->count > before)
		note_left_out(left_out, name);
	return err;
}

static int folder_entries(struct opening *o, int folder_fd, const char folder[INPUT_NAME_BYTES],
			  struct left_out *left_out)
{
	struct dirent **entry = NULL;
	int count = scandirat(folder_fd, ".", &entry, NULL, by_name);
	int err = count < 0 ? refuse_open(o, folder, errno) : 0;

	for (int i = 0; i < count; i++) {
		if (err == 0)
			err = folder_entry(o, folder_fd, folder, entry[i]->d_name, left_out);
		free(entry[i]);
	}
	free(entry);
	return err;
}

static int folder_add(struct opening *o, int folder_fd, const char *folder)
{
	struct left_out left_out = { 0 };
	uint32_t before = o->inputs.count;
	char shown[INPUT_NAME_BYTES];
	int err;

	show_name(shown, folder);
	err = folder_entries(o, folder_fd, shown, &left_out);
	if (err < 0)
		return err;
	if (o->inputs.count == before)
		return refuse(o, -ENOTSUP, "%s: there is no capture in this folder", shown);
	if (left_out.count > 0 && o->worker == 0)
		log_warn("%s: left out, because they are no captures: %s%s", shown, left_out.names,
			 strlen(left_out.names) + 1 == sizeof(left_out.names) ? "..." : "");
	return 0;
}

/* ---- what was named ---- */

static bool can_be_shared(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static bool is_folder(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static int open_path(const char *path)
{
	if (strcmp(path, "-") == 0)
		return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

static int path_add(struct opening *o, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	char shown[INPUT_NAME_BYTES];
	int fd = open_path(path), err;

	show_name(shown, name);
	if (fd < 0)
		return refuse_open(o, shown, errno);
	if (o->workers > 1 && (is_stdin || !can_be_shared(fd))) {
		close(fd);
		return refuse(
			o, -EINVAL,
			"%s can be read only once; use --workers 1, or write it to a file first",
			shown);
	}
	if (!is_folder(fd))
		return input_add(o, fd, name, NULL);
	err = folder_add(o, fd, path);
	close(fd);
	return err;
}

int inputs_open(struct inputs *ret, const struct rx_open *how, struct rx_error *err)
{
	const struct settings *s = how->settings;
	struct opening o = { .worker = how->worker, .workers = how->workers, .err = err };
	size_t at = 0;
	int code = 0;

	raise_file_limit();
	for (uint32_t i = 0; i < s->input_count && code == 0; i++) {
		size_t bytes = strnlen(s->input + at, sizeof(s->input) - at);

		if (at + bytes >= sizeof(s->input))
			code = refuse(&o, -EINVAL, "the list of inputs is cut short");
		else
			code = path_add(&o, s->input + at);
		at += bytes + 1;
	}
	if (code == 0 && o.inputs.count == 0)
		code = refuse(&o, -EINVAL,
			      "no input is named; give a file, a folder, or - for standard input");
	if (code < 0) {
		inputs_close(&o.inputs);
		return code;
	}
	if (o.sizes_unknown)
		o.inputs.total_bytes = 0;
	*ret = o.inputs;
	return 0;
}

void inputs_close(struct inputs *in)
{
	for (uint32_t i = 0; i < in->count; i++)
		stream_close(&in->input[i].stream);
	free(in->input);
	*in = (struct inputs){ 0 };
}
