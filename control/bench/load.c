#include "control/bench/load.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/bench/answer.h"
#include "dataplane/base/clock.h"

#define CONNECT_NS UINT64_C(3000000000) /* all connections, before anything is due */
#define REST_NS    UINT64_C(10000000)   /* closed: after a connection that could not be made */
#define STOP_NS    UINT64_C(200000000)  /* for answers under way when a signal came */

enum {
	READ_BYTES = 65536,
	EVENTS = 256,
	FILES_BESIDE = 64,
};

enum stage {
	STAGE_RESTING, /* nothing is due yet; connected or not */
	STAGE_CONNECTING,
	STAGE_SENDING,
	STAGE_WAITING,
	STAGE_OVER, /* nothing will be due any more */
};

struct connection {
	int fd; /* -1: none */
	enum stage stage;
	uint64_t turn;   /* open: how many requests were its before this one */
	uint64_t due_ns; /* of the request that it has, or that is next */
	uint64_t free_ns;
	uint64_t could_ns; /* when its request could have gone at the earliest */
	uint64_t sent_ns;
	size_t written;
	struct answer answer;
};

struct load {
	const struct load_plan *plan;
	struct load_report *report;
	struct sockaddr_storage address;
	socklen_t address_bytes;
	bool closed;
	char request[LOAD_REQUEST_BYTES];
	size_t request_bytes;
	uint64_t start_ns, begin_ns, end_ns; /* begin: of the measured time */
	int epoll;
	struct connection *connection;
	uint32_t busy; /* connections with a request under way */
	/* Resting connections, the one whose request is due first on top: a binary heap. */
	uint32_t *heap;
	uint32_t heap_count;
	char bytes[READ_BYTES];
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

/* ---- the plan ---- */

int load_url(const char *text, struct load_plan *plan)
{
	static const char scheme[] = "http://";
	const char *host = text + sizeof(scheme) - 1, *behind, *target;
	unsigned long port = 80;
	size_t bytes;

	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return -EINVAL;
	if (strncasecmp(text, "https://", 8) == 0)
		return -EPROTONOSUPPORT;
	if (strncasecmp(text, scheme, sizeof(scheme) - 1) != 0)
		return -EINVAL;
	target = host + strcspn(host, "/?#");
	if (*host == '[') {
		host++;
		behind = host + strcspn(host, "]");
		if (*behind != ']')
			return -EINVAL;
		bytes = (size_t)(behind++ - host);
	} else {
		behind = host + strcspn(host, ":/?#");
		bytes = (size_t)(behind - host);
	}
	if (*behind == ':') {
		char *end;

		port = behind[1] >= '0' && behind[1] <= '9' ? strtoul(behind + 1, &end, 10) : 0;
		if (port == 0 || port > 65535)
			return -EINVAL;
		behind = end;
	}
	if (bytes == 0 || bytes >= sizeof(plan->host) || behind != target ||
	    (*target != '\0' && *target != '/') || strlen(target) > LOAD_REQUEST_BYTES / 2)
		return -EINVAL;
	memcpy(plan->host, host, bytes);
	plan->host[bytes] = '\0';
	plan->port = (uint16_t)port;
	plan->target = *target != '\0' ? target : "/";
	return 0;
}

size_t load_request(const struct load_plan *p, char ret[LOAD_REQUEST_BYTES])
{
	bool v6 = strchr(p->host, ':') != NULL;
	char port[8] = "";

	if (p->port != 80)
		(void)snprintf(port, sizeof(port), ":%u", p->port);
	return (size_t)snprintf(
		ret, LOAD_REQUEST_BYTES,
		"GET %.*s HTTP/1.1\r\nHost: %s%s%s%s\r\nUser-Agent: weir\r\nAccept: */*\r\n\r\n",
		LOAD_REQUEST_BYTES / 2, p->target, v6 ? "[" : "", p->host, v6 ? "]" : "", port);
}

static int resolve(struct load *l, char err[LOAD_ERROR_BYTES])
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found;
	char port[8];
	int why;

