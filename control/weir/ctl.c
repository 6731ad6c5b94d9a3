/* ctl - `weir ctl`: ask a run that goes on how it is doing, or tell it to end. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/daemon/ctl.h"
#include "control/weir/captures.h"
#include "control/weir/command.h"
#include "control/weir/help.h"
#include "control/weir/settings_parse.h"
#include "control/weir/suggest.h"
#include "dataplane/base/clock.h"

enum {
	ANSWER_MS = 5000,  /* without a byte from weir-control, which may be stopped */
	LEAVING_MS = 2000, /* for the dataplane, once control has left */
	LEAVING_STEP_MS = 10,
	STOP_MS = 30000,             /* until it has drained and left */
	ANSWER_BYTES_MAX = 64 << 20, /* more than there is to say */
	HELP_COLUMN = 12,
};

struct wish {
	enum ctl_word word;
	bool json;
	const char *name; /* NULL: the only one there is */
};

#define WORD_NAME(word, has_json, what) #word,
#define WORD_JSON(word, has_json, what) has_json,
#define WORD_WHAT(word, has_json, what) what,
static const char *const word_name[] = { CTL_LIST(WORD_NAME) };
static const bool word_json[] = { CTL_LIST(WORD_JSON) };
static const char *const word_what[] = { CTL_LIST(WORD_WHAT) };

/* ---- help ---- */

static void print_help(void)
{
	fputs("weir ctl - ask a capture that is running, or end it\n"
	      "\n"
	      "usage: weir ctl [--name NAME] [--json] WHAT\n"
	      "\n"
	      "WHAT\n",
	      stdout);
	for (unsigned i = 0; i < CTL_WORDS; i++)
		help_wrapped(word_what[i], printf("  %s ", word_name[i]), HELP_COLUMN, stdout);
	fputs("\n"
	      "  --name NAME  which capture, if there are several: the name of its runtime "
	      "directory,\n"
	      "               or the path of one\n"
	      "  --json       the answer as one line of JSON (status, stats, ledger)\n"
	      "  --help       this text\n"
	      "\n"
	      "A capture can be asked by root and by the user that it runs as. `stop` returns "
	      "when\n"
	      "weir-control has drained everything and left.\n"
	      "\n"
	      "Examples\n"
	      "  weir ctl status\n"
	      "  weir ctl ledger --json | jq .balances\n"
	      "  weir ctl --name tap0 stop\n"
	      "\n"
	      "Exit status\n"
	      "  0  answered                       3  status: the ledger is not consistent\n"
	      "  1  stop: it is still ending       5  there is no such capture, or it does not "
	      "answer\n"
	      "  2  usage, or the request is refused\n",
	      stdout);
}

/* ---- the command line ---- */

static int find_word(const char *text, enum ctl_word *ret)
{
	struct suggest s;

	suggest_begin(&s, text);
	for (unsigned i = 0; i < CTL_WORDS; i++) {
		suggest_offer(&s, word_name[i]);
		if (strcmp(text, word_name[i]) != 0)
			continue;
		*ret = i;
		return 0;
	}
	fprintf(stderr, "weir ctl: %.80s: there is no such request\n", text);
	if (s.best != NULL)
		fprintf(stderr, "  did you mean weir ctl %s?\n", s.best);
	else
		fputs("  see `weir ctl --help`\n", stderr);
	return -EINVAL;
}

static int refuse(const char *what)
{
	fprintf(stderr, "weir ctl: %s; see `weir ctl --help`\n", what);
	return -EINVAL;
}

