/* undo - a journal of changes to this machine, so that each can be put back exactly. */
#include "control/host/undo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_BYTES = 2 * CHANGE_VALUE_BYTES + 1024, FIELDS = 9, LOCK_TRIES = 16 };

static const char pending = '+', done = '-';

/* What a line of the journal says; texts are in the line. */
struct entry {
	struct change change;
	uint64_t namespace;
	int index;
	uint8_t address[6];
	const char *before, *after;
};

/* ---- the folder and the file ---- */

/* open_folder - /run/weir/undo, below the root. With `make` what is missing is made. */
static int open_folder(const struct host *h, bool make)
{
	static const char *const parts[] = { "/run", "/run/weir", "/run/weir/" UNDO_FOLDER };
	char path[HOST_PATH_BYTES];
	struct stat s;
	int fd;

	for (int i = 0; make && i < 3; i++) {
		host_path(h, path, parts[i]);
		if (mkdir(path, i < 2 ? 0755 : 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	host_path(h, path, parts[2]);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* What somebody else may write into, nobody should carry out. */
	if (fstat(fd, &s) == 0 && s.st_uid == geteuid() && (s.st_mode & 022) == 0)
		return fd;
	close(fd);
	return -EPERM;
}

/* open_locked - the file may be removed between being opened and being locked. */
static int open_locked(int folder_fd, const char *owner, int flags)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		int fd = openat(folder_fd, owner, flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
		struct stat s;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			close(fd);
			return -EBUSY;
		}
		if (fstat(fd, &s) == 0 && s.st_nlink > 0)
			return fd;
		close(fd);
	}
	return -EBUSY;
}

static int begin(struct undo *ret, const struct host *h, const char *owner, bool make)
{
	struct undo u = { .host = h };

	if (strlen(owner) >= sizeof(u.owner) || strchr(owner, '/') != NULL || owner[0] == '.' ||
	    owner[0] == 0)
		return -EINVAL;
	(void)snprintf(u.owner, sizeof(u.owner), "%s", owner);
	u.folder_fd = open_folder(h, make);
	if (u.folder_fd < 0)
		return u.folder_fd;
	u.fd = open_locked(u.folder_fd, owner, make ? O_CREAT : 0);
	if (u.fd < 0) {
		close(u.folder_fd);
		return u.fd;
	}
	*ret = u;
	return 0;
}

int undo_begin(struct undo *ret, const struct host *h, const char *owner)
{
	return begin(ret, h, owner, true);
}

/* ---- lines ---- */

/* read_journal - Memory: malloc()ed, ended by 0. Returns: bytes up to the last whole line; -errno.
 */
static ssize_t read_journal(const struct undo *u, char **ret)
{
	struct stat s;
	ssize_t n;
	char *text;

	if (fstat(u->fd, &s) < 0)
		return -errno;
	if (s.st_size > UNDO_JOURNAL_MAX)
		return -EFBIG;
	text = malloc((size_t)s.st_size + 1);
	if (text == NULL)
		return -ENOMEM;
	n = pread(u->fd, text, (size_t)s.st_size, 0);
	if (n < 0) {
		n = -errno;
		free(text);
		return n;
	}
	while (n > 0 && text[n - 1] != '\n')
		n--;
	text[n] = 0;
	*ret = text;
	return n;
}

static int find_kind(const char *name)
{
	for (int i = 0; i < CHANGE_KINDS; i++)
		if (strcmp(change_kind_names[i], name) == 0)
			return i;
	return -1;
}

/* parse - a line without its newline, which is cut up for that. */
static bool parse(char *line, struct entry *ret)
{
	char *field[FIELDS];
	unsigned a[6];
	int kind;

	if (line[0] == 0 || line[1] != '\t')
		return false;
	line += 2;
	for (int i = 1; i < FIELDS; i++) {
		field[i] = line;
		line = strchr(line, '\t');
		if ((line == NULL) != (i == FIELDS - 1))
			return false;
		if (line != NULL)
			*line++ = 0;
	}
	kind = find_kind(field[1]);
	if (kind < 0 || strlen(field[2]) >= sizeof(ret->change.target) ||
	    strlen(field[3]) >= sizeof(ret->change.name) ||
	    sscanf(field[6], "%2x:%2x:%2x:%2x:%2x:%2x", &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]) !=
		    6)
		return false;
	*ret = (struct entry){ .change = { .kind = (enum change_kind)kind } };
	(void)snprintf(ret->change.target, sizeof(ret->change.target), "%s", field[2]);
	(void)snprintf(ret->change.name, sizeof(ret->change.name), "%s", field[3]);
	ret->namespace = strtoull(field[4], NULL, 10);
	ret->index = (int)strtol(field[5], NULL, 10);
	for (int i = 0; i < 6; i++)
		ret->address[i] = (uint8_t)a[i];
	ret->before = field[7];
	ret->after = field[8];
	return true;
}