	(void)snprintf(port, sizeof(port), "%u", l->plan->port);
	why = getaddrinfo(l->plan->host, port, &hints, &found);
	if (why != 0) {
		(void)snprintf(err, LOAD_ERROR_BYTES, "%s: %s; give an address", l->plan->host,
			       gai_strerror(why));
		return -EHOSTUNREACH;
	}
	memcpy(&l->address, found->ai_addr, found->ai_addrlen);
	l->address_bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

/* due_of - of a connection's request number `turn`; from the beginning each time, so that nothing
 * adds up. */
static uint64_t due_of(const struct load *l, const struct connection *c, uint64_t turn)
{
	uint64_t number = turn * l->plan->connections + (uint64_t)(c - l->connection);

	return l->start_ns + (uint64_t)((double)number * (double)CLOCK_SECOND_NS / l->plan->rate);
}

/* ---- the heap ---- */

static bool is_before(const struct load *l, uint32_t a, uint32_t b)
{
	return l->connection[l->heap[a]].due_ns < l->connection[l->heap[b]].due_ns;
}

static void swap(struct load *l, uint32_t a, uint32_t b)
{
	uint32_t t = l->heap[a];

	l->heap[a] = l->heap[b];
	l->heap[b] = t;
}

static void heap_push(struct load *l, uint32_t connection)
{
	uint32_t at = l->heap_count++;

	l->heap[at] = connection;
	for (; at > 0 && is_before(l, at, (at - 1) / 2); at = (at - 1) / 2)
		swap(l, at, (at - 1) / 2);
}

static struct connection *heap_pop(struct load *l)
{
	uint32_t top = l->heap[0], at = 0;

	l->heap[0] = l->heap[--l->heap_count];
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < l->heap_count && is_before(l, child + 1, child))
			child++;
		if (child >= l->heap_count || !is_before(l, child, at))
			break;
		swap(l, at, child);
		at = child;
	}
	return &l->connection[top];
}

/* ---- a request's life ---- */

static bool is_measured(const struct load *l, const struct connection *c)
{
	return c->due_ns >= l->begin_ns && c->due_ns < l->end_ns;
}

/* rest - until the connection's next request is due. */
static void rest(struct load *l, struct connection *c, uint64_t now_ns, bool failed)
{
	uint64_t apart_ns = 0;

	c->free_ns = now_ns;
	if (!l->closed) {
		c->due_ns = due_of(l, c, ++c->turn);
	} else {
		if (l->plan->rate > 0)
			apart_ns = (uint64_t)((double)CLOCK_SECOND_NS * l->plan->connections /
					      l->plan->rate);
		c->due_ns = c->due_ns + apart_ns > now_ns ? c->due_ns + apart_ns : now_ns;
		if (failed && c->due_ns < now_ns + REST_NS)
			c->due_ns = now_ns + REST_NS;
	}
	c->stage = c->due_ns < l->end_ns ? STAGE_RESTING : STAGE_OVER;
	if (c->stage == STAGE_RESTING)
		heap_push(l, (uint32_t)(c - l->connection));
}

static void disconnect(struct connection *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static enum load_failure failure_of(int err)
{
	switch (err) {
	case ECONNREFUSED: return LOAD_REFUSED;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL:
	case ETIMEDOUT: return LOAD_UNREACHABLE;
	case ECONNRESET:
	case EPIPE: return LOAD_RESET;
	default: return LOAD_OTHER;
	}
}

static void fail(struct load *l, struct connection *c, enum load_failure why)
{
	bool was_connecting = c->stage == STAGE_CONNECTING;

	disconnect(c);
	l->busy--;
	if (is_measured(l, c)) {
		l->report->failure[why]++;
		l->report->failed++;
	}
	rest(l, c, clock_monotonic_ns(), was_connecting);
}

static void finish(struct load *l, struct connection *c)
{
	struct load_report *r = l->report;
	uint64_t now_ns = clock_monotonic_ns();

	l->busy--;
	if (now_ns >= l->begin_ns && now_ns < l->end_ns)
		r->in_time++;
	if (is_measured(l, c)) {
		r->answered++;
		if (c->answer.status >= 400)
			r->bad_status++;
		hdr_record(&r->latency, now_ns - c->due_ns);
		hdr_record(&r->service, now_ns - c->sent_ns);
	}
	if (c->answer.close)
		disconnect(c);
	rest(l, c, now_ns, false);
}

static void note_sent(struct load *l, struct connection *c)
{
	c->sent_ns = clock_monotonic_ns();
	if (!is_measured(l, c))
		return;
	l->report->sent++;
	/* Whoever had to connect first was not late by itself. */
	if (c->stage == STAGE_SENDING)
		hdr_record(&l->report->lateness,
			   c->sent_ns > c->could_ns ? c->sent_ns - c->could_ns : 0);
}

static void write_request(struct load *l, struct connection *c)
{
	ssize_t n;

	if (c->written == 0)
		note_sent(l, c);
	c->stage = STAGE_SENDING;
	n = send(c->fd, l->request + c->written, l->request_bytes - c->written, MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		fail(l, c, failure_of(errno));
		return;
	}
	c->written += (size_t)n;
	if (c->written == l->request_bytes)
		c->stage = STAGE_WAITING;
}

/* open_socket - and begin to connect. Returns: 0 or -errno; c->fd is -1 then. */
static int open_socket(struct load *l, struct connection *c)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.u32 = (uint32_t)(c - l->connection) };
	int on = 1, err = 0;

	c->fd = socket(l->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (struct sockaddr *)&l->address, l->address_bytes) < 0 &&
	    errno != EINPROGRESS)
		err = -errno;
	else if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) < 0)
		err = -errno;
	if (err < 0)
		disconnect(c);
	else
		l->report->connects++;
	return err;
}