static int parse(int argc, char **argv, struct wish *ret)
{
	const char *what = NULL;

	*ret = (struct wish){ 0 };
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			ret->json = true;
		else if (strncmp(argv[i], "--name=", 7) == 0)
			ret->name = argv[i] + 7;
		else if (strcmp(argv[i], "--name") == 0 && i + 1 < argc && argv[i + 1][0] != '-')
			ret->name = argv[++i];
		else if (strcmp(argv[i], "--name") == 0)
			return refuse("--name needs the name of a capture");
		else if (argv[i][0] == '-')
			return refuse("there are --name NAME, --json and --help");
		else if (what != NULL)
			return refuse("one request at a time");
		else
			what = argv[i];
	}
	if (what == NULL)
		return refuse("WHAT is missing: status, stats, ledger, settings or stop");
	if (find_word(what, &ret->word) < 0)
		return -EINVAL;
	if (ret->json && !word_json[ret->word])
		return refuse("--json is for status, stats and ledger");
	return 0;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* ---- choosing ---- */

static int tell_nobody(const struct captures *c, const struct wish *w)
{
	const char *remedy = c->forbidden ? "; one that is not yours is: ask as root" : "";

	if (w->name != NULL)
		fprintf(stderr, "weir ctl: no capture called %.80s is running%s\n", w->name,
			remedy);
	else
		fprintf(stderr, "weir ctl: no capture is running%s\n", remedy);
	return STATUS_SOURCE;
}

static int tell_several(const struct captures *c)
{
	fprintf(stderr, "weir ctl: %u captures are running; say which:\n", c->count);
	for (uint32_t i = 0; i < c->count; i++)
		fprintf(stderr, "  --name %-24s %s\n", c->at[i].name, c->at[i].directory);
	return STATUS_USAGE;
}

/* ---- asking ---- */

struct answer {
	char *bytes; /* the head, and the text behind it */
	size_t count, room;
	int settings_fd; /* -1: none came */
	int status;
	const char *text;
	size_t text_bytes;
};

/* What came along with the bytes; a second descriptor is not wanted. */
static void take_descriptor(struct msghdr *m, struct answer *a)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		if (a->settings_fd >= 0)
			close(a->settings_fd);
		memcpy(&a->settings_fd, CMSG_DATA(h), sizeof(int));
	}
}

static bool grow(struct answer *a)
{
	size_t room = a->room == 0 ? 64 * 1024 : 2 * a->room;
	char *more;

	if (a->count < a->room)
		return true;
	more = room <= ANSWER_BYTES_MAX ? realloc(a->bytes, room) : NULL;
	if (more == NULL)
		return false;
	a->bytes = more;
	a->room = room;
	return true;
}

/* Returns: bytes received; 0 at the end; -ETIMEDOUT; -errno. */
static ssize_t receive(int fd, struct answer *a)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct iovec data;
	struct msghdr m = { .msg_iov = &data,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n;

	if (!grow(a))
		return -ENOMEM;
	if (poll(&p, 1, ANSWER_MS) == 0)
		return -ETIMEDOUT;
	data = (struct iovec){ a->bytes + a->count, a->room - a->count };
	n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? -EAGAIN : -errno;
	take_descriptor(&m, a);
	a->count += (size_t)n;
	return n;
}

/* Returns false as long as the answer is not complete. */
static bool is_complete(struct answer *a)
{
	const char *end = memchr(a->bytes, '\n', a->count);
	char head[CTL_HEAD_BYTES];
	size_t head_bytes;

	if (end == NULL || (size_t)(end - a->bytes) >= sizeof(head))
		return false;
	head_bytes = (size_t)(end - a->bytes);
	memcpy(head, a->bytes, head_bytes);
	head[head_bytes] = '\0';
	if (sscanf(head, "weir-ctl %d %zu", &a->status, &a->text_bytes) != 2)
		return false;
	a->text = end + 1;
	return a->count - head_bytes - 1 >= a->text_bytes;
}

static int put_request(int fd, const struct wish *w)
{
	char line[CTL_REQUEST_BYTES];
	int bytes = snprintf(line, sizeof(line), "%s%s\n", word_name[w->word],
			     w->json ? " json" : "");

	return send(fd, line, (size_t)bytes, MSG_NOSIGNAL) == bytes ? 0 : -errno;
}

