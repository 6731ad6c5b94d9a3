/* weir-dataplane - take the settings, set up, enter the sandbox, run. Nothing else happens here.
 *
 * The main thread lets control in and out, listens for signals, and stays until control has read
 * everything: a control that is killed finds the rest when it comes back.
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <fcntl.h>
#include <unistd.h>

#include "dataplane/base/ballast.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/log.h"
#include "dataplane/rx/backends.h"
#include "dataplane/sandbox.h"
#include "dataplane/setup.h"
#include "dataplane/shm/attach.h"

enum { EXIT_DONE = 0, EXIT_USAGE = 2, EXIT_DAMAGED = 4, EXIT_SOURCE = 5, EXIT_OUTPUT = 6 };
enum { TICK_MS = 100, COUNTING_TICK_MS = 10 };
#define LEAVE_AFTER_NS (3 * CLOCK_SECOND_NS)

struct house {
	struct dataplane d;
	int listen_fd, control_fd, signal_fd, null_fd;
	uint32_t running;  /* workers not finished */
	uint64_t alone_ns; /* CLOCK_MONOTONIC since which nobody is attached after the stop; 0:
			      somebody is */
	bool farewell;     /* control has said that it is done */
	uint64_t ends_ns;  /* CLOCK_MONOTONIC at which --duration is over; UINT64_MAX: never */
	bool counting;     /* --count, over several live workers */
};

static int settings_fd(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--settings-fd") == 0)
		return atoi(argv[2]);
	return -1;
}

/* ---- signals ---- */

static void wake_only(int number)
{
	(void)number;
}

/* Workers look at `stop` once per turn. One that sleeps in read(2) on a pipe is woken, and finds
 * the end of /dev/null there. */
static void ask_to_stop(struct house *h)
{
	atomic_store(&h->d.door.stop, true);
	h->ends_ns = UINT64_MAX;
	h->counting = false;
	for (uint32_t i = 0; i < h->d.settings->input_count; i++)
		if (h->null_fd >= 0)
			dup2(h->null_fd, STDIN_FILENO);
	for (uint32_t i = 0; i < h->d.workers; i++)
		pthread_kill(h->d.worker[i].thread, SIGURG);
}