/* begin - the connection's request is due. */
static void begin(struct load *l, struct connection *c)
{
	int err;

	l->busy++;
	c->written = 0;
	answer_begin(&c->answer);
	c->could_ns = c->due_ns > c->free_ns ? c->due_ns : c->free_ns;
	if (l->closed) /* there a request is due when it goes */
		c->due_ns = clock_monotonic_ns();
	if (is_measured(l, c))
		l->report->due++;
	if (c->fd >= 0) {
		c->stage = STAGE_SENDING;
		write_request(l, c);
		return;
	}
	c->stage = STAGE_CONNECTING;
	err = open_socket(l, c);
	if (err < 0)
		fail(l, c, failure_of(-err));
}

/* ---- what comes ---- */

static int socket_error(int fd)
{
	int err = 0;
	socklen_t bytes = sizeof(err);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &bytes) < 0 ? errno : err;
}

/* take_bytes - true: the request is over, one way or the other. */
static bool take_bytes(struct load *l, struct connection *c, size_t count)
{
	size_t used;

	if (is_measured(l, c))
		l->report->bytes += count;
	switch (answer_feed(&c->answer, l->bytes, count, &used)) {
	case ANSWER_MORE: return false;
	case ANSWER_DONE:
		/* Nobody has asked for what follows. */
		c->answer.close = c->answer.close || used < count;
		finish(l, c);
		return true;
	case ANSWER_BAD: fail(l, c, LOAD_BAD_ANSWER); return true;
	}
	return true;
}

/* read_answer - events are told once, so until there is no more. */
static void read_answer(struct load *l, struct connection *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, l->bytes, sizeof(l->bytes), 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			fail(l, c, failure_of(errno));
			return;
		}
		if (n == 0) {
			if (answer_close(&c->answer) == ANSWER_DONE)
				finish(l, c);
			else
				fail(l, c, LOAD_CLOSED);
			return;
		}
		if (take_bytes(l, c, (size_t)n))
			return;
	}
}

static void on_event(struct load *l, struct connection *c, uint32_t events)
{
	if (c->fd < 0)
		return;
	switch (c->stage) {
	case STAGE_CONNECTING:
		if ((events & (EPOLLERR | EPOLLHUP)) != 0)
			fail(l, c, failure_of(socket_error(c->fd)));
		else if ((events & EPOLLOUT) != 0)
			write_request(l, c);
		break;
	case STAGE_SENDING:
		if ((events & EPOLLOUT) != 0)
			write_request(l, c);
		break;
	case STAGE_WAITING:
		if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0)
			read_answer(l, c);
		/* The server closes behind its answer, and this event will not come again. */
		if ((events & EPOLLRDHUP) != 0 &&
		    (c->stage == STAGE_RESTING || c->stage == STAGE_OVER))
			disconnect(c);
		break;
	case STAGE_RESTING:
	case STAGE_OVER:
		/* Closed while nothing was asked, or spoken without being asked. */
		if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0)
			disconnect(c);
		break;
	}
}

/* ---- the run ---- */

static struct timespec span(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t ns = to_ns > from_ns ? to_ns - from_ns : 0;

	return (struct timespec){ .tv_sec = (time_t)(ns / CLOCK_SECOND_NS),
				  .tv_nsec = (long)(ns % CLOCK_SECOND_NS) };
}