static uint64_t namespace_of(const struct host *h, const char *path)
{
	char whole[HOST_PATH_BYTES];
	struct stat s;

	host_path(h, whole, path);
	return stat(whole, &s) == 0 ? (uint64_t)s.st_ino : 0;
}

static uint64_t own_namespace(const struct host *h)
{
	return namespace_of(h, "/proc/self/ns/net");
}

/* write_line - at the end of what is whole, and onto the disk. Returns where it begins; -errno. */
static off_t write_line(const struct undo *u, const struct entry *e)
{
	static char line[LINE_BYTES];
	char *text = NULL;
	ssize_t at = read_journal(u, &text), bytes;
	const uint8_t *a = e->address;

	free(text);
	if (at < 0)
		return at;
	bytes = snprintf(line, sizeof(line),
			 "%c\t%s\t%s\t%s\t%" PRIu64 "\t%d\t%02x:%02x:%02x:%02x:%02x:%02x\t%s\t%s\n",
			 pending, change_kind_names[e->change.kind], e->change.target,
			 e->change.name, e->namespace, e->index, a[0], a[1], a[2], a[3], a[4], a[5],
			 e->before, e->after);
	if (bytes >= (ssize_t)sizeof(line) || at + bytes > UNDO_JOURNAL_MAX)
		return -EFBIG;
	if (ftruncate(u->fd, at) < 0)
		return -errno;
	if (pwrite(u->fd, line, (size_t)bytes, at) != bytes)
		return errno != 0 ? -errno : -ENOSPC;
	/* The folder too: a journal that was just made has to be found again. */
	if (fsync(u->fd) < 0 || fsync(u->folder_fd) < 0)
		return -errno;
	return at;
}

static int mark_done(const struct undo *u, off_t at)
{
	if (pwrite(u->fd, &done, 1, at) != 1 || fdatasync(u->fd) < 0)
		return errno != 0 ? -errno : -EIO;
	return 0;
}

/* ---- changing ---- */

static int identify(const struct undo *u, struct entry *e)
{
	struct nic_link link;
	int code;

	if (!change_is_of_link(&e->change))
		return 0;
	if (u->host->nic == NULL)
		return -EOPNOTSUPP;
	code = nic_link_find(u->host->nic, e->change.target, &link);
	if (code < 0)
		return code;
	e->namespace = own_namespace(u->host);
	e->index = link.index;
	memcpy(e->address, link.address, sizeof(e->address));
	return 0;
}

static int make_change(struct undo *u, const struct entry *e)
{
	off_t at = write_line(u, e);
	int code;

	if (at < 0)
		return (int)at;
	code = change_to(u->host, &e->change, e->after);
	if (code == 0)
		return 1;
	/* It may have come half way. What cannot be put back now stays in the journal. */
	if (change_to(u->host, &e->change, e->before) == 0)
		(void)mark_done(u, at);
	return code;
}

int undo_change(struct undo *u, const struct change *c, const char *value,
		char ret_before[CHANGE_VALUE_BYTES])
{
	static char before[CHANGE_VALUE_BYTES];
	struct entry e = { .change = *c, .before = before, .after = value };
	int code = change_now(u->host, c, before);

	if (code == 0 && ret_before != NULL)
		memcpy(ret_before, before, strlen(before) + 1);
	if (code < 0 || strcmp(before, value) == 0)
		return code;
	if (strpbrk(value, "\t\n") != NULL)
		return -EINVAL;
	code = identify(u, &e);
	return code < 0 ? code : make_change(u, &e);
}

/* ---- back ---- */

struct search {
	const struct host *host;
	const char *format;
	uint64_t wanted;
	bool found;
};

static bool look_at(const char *entry, void *context)
{
	struct search *s = context;
	char path[HOST_PATH_BYTES];

	(void)snprintf(path, sizeof(path), "%s/%.64s%s", s->format, entry,
		       strcmp(s->format, "/proc") == 0 ? "/ns/net" : "");
	s->found = namespace_of(s->host, path) == s->wanted;
	return !s->found;
}

/* namespace_lives - a process is in it, or it has a name. */
static bool namespace_lives(const struct host *h, uint64_t wanted)
{
	struct search s = { .host = h, .format = "/proc", .wanted = wanted };

	(void)host_each(h, "/proc", look_at, &s);
	s.format = "/run/netns";
	if (!s.found)
		(void)host_each(h, "/run/netns", look_at, &s);
	return s.found;
}

static int match(const struct nic_link *link, void *context)
{
	struct entry *e = context;

	/* By index, which no other interface gets; renamed or given another address, but not both.
	 */
	if (link->index == e->index &&
	    (strcmp(link->name, e->change.target) == 0 ||
	     memcmp(link->address, e->address, sizeof(e->address)) == 0)) {
		(void)snprintf(e->change.target, sizeof(e->change.target), "%s", link->name);
		e->index = 0; /* found */
	}
	return 0;
}

