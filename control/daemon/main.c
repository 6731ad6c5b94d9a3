/* weir-control: take the settings, attach, drain until the dataplane is done, close the books.
 * Whoever asks meanwhile (weir ctl, a reader of the metrics) is answered between two rounds. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/daemon/books.h"
#include "control/daemon/ctl.h"
#include "control/daemon/drain.h"
#include "control/daemon/frame.h"
#include "control/daemon/http.h"
#include "control/daemon/metrics.h"
#include "control/daemon/progress.h"
#include "control/daemon/sources.h"
#include "control/daemon/stats.h"
#include "control/daemon/status.h"
#include "control/export/sink/sink.h"
#include "control/export/text/text.h"
#include "control/weir/address.h"
#include "control/weir/command.h"
#include "control/weir/runtime.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/cpu.h"
#include "dataplane/base/log.h"
#include "dataplane/base/privilege.h"
#include "dataplane/shm/attach.h"
#include "dataplane/shm/settings.h"

enum { ATTACH_TRY_MS = 1000 };

struct daemon {
	const struct settings *settings;
	int settings_fd;
	bool alone; /* a service: not started by weir, and with no dataplane of its own */
	bool restarted;
	struct attach_hello hello;
	int peer_fd, bell_fd;
	struct region_reader region[REGION_WORKERS_MAX];
	struct drain drain;
	struct hdr delay; /* of live captures: a file's packets came when they came */
	struct books books;
	struct stats stats;
	struct progress progress;
	struct status_rates rates;
	struct ctl ctl;
	struct http http;
	bool left_early, closed, ledger_failed;
	bool told_to_end; /* the dataplane, because the output failed */
};

/* ---- signals ---- */

static volatile sig_atomic_t interrupts;
static volatile sig_atomic_t stop_asked;

/* The dataplane gets its own signal, finishes, and so ends the draining. Only a second interrupt
 * does not wait for that. */
static void on_signal(int number)
{
	stop_asked = 1;
	if (number == SIGINT && ++interrupts >= 2)
		_exit(STATUS_SIGNAL + SIGINT);
}

static void set_signals(const struct daemon *d)
{
	struct sigaction stop = { .sa_handler = on_signal };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL); /* a limit on file sizes is an error like any other */
	/* Becoming another user has undone what weir had set for us. */
	if (!d->alone)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* ---- attaching ---- */

/* Whoever started us started the dataplane too. Where the system does not say who our siblings are,
 * somebody may yet come. */
static bool dataplane_may_come(void)
{
	char path[64];
	int children = 0, pid;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)getppid(),
		       (int)getppid());
	f = fopen(path, "re");
	if (f == NULL)
		return true;
	while (fscanf(f, "%d", &pid) == 1)
		children++;
	fclose(f);
	return children != 1;
}

/* The settings of a service do not know how the dataplane calls its run. They are sealed: this is
 * a private view, in which one page differs. */
static int take_run_name(struct daemon *d)
{
	struct settings *own = mmap(NULL, sizeof(*own), PROT_READ | PROT_WRITE, MAP_PRIVATE,
				    d->settings_fd, 0);

	if (own == MAP_FAILED)
		return -errno;
	memcpy(own->run, d->hello.run, sizeof(own->run));
	munmap((void *)(uintptr_t)d->settings, sizeof(*d->settings));
	d->settings = own;
	for (uint32_t i = 0; i < d->hello.workers; i++)
		if (d->region[i].ring.records > 0)
			d->restarted = true; /* somebody has released records before us */
	return 0;
}

/* A dataplane that reads a pipe listens only when the first bytes have come: as long as it is
 * there, it is waited for; by a service, for ever. Returns: 0; -EINTR; -errno. */