/* wait_until - something comes, a signal, or the time. */
static void wait_until(struct load *l, uint64_t until_ns, const sigset_t *mask)
{
	struct epoll_event event[EVENTS];
	struct timespec wait = span(clock_monotonic_ns(), until_ns);
	int count = epoll_pwait2(l->epoll, event, EVENTS, &wait, mask);

	for (int i = 0; i < count; i++)
		on_event(l, &l->connection[event[i].data.u32], event[i].events);
}

static const struct connection *next_due(const struct load *l)
{
	return l->heap_count > 0 ? &l->connection[l->heap[0]] : NULL;
}

static void begin_due(struct load *l, uint64_t now_ns)
{
	while (next_due(l) != NULL && next_due(l)->due_ns <= now_ns)
		begin(l, heap_pop(l));
}

/* stop_early - what was due before now counts, and nothing else is sent. */
static void stop_early(struct load *l, uint64_t now_ns)
{
	l->report->interrupted = true;
	if (now_ns < l->end_ns)
		l->end_ns = now_ns + 1; /* what has begun by now counts */
	if (l->begin_ns > l->end_ns)
		l->begin_ns = l->end_ns;
	while (l->heap_count > 0)
		heap_pop(l)->stage = STAGE_RESTING; /* settle() counts what it owes */
}

static void go(struct load *l, const sigset_t *mask)
{
	uint64_t last_ns = l->end_ns + LOAD_GRACE_NS;

	for (;;) {
		uint64_t now_ns = clock_monotonic_ns();

		if (stopped && !l->report->interrupted) {
			stop_early(l, now_ns);
			last_ns = now_ns + STOP_NS;
		}
		if (!l->report->interrupted)
			begin_due(l, now_ns);
		if (now_ns >= last_ns || (now_ns >= l->end_ns && l->busy == 0 &&
					  (l->heap_count == 0 || l->report->interrupted)))
			return;
		if (l->heap_count > 0 && !l->report->interrupted && next_due(l)->due_ns < last_ns)
			wait_until(l, next_due(l)->due_ns, mask);
		else
			wait_until(l, now_ns < l->end_ns ? l->end_ns : last_ns, mask);
	}
}

/* settle - what has no answer by now has failed; what was never sent too. */
static void settle(struct load *l)
{
	struct load_report *r = l->report;

	for (uint32_t i = 0; i < l->plan->connections; i++) {
		struct connection *c = &l->connection[i];
		bool under_way = c->stage != STAGE_RESTING && c->stage != STAGE_OVER;

		if (under_way && is_measured(l, c))
			r->failure[LOAD_UNFINISHED]++;
		if (under_way)
			c->due_ns = due_of(l, c, ++c->turn);
		for (; !l->closed && c->due_ns < l->end_ns; c->due_ns = due_of(l, c, ++c->turn)) {
			if (!is_measured(l, c))
				continue;
			r->due++;
			r->failure[LOAD_UNSENT]++;
		}
	}
	r->failed = 0;
	for (uint32_t i = 0; i < LOAD_FAILURES; i++)
		r->failed += r->failure[i];
	r->elapsed_ns = l->end_ns - l->begin_ns;
}

/* ---- connecting ---- */

/* connect_all - before the first request is due, so that the first figures are like the others.
 * Returns: how many could not be made, and why the last of them. */
static uint32_t connect_all(struct load *l, int *ret_why)
{
	uint64_t last_ns = clock_monotonic_ns() + CONNECT_NS;
	uint32_t failed = 0;

	*ret_why = 0;
	for (uint32_t i = 0; i < l->plan->connections; i++) {
		struct connection *c = &l->connection[i];
		int err = open_socket(l, c);

		if (err < 0) {
			*ret_why = -err;
			failed++;
		}
	}
	for (uint32_t i = 0; i < l->plan->connections; i++) {
		struct connection *c = &l->connection[i];
		struct pollfd p = { .fd = c->fd, .events = POLLOUT };
		struct timespec wait = span(clock_monotonic_ns(), last_ns);
		int why;

		if (c->fd < 0)
			continue;
		why = ppoll(&p, 1, &wait, NULL) > 0 ? socket_error(c->fd) : ETIMEDOUT;
		if (why == 0)
			continue;
		*ret_why = why;
		failed++;
		disconnect(c);
	}
	return failed;
}