static int open_signals(void)
{
	struct sigaction wake = {
		.sa_handler = wake_only
	}; /* without SA_RESTART: read(2) returns */
	sigset_t set;

	sigaction(SIGURG, &wake, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like any other */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- control comes and goes ---- */

static void let_in(struct house *h)
{
	struct attach_hello hello = { .magic = ATTACH_MAGIC,
				      .workers = h->d.workers,
				      .pid = (uint32_t)getpid() };
	static struct region_writer regions[REGION_WORKERS_MAX];
	int fd = attach_accept(h->listen_fd);

	if (fd == -EACCES)
		log_warn("somebody who is neither root nor our own user asked to attach: refused");
	if (fd < 0)
		return;
	memcpy(hello.run, h->d.settings->run, sizeof(hello.run));
	/* The descriptors only: the rest is in its worker's hands. */
	for (uint32_t i = 0; i < h->d.workers; i++) {
		regions[i].up_fd = h->d.worker[i].region.up_fd;
		regions[i].down_fd = h->d.worker[i].region.down_fd;
	}
	if (attach_send(fd, &hello, h->d.bell_fd, regions) < 0) {
		close(fd);
		return;
	}
	h->control_fd = fd;
	atomic_store(&h->d.door.attached, true);
}

/* Control asks for the stop, or says that it leaves on purpose; end of file alone means that it
 * died. */
static void hear(struct house *h)
{
	char word = 0;
	ssize_t n = recv(h->control_fd, &word, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 1 && word == ATTACH_STOP) {
		ask_to_stop(h);
		return;
	}
	h->farewell = h->farewell || n == 1;
	close(h->control_fd);
	h->control_fd = -1;
	atomic_store(&h->d.door.attached, false);
}

/* ---- the house ---- */

/* ask_to_stop() is for every worker: one that has ended would leave the others alone. */
static bool is_enough(struct house *h)
{
	uint64_t received = 0;

	if (atomic_load(&h->d.door.stop))
		return false;
	if (clock_monotonic_ns() >= h->ends_ns || (h->d.live && atomic_load(&h->d.door.ending)))
		return true;
	for (uint32_t i = 0; i < h->d.workers && h->counting; i++)
		for (uint32_t k = 0; k < h->d.sources; k++)
			received += atomic_load_explicit(
				&h->d.worker[i].region.header->port[k].received,
				memory_order_relaxed);
	return h->counting && received >= h->d.settings->packets;
}

static uint64_t tick_ms(const struct house *h)
{
	uint64_t now = clock_monotonic_ns(), tick = h->counting ? COUNTING_TICK_MS : TICK_MS;
	uint64_t left_ms = h->ends_ns <= now ? 0 : (h->ends_ns - now) / 1000000 + 1;

	return left_ms < tick ? left_ms : tick;
}

static void tend(struct house *h)
{
	struct pollfd p[] = { { .fd = h->signal_fd, .events = POLLIN },
			      { .fd = h->d.done_fd, .events = POLLIN },
			      { .fd = h->control_fd < 0 ? h->listen_fd : -1, .events = POLLIN },
			      { .fd = h->control_fd, .events = POLLIN } };
	struct signalfd_siginfo info;
	uint64_t finished;

	poll(p, 4, (int)tick_ms(h));
	if (is_enough(h))
		ask_to_stop(h);
	if (read(h->signal_fd, &info, sizeof(info)) == sizeof(info))
		ask_to_stop(h);
	if (read(h->d.done_fd, &finished, sizeof(finished)) == sizeof(finished))
		h->running -= (uint32_t)finished;
	if (h->control_fd >= 0 && p[3].revents != 0)
		hear(h);
	else if (h->control_fd < 0 && p[2].revents != 0)
		let_in(h);
	if (h->control_fd >= 0 || !atomic_load(&h->d.door.stop))
		h->alone_ns = 0;
	else if (h->alone_ns == 0)
		h->alone_ns = clock_monotonic_ns();
}

/* A control that died is started again, at most once a second. */
static bool is_left_alone(const struct house *h)
{
	return h->alone_ns != 0 && clock_monotonic_ns() - h->alone_ns >= LEAVE_AFTER_NS;
}

/* Stay until the workers are done and control has taken its leave; or nobody will come any more. */
static void keep_house(struct house *h)
{
	while (h->running > 0 || (!h->farewell && !is_left_alone(h)))
		tend(h);
}

static int start_workers(struct house *h)
{
	for (uint32_t i = 0; i < h->d.workers; i++) {
		struct worker *w = &h->d.worker[i];
		int err = pthread_create(&w->thread, NULL, worker_run, w);

		if (err != 0)
			return -err;
		h->running++;
	}
	return 0;
}

static int status_of_sources(const struct house *h)
{
	int status = EXIT_DONE;

	if (atomic_load(&h->d.door.gave_up))
		return EXIT_OUTPUT;
	for (uint32_t i = 0; i < h->d.workers; i++) {
		if (!h->d.live && atomic_load(&h->d.door.stop))
			break; /* the end that a stopped reader found is not the file's */
		if (h->d.worker[i].end == RX_GONE)
			return EXIT_SOURCE;
		if (h->d.worker[i].end == RX_DAMAGED)
			status = EXIT_DAMAGED;
	}
	return status;
}

static int run(struct house *h, pid_t parent)
{
	int err = start_workers(h);

	if (err == 0) {
		pthread_barrier_wait(&h->d.start); /* all have settled */
		err = sandbox_enter(h->d.makes_threads);
	}
	if (err < 0) {
		log_error("cannot start: %s", strerror(-err));
		_exit(EXIT_SOURCE); /* threads are waiting at the barrier; nothing has been read */
	}
	if (h->d.settings->duration_ns != 0)
		h->ends_ns = clock_monotonic_ns() + h->d.settings->duration_ns;
	if (getppid() != parent)
		ask_to_stop(
			h); /* weir was killed, and a change of user had cleared its last wish */
	pthread_barrier_wait(&h->d.start);
	keep_house(h);
	for (uint32_t i = 0; i < h->d.workers; i++)
		pthread_join(h->d.worker[i].thread, NULL);
	return status_of_sources(h);
}

/* Whom the socket belongs to, who may connect: control is that user too if there is one. Otherwise
 * control stays who it is, and the socket is made before we become nobody. */
static int listen_and_drop(struct house *h, const struct settings *s)
{
	int err = s->drops_user ? sandbox_drop_user(s->uid, s->gid) : 0;

	if (err < 0) {
		log_error("cannot become user %u: %s", s->uid, strerror(-err));
		return EXIT_SOURCE;
	}
	h->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	h->listen_fd = attach_listen(s->runtime);
	if (h->listen_fd < 0) {
		log_error("%s/attach.sock: %s%s", s->runtime, strerror(-h->listen_fd),
			  h->listen_fd == -EADDRINUSE
				  ? ": a capture of that name is running; choose another --name"
				  : "");
		return EXIT_SOURCE;
	}
	err = s->drops_user ? 0 : sandbox_drop_to_nobody();
	if (err == 0)
		err = sandbox_forbid_paths();
	if (err < 0) {
		log_error("cannot give up privileges: %s", strerror(-err));
		return EXIT_SOURCE;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct house h;
	const struct settings *s;
	pid_t parent = getppid();
	int fd = settings_fd(argc, argv), err, status;

	log_open("weir", LOG_INFO);
	if (fd < 0) {
		fprintf(stderr, "weir-dataplane: started by weir, with --settings-fd N; see `weir "
				"--help`\n");
		return EXIT_USAGE;
	}
	err = settings_map(fd, &s);
	if (err < 0) {
		log_error("settings: %s", strerror(-err));
		return EXIT_USAGE;
	}
	close(fd);
	if (s->list_rx) {
		const char *interface = s->rx_count > 0 ? strchr(s->rx[0], ':') : NULL;

		if (interface != NULL && if_nametoindex(interface + 1) == 0) {
			log_error("%s: there is no such interface", interface + 1);
			return EXIT_SOURCE;
		}
		backends_list(interface != NULL ? interface + 1 : NULL, stdout);
		return EXIT_DONE;
	}
	if (BALLAST_HERE != BALLAST_none)
		log_warn("this weir was built to prove benchmarks: %d cycles of ballast in %s "
			 "(-Dbench_ballast); do not deploy it",
			 BALLAST_CYCLES, BALLAST_NAME);
	h = (struct house){ .listen_fd = -1, .control_fd = -1, .signal_fd = open_signals() };
	h.ends_ns = UINT64_MAX;
	h.counting = s->live && s->packets != 0 && s->workers > 1;
	status = setup_dataplane(&h.d, s);
	if (status == 0)
		status = listen_and_drop(&h, s);
	if (status != 0) {
		setup_undo(&h.d);
		return status;
	}
	status = run(&h, parent);
	setup_undo(&h.d);
	return status;
}
