/* watch - a capture that is running, as its ctl.sock tells of it. */
#include "control/bench/watch.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "control/bench/hold.h"
#include "control/weir/captures.h"

enum { ANSWER_BYTES = 64 * 1024 };

static double number(const json_t *root, const char *object, const char *key)
{
	return json_number_value(json_object_get(json_object_get(root, object), key));
}

int watch_parse(const char *json, struct watch_state *ret)
{
	json_t *root = json_loads(json, JSON_DISABLE_EOF_CHECK, NULL);
	const json_t *turns = json_object_get(root, "worker_turns");
	struct watch_state s = {
		.dataplane = (pid_t)json_integer_value(json_object_get(root, "dataplane_pid")),
		.control = (pid_t)json_integer_value(json_object_get(root, "control_pid")),
		.received = number(root, "packets", "received"),
		.lost = number(root, "packets", "lost"),
		.pairs = number(root, "pairs", "matched"),
	};

	for (size_t i = 0; i < json_array_size(turns) && i < WATCH_WORKERS_MAX; i++)
		s.turn[s.workers++] = json_number_value(json_array_get(turns, i));
	json_decref(root);
	if (s.dataplane <= 0 || s.control <= 0 || s.workers == 0)
		return -EPROTO;
	*ret = s;
	return 0;
}

/* receive - until the other side closes. Returns: 0; -ETIMEDOUT; -EPROTO; -errno. */
static int receive(int fd, double seconds, char *text)
{
	double end_s = hold_now_s() + seconds;
	size_t used = 0;

	for (;;) {
		ssize_t n = recv(fd, text + used, ANSWER_BYTES - 1 - used, 0);

		if (n > 0)
			used += (size_t)n;
		if (n == 0 || used == ANSWER_BYTES - 1)
			break;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0 && hold_now_s() >= end_s)
			return -ETIMEDOUT;
		if (n < 0)
			(void)hold_poll(fd, end_s - hold_now_s(), false);
	}
	text[used] = '\0';
	return strncmp(text, "weir-ctl ", 9) == 0 ? 0 : -EPROTO;
}

static int ask(int fd, double seconds, struct watch_state *ret)
{
	static const char request[] = "status json\n";
	static char text[ANSWER_BYTES];
	const char *json;
	int err;

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1)
		return -EPROTO;
	err = receive(fd, seconds, text);
	json = err == 0 ? strchr(text, '\n') : NULL;
	if (err == 0 && json == NULL)
		err = -EPROTO;
	return err < 0 ? err : watch_parse(json + 1, ret);
}

int watch_ask(const char *name, double seconds, struct watch_state *ret)
{
	static struct captures found;
	struct runtime_base base = runtime_base_here();
	int err = -ENOENT;

	captures_find(&base, name, &found);
	if (found.count > 0)
		err = ask(found.at[0].fd, seconds, ret);
	captures_close(&found);
	return err;
}