static int connect_or_tell(struct load *l, char err[LOAD_ERROR_BYTES])
{
	int why;

	if (connect_all(l, &why) < l->plan->connections)
		return 0;
	(void)snprintf(err, LOAD_ERROR_BYTES, "%s port %u: %s; does a server listen there?",
		       l->plan->host, l->plan->port, strerror(why));
	return -why;
}

/* ---- setting up ---- */

static void raise_files(uint32_t connections)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= connections + FILES_BESIDE)
		return;
	r.rlim_cur = connections + FILES_BESIDE < r.rlim_max ? connections + FILES_BESIDE
							     : r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

/* core_ns - for how long this thread ran, and for how long it waited for a core. */
static uint64_t core_ns(void)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "re");
	unsigned long long ran = 0, waited = 0;
	struct timespec t;

	if (f != NULL) {
		if (fscanf(f, "%llu %llu", &ran, &waited) != 2)
			ran = waited = 0;
		fclose(f);
	}
	if (ran == 0) { /* a kernel without it tells only what was run */
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
		ran = (uint64_t)t.tv_sec * CLOCK_SECOND_NS + (uint64_t)t.tv_nsec;
	}
	return ran + waited;
}

static void run_plan(struct load *l, const sigset_t *mask)
{
	uint64_t core_before_ns = core_ns(), now_ns = clock_monotonic_ns();

	l->start_ns = now_ns;
	l->begin_ns = l->start_ns + l->plan->warmup_ns;
	l->end_ns = l->begin_ns + l->plan->duration_ns;
	for (uint32_t i = 0; i < l->plan->connections; i++) {
		struct connection *c = &l->connection[i];

		c->due_ns = l->closed ? now_ns : due_of(l, c, 0);
		if (l->closed && l->plan->rate > 0)
			c->due_ns += (uint64_t)((double)CLOCK_SECOND_NS * i / l->plan->rate);
		c->free_ns = now_ns;
		c->stage = STAGE_RESTING;
		heap_push(l, i);
	}
	go(l, mask);
	settle(l);
	l->report->busy = (double)(core_ns() - core_before_ns) /
			  (double)(clock_monotonic_ns() - now_ns);
}

/* with_signals - INT and TERM wait until somebody waits for them. */
static void with_signals(struct load *l)
{
	struct sigaction act = { .sa_handler = on_signal }, old_int, old_term;
	sigset_t ends, old;

	stopped = 0;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, &old);
	sigaction(SIGINT, &act, &old_int);
	sigaction(SIGTERM, &act, &old_term);
	run_plan(l, &old);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static int set_up(struct load *l, char err[LOAD_ERROR_BYTES])
{
	int bad = resolve(l, err);

	if (bad < 0)
		return bad;
	raise_files(l->plan->connections);
	l->request_bytes = load_request(l->plan, l->request);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		bad = -errno;
		(void)snprintf(err, LOAD_ERROR_BYTES, "epoll: %s", strerror(errno));
	}
	return bad;
}

static void take_down(struct load *l)
{
	for (uint32_t i = 0; i < l->plan->connections; i++)
		disconnect(&l->connection[i]);
	if (l->epoll >= 0)
		close(l->epoll);
}

int load_run(const struct load_plan *plan, struct load_report *ret, char err[LOAD_ERROR_BYTES])
{
	struct load *l = calloc(1, sizeof(*l));
	struct connection *connection = calloc(plan->connections, sizeof(*connection));
	uint32_t *heap = calloc(plan->connections, sizeof(*heap));
	int bad = -ENOMEM;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(err, LOAD_ERROR_BYTES, "no memory for %u connections; use fewer",
		       plan->connections);
	if (l == NULL || connection == NULL || heap == NULL)
		goto err_free;
	*l = (struct load){ .plan = plan,
			    .report = ret,
			    .connection = connection,
			    .heap = heap,
			    .closed = plan->closed || plan->rate <= 0,
			    .epoll = -1 };
	ret->asked = plan->rate;
	for (uint32_t i = 0; i < plan->connections; i++)
		connection[i].fd = -1;
	bad = set_up(l, err);
	if (bad == 0)
		bad = connect_or_tell(l, err);
	if (bad == 0) {
		/* The kernel may put timers together that are 50 us apart, unless told. */
		(void)prctl(PR_SET_TIMERSLACK, 1UL);
		with_signals(l);
		(void)prctl(PR_SET_TIMERSLACK, 0UL);
	}
	take_down(l);
err_free:
	free(heap);
	free(connection);
	free(l);
	return bad;
}