/* find_target - an interface under the name that it has now. */
static enum undo_end_of find_target(const struct host *h, struct entry *e)
{
	uint64_t own = own_namespace(h);

	if (!change_is_of_link(&e->change))
		return UNDO_DONE;
	if (e->namespace != own)
		return namespace_lives(h, e->namespace) ? UNDO_AWAY : UNDO_GONE;
	if (h->nic == NULL || nic_link_each(h->nic, match, e) < 0)
		return UNDO_FAILED;
	return e->index == 0 ? UNDO_DONE : UNDO_GONE;
}

static enum undo_end_of put_back(const struct undo *u, struct entry *e, bool dry,
				 char now[CHANGE_VALUE_BYTES], int *ret_code)
{
	enum undo_end_of what = find_target(u->host, e);

	*ret_code = what == UNDO_FAILED ? -EOPNOTSUPP : 0;
	if (what != UNDO_DONE)
		return what;
	*ret_code = change_now(u->host, &e->change, now);
	if (*ret_code == -ENOENT && e->change.kind == CHANGE_FILE)
		return UNDO_GONE; /* with its device, or with the module it belonged to */
	if (*ret_code < 0)
		return UNDO_FAILED;
	if (strcmp(now, e->before) == 0)
		return UNDO_NOTHING;
	if (!dry)
		*ret_code = change_to(u->host, &e->change, e->before);
	return *ret_code < 0 ? UNDO_FAILED : UNDO_DONE;
}

/* back_line - one that is pending. Returns whether it is left. */
static bool back_line(struct undo *u, char *line, off_t at, bool dry, undo_say_fn *say,
		      void *context)
{
	static char now[CHANGE_VALUE_BYTES];
	struct undo_news news = { .what = UNDO_FAILED, .owner = u->owner, .code = -EBADMSG };
	struct entry e = { 0 };
	bool left = true;

	now[0] = 0;
	if (parse(line, &e)) {
		news.what = put_back(u, &e, dry, now, &news.code);
		left = news.what == UNDO_FAILED || news.what == UNDO_AWAY ||
		       (dry && news.what == UNDO_DONE);
		news.change = &e.change;
		news.from = now;
		news.to = e.before;
	}
	if (!left && !dry && mark_done(u, at) < 0)
		left = true;
	say(&news, context);
	return left;
}

int undo_back(struct undo *u, bool dry, undo_say_fn *say, void *context)
{
	char *text = NULL;
	ssize_t end = read_journal(u, &text);
	int left = 0;

	if (end < 0)
		return (int)end;
	while (end > 0) {
		ssize_t begin_at = end - 1;

		text[end - 1] = 0; /* its newline */
		while (begin_at > 0 && text[begin_at - 1] != '\n')
			begin_at--;
		if (text[begin_at] == pending)
			left += back_line(u, text + begin_at, begin_at, dry, say, context);
		end = begin_at;
	}
	free(text);
	return left;
}

static bool has_pending(const struct undo *u)
{
	char *text = NULL;
	ssize_t n = read_journal(u, &text);
	bool found = n < 0;

	for (char *at = text; n > 0 && !found && *at != 0; at = strchr(at, '\n') + 1)
		found = *at == pending;
	free(text);
	return found;
}

void undo_end(struct undo *u)
{
	if (!has_pending(u))
		(void)unlinkat(u->folder_fd, u->owner, 0);
	close(u->fd);
	close(u->folder_fd);
	*u = (struct undo){ .fd = -1, .folder_fd = -1 };
}

/* ---- all journals ---- */

struct sweep {
	const struct host *host;
	const char *prefix;
	bool dry;
	undo_say_fn *say;
	void *context;
	int left, code;
};

static void sweep_one(struct sweep *s, const char *owner)
{
	struct undo_news busy = { .what = UNDO_BUSY, .owner = owner };
	struct undo u;
	int code = begin(&u, s->host, owner, false), left;

	if (code == -EBUSY)
		s->say(&busy, s->context);
	if (code < 0) {
		if (code != -EBUSY && code != -ENOENT)
			s->code = code;
		return;
	}
	left = undo_back(&u, s->dry, s->say, s->context);
	if (left < 0)
		s->code = left;
	else
		s->left += left;
	undo_end(&u);
}

static bool sweep_entry(const char *entry, void *context)
{
	struct sweep *s = context;

	if (strncmp(entry, s->prefix, strlen(s->prefix)) == 0)
		sweep_one(s, entry);
	return true;
}

int undo_all(const struct host *h, const char *prefix, bool dry, undo_say_fn *say, void *context)
{
	struct sweep s = { h, prefix, dry, say, context, 0, 0 };
	int code = host_each(h, "/run/weir/undo", sweep_entry, &s);

	if (code < 0)
		return code == -ENOENT ? 0 : code;
	return s.code < 0 ? s.code : s.left;
}
