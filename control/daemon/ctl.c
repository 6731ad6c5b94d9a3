#include "control/daemon/ctl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"

enum { BACKLOG = 8, LISTENER = CTL_CLIENTS };

#define WORD_NAME(word, has_json, what) { #word, has_json },
static const struct {
	const char *name;
	bool has_json;
} words[CTL_WORDS] = { CTL_LIST(WORD_NAME) };

/* ---- requests ---- */

const char *ctl_word_name(unsigned word)
{
	return word < CTL_WORDS ? words[word].name : NULL;
}

bool ctl_may(uid_t uid, uid_t own)
{
	return uid == 0 || uid == own;
}

bool ctl_parse(const char *line, enum ctl_word *ret_word, bool *ret_json)
{
	for (unsigned w = 0; w < CTL_WORDS; w++) {
		size_t bytes = strlen(words[w].name);
		bool json;

		if (strncmp(line, words[w].name, bytes) != 0)
			continue;
		json = strcmp(line + bytes, " json") == 0;
		if (line[bytes] != '\0' && !(json && words[w].has_json))
			continue;
		*ret_word = w;
		*ret_json = json;
		return true;
	}
	return false;
}

/* ---- answers ---- */

/* The head is known when the text is there, and goes before it. */
static void put_answer(struct ctl_client *k, int status, const char *text, size_t bytes)
{
	char head[CTL_HEAD_BYTES];
	size_t head_bytes = (size_t)snprintf(head, sizeof(head), "weir-ctl %d %zu\n", status,
					     bytes);

	k->answer = malloc(head_bytes + bytes);
	if (k->answer == NULL)
		return;
	memcpy(k->answer, head, head_bytes);
	memcpy(k->answer + head_bytes, text, bytes);
	k->bytes = head_bytes + bytes;
	k->sent = 0;
}

static void refuse(struct ctl_client *k, const char *sentence)
{
	put_answer(k, CTL_REFUSED, sentence, strlen(sentence));
}

static void make_answer(const struct ctl *c, struct ctl_client *k, enum ctl_word word, bool json)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *to = open_memstream(&text, &bytes);
	int status;

	if (to == NULL)
		return;
	status = c->answers.answer(c->answers.context, word, json, to);
	if (fclose(to) == 0)
		put_answer(k, status, text, bytes);
	free(text);
	k->pass_fd = word == CTL_settings ? c->answers.settings_fd : -1;
	k->lingers = word == CTL_stop;
}

static void answer(const struct ctl *c, struct ctl_client *k)
{
	enum ctl_word word;
	bool json;

	if (k->stranger)
		refuse(k, "only root and the user that weir-control runs as may ask it\n");
	else if (!ctl_parse(k->request, &word, &json))
		refuse(k, "no such request; there are status, stats, ledger, settings and stop\n");
	else
		make_answer(c, k, word, json);
}

/* ---- clients ---- */

static void forget(struct ctl *c, struct ctl_client *k);

/* What epoll is to tell of a client: its request, room for the answer, or only its end. */
static void watch(struct ctl *c, struct ctl_client *k, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u32 = (uint32_t)(k - c->client) };

	if (epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, k->fd, &e) < 0)
		forget(c, k);
}

static void watch_listener(struct ctl *c, bool full)
{
	struct epoll_event e = { .events = full ? 0 : EPOLLIN, .data.u32 = LISTENER };

	c->full = full;
	(void)epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, c->listen_fd, &e);
}

static void forget(struct ctl *c, struct ctl_client *k)
{
	close(k->fd);
	free(k->answer);
	*k = (struct ctl_client){ .fd = -1, .pass_fd = -1 };
	if (c->full)
		watch_listener(c, false);
}

static struct ctl_client *free_client(struct ctl *c)
{
	for (unsigned i = 0; i < CTL_CLIENTS; i++)
		if (c->client[i].fd < 0)
			return &c->client[i];
	return NULL;
}

/* Somebody whom the system cannot name is a stranger. */
static bool is_stranger(int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0 ||
	       !ctl_may(peer.uid, geteuid());
}

static void let_in(struct ctl *c, uint64_t now_ns)
{
	struct ctl_client *k = free_client(c);
	struct epoll_event e = { .events = EPOLLIN };
	int fd;

	if (k == NULL) {
		watch_listener(c, true);
		return;
	}
	fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	e.data.u32 = (uint32_t)(k - c->client);
	if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0) {
		close(fd);
		return;
	}
	*k = (struct ctl_client){
		.fd = fd, .stranger = is_stranger(fd), .moved_ns = now_ns, .pass_fd = -1
	};
}