static int attach(struct daemon *d)
{
	do {
		http_run(&d->http); /* a scrape without a dataplane has an answer too */
		d->peer_fd = attach_connect(d->settings->runtime, ATTACH_TRY_MS, &d->hello,
					    &d->bell_fd, d->region);
	} while (d->peer_fd == -ETIMEDOUT && !stop_asked && (d->alone || dataplane_may_come()));
	if (stop_asked && d->peer_fd < 0)
		return -EINTR;
	if (d->peer_fd < 0)
		return d->peer_fd;
	if (d->alone)
		return take_run_name(d);
	return strncmp(d->hello.run, d->settings->run, sizeof(d->hello.run)) == 0 ? 0 : -EPROTO;
}

/* One byte says that we leave for good; after end of file alone a successor is awaited. */
static void detach(struct daemon *d)
{
	const char word = ATTACH_FAREWELL;

	if (!d->left_early && send(d->peer_fd, &word, 1, MSG_NOSIGNAL) < 0 && errno != EPIPE &&
	    errno != ECONNRESET)
		log_warn("the dataplane cannot be told that control is done: %s", strerror(errno));
	close(d->peer_fd);
	close(d->bell_fd);
	for (uint32_t i = 0; i < d->hello.workers; i++)
		region_detach(&d->region[i]);
}

/* ---- beginning ---- */

static int begin_draining(struct daemon *d, const struct text_format *format)
{
	const struct settings *s = d->settings;
	struct drain_how how = {
		.regions = d->region,
		.count = d->hello.workers,
		.bell_fd = d->bell_fd,
		.peer_fd = d->peer_fd,
		.run = s->run,
		.until = s->until,
		.restarted = d->restarted,
		.format = format,
		.sink = s->output[0] != 0 ? &sink_file : NULL,
		.sink_how = { .target = s->output,
			      .restarted = d->restarted,
			      .rotate_bytes = s->rotate_bytes,
			      .rotate_ns = s->rotate_ns },
		.delay = s->live ? &d->delay : NULL,
	};
	char *head = NULL;
	int err;

	hdr_clear(&d->delay);
	d->books.delay = how.delay;
	if (format->framed) {
		head = frame_start(s, WEIR_VERSION, &d->region[0], d->hello.workers, d->restarted,
				   &how.sink_how.head_bytes, &how.sink_how.mark_bytes);
		if (head == NULL)
			return -ENOMEM;
		how.sink_how.head = head;
	}
	err = drain_init(&d->drain, &how, &d->books.exporter);
	free(head);
	return err;
}

/* ---- who asks ---- */