/* Returns: 0 and a whole answer; -ETIMEDOUT; -EPROTO: it was cut short; -errno. */
static int ask(int fd, const struct wish *w, struct answer *a)
{
	ssize_t n = put_request(fd, w);

	while (n >= 0 || n == -EAGAIN) {
		n = receive(fd, a);
		if (n > 0 && is_complete(a))
			return 0;
		if (n == 0)
			return -EPROTO;
	}
	return (int)n;
}

/* ---- telling ---- */

static int print_settings(const struct answer *a)
{
	const struct settings *s;
	int err = a->settings_fd < 0 ? -EPROTO : settings_map(a->settings_fd, &s);

	if (err < 0) {
		fputs("weir ctl: the settings are of another version of weir; use the one that "
		      "captures\n",
		      stderr);
		return STATUS_SOURCE;
	}
	settings_print(s, stdout);
	munmap((void *)(uintptr_t)s, sizeof(*s));
	return STATUS_DONE;
}

/* The connection stays until weir-control leaves, or dies. */
static int wait_for_end(int fd)
{
	uint64_t end_ns = clock_monotonic_ns() + UINT64_C(1000000) * STOP_MS, now_ns;
	char byte;

	while ((now_ns = clock_monotonic_ns()) < end_ns) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		(void)poll(&p, 1, (int)((end_ns - now_ns) / 1000000 + 1));
		if (p.revents != 0 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0 && errno != EINTR)
			return STATUS_DONE;
	}
	fprintf(stderr,
		"weir ctl: the capture was told to stop and is still ending after %d s: its output "
		"may be slow; `weir ctl status` tells when it is gone\n",
		STOP_MS / 1000);
	return STATUS_NO;
}

/* Control leaves first. The dataplane follows at once, and gives back what it holds of the
 * interface. */
static void wait_for_dataplane(const char *directory)
{
	for (int i = 0; i < LEAVING_MS / LEAVING_STEP_MS && runtime_in_use(directory); i++)
		(void)poll(NULL, 0, LEAVING_STEP_MS);
}

static int tell(const struct capture_at *at, const struct wish *w, const struct answer *a)
{
	int status = a->status;

	if (status == CTL_REFUSED) {
		fprintf(stderr, "weir ctl: %.*s", (int)a->text_bytes, a->text);
		return STATUS_USAGE;
	}
	if (w->word == CTL_settings)
		return print_settings(a);
	fwrite(a->text, 1, a->text_bytes, stdout);
	fflush(stdout);
	if (w->word != CTL_stop || status != STATUS_DONE)
		return status;
	status = wait_for_end(at->fd);
	if (status != STATUS_DONE)
		return status;
	wait_for_dataplane(at->directory);
	puts("stopped");
	return status;
}

static int talk(const struct capture_at *at, const struct wish *w)
{
	struct answer a = { .settings_fd = -1 };
	int err = ask(at->fd, w, &a), status = STATUS_SOURCE;

	if (err == 0)
		status = tell(at, w, &a);
	else if (err == -ETIMEDOUT)
		fprintf(stderr,
			"weir ctl: %s does not answer: its weir-control is stopped, or its output "
			"does not take anything\n",
			at->name);
	else
		fprintf(stderr, "weir ctl: %s has left without an answer: %s\n", at->name,
			err == -EPROTO ? "it has ended meanwhile" : strerror(-err));
	if (a.settings_fd >= 0)
		close(a.settings_fd);
	free(a.bytes);
	return status;
}

int command_ctl(int argc, char **argv)
{
	struct runtime_base base = runtime_base_here();
	static struct captures found;
	struct wish w;
	int status;

	if (asks_for_help(argc, argv)) {
		print_help();
		return STATUS_DONE;
	}
	if (parse(argc, argv, &w) < 0)
		return STATUS_USAGE;
	captures_find(&base, w.name, &found);
	if (found.count == 0)
		status = tell_nobody(&found, &w);
	else if (found.count > 1)
		status = tell_several(&found);
	else
		status = talk(&found.at[0], &w);
	captures_close(&found);
	return status;
}