static ssize_t send_some(const struct ctl_client *k)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { .iov_base = k->answer + k->sent, .iov_len = k->bytes - k->sent };
	struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1 };
	struct cmsghdr *h;

	if (k->pass_fd >= 0 && k->sent == 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &k->pass_fd, sizeof(int));
	}
	return sendmsg(k->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* As much as the socket takes; the rest when it takes more. */
static void send_answer(struct ctl *c, struct ctl_client *k, uint64_t now_ns)
{
	ssize_t n = 0;

	while (k->sent < k->bytes && (n = send_some(k)) > 0) {
		k->sent += (size_t)n;
		k->moved_ns = now_ns;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		forget(c, k);
	else if (k->sent < k->bytes)
		watch(c, k, EPOLLOUT);
	else if (k->lingers)
		watch(c, k, EPOLLRDHUP);
	else
		forget(c, k);
}

static void hear(struct ctl *c, struct ctl_client *k, uint64_t now_ns)
{
	ssize_t n = recv(k->fd, k->request + k->asked, sizeof(k->request) - k->asked, MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		forget(c, k);
		return;
	}
	k->asked += (size_t)n;
	k->moved_ns = now_ns;
	end = memchr(k->request, '\n', k->asked);
	if (end == NULL && k->asked < sizeof(k->request))
		return;
	if (end != NULL)
		*end = '\0';
	if (end != NULL)
		answer(c, k);
	else
		refuse(k, "a request is one short line\n");
	if (k->answer == NULL) /* no memory */
		forget(c, k);
	else
		send_answer(c, k, now_ns);
}

static void serve(struct ctl *c, struct ctl_client *k, uint32_t events, uint64_t now_ns)
{
	if (k->fd < 0)
		return;
	if (k->answer == NULL)
		hear(c, k, now_ns);
	else if (k->sent < k->bytes)
		send_answer(c, k, now_ns);
	else if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		forget(c, k);
}

static void drop_idle(struct ctl *c, uint64_t now_ns)
{
	for (unsigned i = 0; i < CTL_CLIENTS; i++) {
		struct ctl_client *k = &c->client[i];
		bool waits = k->lingers && k->sent == k->bytes;

		if (k->fd >= 0 && !waits && now_ns - k->moved_ns >= CTL_IDLE_NS)
			forget(c, k);
	}
}

void ctl_run(struct ctl *c, uint64_t now_ns)
{
	struct epoll_event e[CTL_CLIENTS + 1];
	int n;

	if (c->epoll_fd < 0)
		return;
	n = epoll_wait(c->epoll_fd, e, array_count(e), 0);
	for (int i = 0; i < n; i++) {
		if (e[i].data.u32 == LISTENER)
			let_in(c, now_ns);
		else
			serve(c, &c->client[e[i].data.u32], e[i].events, now_ns);
	}
	drop_idle(c, now_ns);
}

/* ---- begin and end ---- */

int ctl_fd(const struct ctl *c)
{
	return c->epoll_fd;
}

/* bind() takes the mode from the umask, so that the socket never exists with another one. */
static int bind_0660(int fd, const struct sockaddr_un *at)
{
	mode_t before = umask(0117);
	int err = bind(fd, (const void *)at, sizeof(*at)) < 0 ? -errno : 0;

	umask(before);
	return err;
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd, err;

	strcpy(at.sun_path, path); /* as long as struct ctl's */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (unlink(path) < 0 && errno != ENOENT)
		err = -errno;
	else
		err = bind_0660(fd, &at);
	if (err == 0 && listen(fd, BACKLOG) < 0) {
		err = -errno;
		(void)unlink(path);
	}
	if (err < 0) {
		close(fd);
		return err;
	}
	return fd;
}

static int open_epoll(int listen_fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = LISTENER };
	int fd = epoll_create1(EPOLL_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	if (epoll_ctl(fd, EPOLL_CTL_ADD, listen_fd, &e) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static void clear(struct ctl *c)
{
	*c = (struct ctl){ .listen_fd = -1, .epoll_fd = -1 };
	for (unsigned i = 0; i < CTL_CLIENTS; i++)
		c->client[i].fd = c->client[i].pass_fd = -1;
}

int ctl_open(struct ctl *ret, const char *directory, const struct ctl_answers *answers)
{
	int needed;

	static_assert(sizeof(ret->path) == sizeof(((struct sockaddr_un *)0)->sun_path), "a path");
	clear(ret);
	needed = snprintf(ret->path, sizeof(ret->path), "%s/" CTL_SOCKET, directory);
	if (needed < 0 || (size_t)needed >= sizeof(ret->path))
		return -ENAMETOOLONG;
	ret->answers = *answers;
	ret->listen_fd = listen_at(ret->path);
	if (ret->listen_fd < 0)
		return ret->listen_fd;
	ret->epoll_fd = open_epoll(ret->listen_fd);
	if (ret->epoll_fd < 0) {
		int err = ret->epoll_fd;

		close(ret->listen_fd);
		(void)unlink(ret->path);
		clear(ret);
		return err;
	}
	return 0;
}

void ctl_close(struct ctl *c)
{
	if (c->epoll_fd < 0 || c->listen_fd < 0)
		return;
	(void)unlink(c->path);
	c->full = false;
	for (unsigned i = 0; i < CTL_CLIENTS; i++)
		if (c->client[i].fd >= 0)
			forget(c, &c->client[i]);
	close(c->listen_fd);
	close(c->epoll_fd);
	clear(c);
}