/* Returns: 0, also if the dataplane is gone already; -errno. */
static int ask_to_stop(const struct daemon *d)
{
	const char word = ATTACH_STOP;

	if (send(d->peer_fd, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE &&
	    errno != ECONNRESET)
		return -errno;
	return 0;
}

static int answer_stop(struct daemon *d, FILE *to)
{
	if (ask_to_stop(d) < 0) {
		fprintf(to, "the dataplane cannot be told to stop: %s\n", strerror(errno));
		return CTL_REFUSED;
	}
	fputs("stopping\n", to); /* one that is gone already has stopped */
	return STATUS_DONE;
}

static int answer_status(struct daemon *d, bool json, FILE *to)
{
	const struct status_run run = { .settings = d->settings,
					.regions = d->region,
					.version = WEIR_VERSION,
					.control_pid = (uint32_t)getpid(),
					.dataplane_pid = d->hello.pid,
					.restarted = d->restarted };
	uint64_t now_ns = clock_monotonic_ns();

	if (json)
		status_json(&run, &d->rates, &d->books, now_ns, to);
	else
		status_text(&run, &d->rates, &d->books, now_ns, to);
	return status_consistent(&d->books) ? STATUS_DONE : STATUS_LEDGER;
}

/* The line on stderr goes on counting from the one before. */
static int answer_stats(struct daemon *d, bool json, FILE *to)
{
	struct stats stats = d->stats;

	if (json)
		stats_json(&stats, &d->books, to);
	else
		stats_write(&stats, &d->books, to);
	return STATUS_DONE;
}

static int answer_ledger(struct daemon *d, bool json, FILE *to)
{
	char *text = json ? malloc(BOOKS_JSON_MAX) : NULL;

	if (json && text != NULL)
		fprintf(to, "%.*s\n", (int)(books_json(&d->books, text) - text), text);
	else if (!json)
		books_table(&d->books, to);
	if (!json && !drain_done(&d->drain))
		fputs("(the run goes on: what is under way closes no balance yet; `weir ctl "
		      "status` says whether the books are consistent)\n",
		      to);
	free(text);
	return STATUS_DONE;
}

static int answer(void *context, enum ctl_word word, bool json, FILE *to)
{
	struct daemon *d = context;

	if (word == CTL_stop)
		return answer_stop(d, to);
	if (word == CTL_settings)
		return STATUS_DONE; /* they come along as they are */
	books_take(&d->books, d->region, d->hello.workers);
	if (word == CTL_stats)
		return answer_stats(d, json, to);
	return word == CTL_status ? answer_status(d, json, to) : answer_ledger(d, json, to);
}

/* Without its socket a run cannot be asked, and is none the worse for it. */
static void open_ctl(struct daemon *d)
{
	const struct ctl_answers answers = { .answer = answer,
					     .context = d,
					     .settings_fd = d->settings_fd };
	int err = ctl_open(&d->ctl, d->settings->runtime, &answers);

	if (err < 0)
		log_warn("%s/" CTL_SOCKET ": %s; weir ctl will not reach this run",
			 d->settings->runtime, strerror(-err));
}

/* Before there is a dataplane the books are empty. */
static char *build_metrics(void *context, size_t *ret_bytes)
{
	struct daemon *d = context;

	books_take(&d->books, d->region, d->hello.workers);
	return metrics_build(&d->books, d->region, WEIR_VERSION, d->settings->started_wall_ns,
			     ret_bytes);
}

/* Returns: 0; -errno, after a message. */
static int open_metrics(struct daemon *d)
{
	const struct http_page page = { .build = build_metrics,
					.context = d,
					.type = METRICS_TYPE };
	const char *text = d->settings->metrics;
	struct sockaddr_storage at;
	int err = text[0] != 0 ? address_parse(text, &at) : 0;

	if (text[0] == 0)
		return 0;
	if (err == 0)
		err = http_open(&d->http, &at, &page);
	if (err == -EADDRINUSE)
		log_error("--metrics %.120s: that port is in use; name another one", text);
	else if (err == -EADDRNOTAVAIL)
		log_error("--metrics %.120s: no interface here has that address", text);
	else if (err == -EACCES)
		log_error("--metrics %.120s: ports below 1024 need privileges that are gone by "
			  "then; name a higher one",
			  text);
	else if (err < 0)
		log_error("--metrics %.120s: %s", text, strerror(-err));
	return err;
}

/* ---- draining ---- */

/* Chores read the counters themselves: they run between rounds, never in one. */
static void do_chores(struct daemon *d)
{
	uint64_t now_ns = clock_monotonic_ns();
	bool stats = stats_due(&d->stats, now_ns), progress = progress_due(&d->progress, now_ns);
	bool rates = status_due(&d->rates, now_ns);

	ctl_run(&d->ctl, now_ns);
	http_run(&d->http);
	if (!stats && !progress && !rates)
		return;
	books_take(&d->books, d->region, d->hello.workers);
	if (rates)
		status_tick(&d->rates, &d->books, now_ns);
	if (stats) {
		progress_erase(&d->progress, stderr);
		stats_write(&d->stats, &d->books, stderr);
	}
	if (progress)
		progress_draw(&d->progress, &d->books, now_ns, stderr);
}

/* A service is stopped for itself: the dataplane goes on, and the next control finds in the rings
 * what this one has not written. Collected lines would be lost: with them the end is awaited. */
static bool leaves_early(const struct daemon *d)
{
	return d->alone && stop_asked && !d->drain.format->collects && !drain_done(&d->drain);
}

/* A file is read to its end without an output, for the books. An interface has no end: the run does
 * not go on for nothing. */
static void end_without_output(struct daemon *d)
{
	if (!d->settings->live || !d->drain.output_failed || d->told_to_end)
		return;
	d->told_to_end = true;
	(void)ask_to_stop(d);
}

static void drain_all(struct daemon *d)
{
	const int others[] = { ctl_fd(&d->ctl), http_fd(&d->http) };

	for (;;) {
		drain_round(&d->drain);
		end_without_output(d);
		do_chores(d);
		if (drain_done(&d->drain) || leaves_early(d))
			return;
		drain_wait(&d->drain, others, array_count(others));
	}
}

/* ---- ending ---- */

static void write_end_line(struct daemon *d)
{
	size_t bytes;
	char *line = frame_end(d->settings, &d->books, d->region, &bytes);

	if (line != NULL)
		drain_line(&d->drain, line, bytes);
	free(line);
}

static int put_file(const char *path, const char *text, size_t bytes)
{
	FILE *f = fopen(path, "we");
	int err = 0;

	if (f == NULL)
		return -errno;
	if (fwrite(text, 1, bytes, f) != bytes)
		err = -errno;
	if (fclose(f) != 0 && err == 0)
		err = -errno;
	return err;
}

/* A file is replaced in one step, so that nobody reads half a ledger; what is no file (a pipe, a
 * terminal) is written as it is. */
static int put_ledger(const char *path, const char *text, size_t bytes)
{
	char fresh[SETTINGS_PATH_BYTES + 32];
	struct stat st;
	int err;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return put_file(path, text, bytes);
	(void)snprintf(fresh, sizeof(fresh), "%s.new-%d", path, (int)getpid());
	err = put_file(fresh, text, bytes);
	if (err == 0 && rename(fresh, path) < 0)
		err = -errno;
	if (err < 0)
		unlink(fresh);
	return err;
}

static void write_ledger(struct daemon *d)
{
	const char *path = d->settings->ledger;
	char *text, *end;
	int err = -ENOMEM;

	if (path[0] == 0)
		return;
	text = malloc(BOOKS_JSON_MAX + 1);
	if (text != NULL) {
		end = books_json(&d->books, text);
		*end++ = '\n';
		err = put_ledger(path, text, (size_t)(end - text));
	}
	free(text);
	if (err < 0)
		log_error("cannot write the ledger %.300s: %s; name another place with --ledger",
			  path, strerror(-err));
	d->ledger_failed = err < 0;
}

static uint64_t packets_lost(const struct daemon *d)
{
	struct sources sources;
	uint64_t sum = 0;

	sources_sum(&sources, &d->books);
	for (uint32_t i = 0; i < sources.count; i++)
		sum += sources_lost(&sources.source[i]);
	return sum;
}

static void write_closing_line(const struct daemon *d)
{
	double seconds = (double)(clock_monotonic_ns() - d->settings->started_ns) / 1e9;
	const char *ledger = d->books.died ? "dataplane died"
			     : d->closed   ? "ledger closed"
					   : "ledger DOES NOT CLOSE";

	fprintf(stderr, "weir %s: %llu packets", d->settings->command,
		(unsigned long long)books_sum(&d->books, C_received));
	if (d->settings->live)
		fprintf(stderr, ", %llu lost", (unsigned long long)packets_lost(d));
	fprintf(stderr, ", %llu pairs, %s, %.2f s\n",
		(unsigned long long)books_sum(&d->books, C_requests_paired), ledger, seconds);
}

static void close_books(struct daemon *d)
{
	drain_finish(&d->drain);
	d->books.died = drain_died(&d->drain);
	books_take(&d->books, d->region, d->hello.workers);
	if (d->drain.format->framed)
		write_end_line(d);
	drain_close(&d->drain);
	d->closed = books_closed(&d->books);
	write_ledger(d);
	progress_erase(&d->progress, stderr);
	if (d->settings->stats_interval_ns != 0)
		stats_write(&d->stats, &d->books, stderr);
	if (d->settings->quiet)
		return;
	books_table(&d->books, stderr);
	write_closing_line(d);
}

/* Without a dataplane to close them, open books say nothing about weir's own counting. */
static int exit_status(const struct daemon *d)
{
	if (!d->books.died && !d->closed)
		return STATUS_LEDGER;
	if (d->drain.output_failed || d->ledger_failed || d->books.exporter.failed_memory != 0)
		return STATUS_OUTPUT;
	return d->books.died ? STATUS_SOURCE : STATUS_DONE;
}

static int run(struct daemon *d, const struct text_format *format)
{
	uint64_t now_ns = clock_monotonic_ns();
	int err = begin_draining(d, format);

	if (err < 0) {
		log_error("cannot start: %s", strerror(-err));
		return STATUS_OUTPUT;
	}
	stats_init(&d->stats, d->settings->stats_interval_ns, (pid_t)d->hello.pid);
	books_take(&d->books, d->region, d->hello.workers);
	if (d->restarted)
		stats_go_on(&d->stats, &d->books);
	stats_begin(&d->stats, stderr);
	status_init(&d->rates, &d->books, now_ns);
	open_ctl(d);
	progress_init(&d->progress, d->settings->progress != 0, now_ns);
	drain_all(d);
	d->left_early = leaves_early(d);
	if (d->left_early) {
		log_info(
			"stopped; the dataplane goes on, and its ring keeps what is to be written");
		drain_close(&d->drain);
		return d->drain.output_failed ? STATUS_OUTPUT : STATUS_DONE;
	}
	close_books(d);
	return exit_status(d);
}

static int settings_fd(int argc, char **argv)
{
	if (argc != 3 || strcmp(argv[1], "--settings-fd") != 0)
		return -1;
	return atoi(argv[2]);
}

/* Before anything is opened that this user should not have opened. Returns: 0, -errno. */
static int give_up_privileges(const struct settings *s)
{
	if (s->drops_user)
		return privilege_drop(s->uid, s->gid);
	return s->live ? privilege_forget() : 0;
}

static int attach_and_run(struct daemon *d, const struct text_format *format)
{
	int err = attach(d), status;

	if (err == 0) {
		status = run(d, format);
		detach(d);
		ctl_close(&d->ctl); /* who waits for the stop hears of it now */
		return status;
	}
	if (err == -EINTR)
		return STATUS_DONE; /* stopped before there was anything to drain */
	log_error("cannot attach to the dataplane in %s: %s", d->settings->runtime, strerror(-err));
	return STATUS_SOURCE;
}

/* Returns: STATUS_DONE; another one after a message. */
static int take_settings(struct daemon *d, int fd)
{
	int err = settings_map(fd, &d->settings);

	if (err < 0) {
		log_error("settings: %s", strerror(-err));
		return STATUS_USAGE;
	}
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	d->settings_fd = fd;
	d->alone = d->settings->service != SERVICE_NONE;
	d->restarted = getenv("WEIR_RESTART") != NULL;
	d->books.live = d->settings->live != 0;
	(void)cpu_avoid(d->settings->core, d->settings->core_count);
	err = give_up_privileges(d->settings);
	if (err < 0) {
		log_error("cannot give up privileges: %s", strerror(-err));
		return STATUS_USAGE;
	}
	return STATUS_DONE;
}

int main(int argc, char **argv)
{
	static struct daemon d;
	const struct text_format *format;
	int fd = settings_fd(argc, argv), status;

	log_open("weir", LOG_INFO);
	if (fd < 0) {
		fprintf(stderr,
			"weir-control: started by weir, with --settings-fd N; see `weir --help`\n");
		return STATUS_USAGE;
	}
	status = take_settings(&d, fd);
	if (status != STATUS_DONE)
		return status;
	format = text_find(d.settings->format);
	if (format == NULL) {
		log_error("--format %.31s: there is no such format", d.settings->format);
		return STATUS_USAGE;
	}
	d.books.exporter.format = format->name;
	set_signals(&d);
	status = open_metrics(&d) < 0 ? STATUS_OUTPUT : attach_and_run(&d, format);
	http_close(&d.http);
	/* weir, who would have done it, was killed: nothing stays behind. */
	if (!d.alone && getppid() != (pid_t)d.settings->weir_pid)
		runtime_remove(d.settings->runtime);
	return status;
}
