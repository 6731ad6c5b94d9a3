/* run - other people's programs, run to their end: arguments as a vector, never a shell. */
#include "control/bench/run.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- finding ---- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* find_in - in a list of folders with colons between them. */
static bool find_in(const char *folders, const char *program, char ret[PATH_MAX])
{
	char path[PATH_MAX];

	for (const char *at = folders; *at != '\0';) {
		int length = (int)strcspn(at, ":");
		int written = snprintf(path, sizeof(path), "%.*s/%s", length, at, program);

		if (*program != '\0' && length > 0 && written < (int)sizeof(path) &&
		    is_program(path)) {
			strcpy(ret, path);
			return true;
		}
		at += length;
		at += *at == ':';
	}
	return false;
}

int run_find(const char *program, char ret[PATH_MAX])
{
	const char *path = getenv("PATH");

	if (strchr(program, '/') != NULL) {
		if (strlen(program) >= PATH_MAX || !is_program(program))
			return -ENOENT;
		strcpy(ret, program);
		return 0;
	}
	if (path != NULL && find_in(path, program, ret))
		return 0;
	return find_in("/usr/sbin:/sbin", program, ret) ? 0 : -ENOENT;
}

/* ---- running ---- */

/* take_first_line - read to the end, so that the program never waits for us, and keep one line. */
static void take_first_line(int fd, char ret_line[RUN_LINE_BYTES])
{
	char block[512];
	size_t used = 0;
	bool whole = false;

	for (;;) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n && !whole; i++) {
			whole = block[i] == '\n';
			if (!whole && used < RUN_LINE_BYTES - 1)
				ret_line[used++] = block[i];
		}
	}
	ret_line[used] = '\0';
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* spawn - nothing to read, nowhere to write, and complaints into the pipe. */
static int spawn(const char *path, const char *const argv[], int complaints, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int err = posix_spawn_file_actions_init(&actions);

	if (err != 0)
		return -err;
	err = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (err == 0)
		err = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
						       O_WRONLY, 0);
	if (err == 0)
		err = posix_spawn_file_actions_adddup2(&actions, complaints, STDERR_FILENO);
	/* What the caller has open without close-on-exec is none of the program's business. */
	if (err == 0)
		err = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	if (err == 0)
		err = posix_spawn(ret_pid, path, &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

int run(const char *path, const char *const argv[], char ret_line[RUN_LINE_BYTES])
{
	int complaints[2], err;
	pid_t pid;

	ret_line[0] = '\0';
	if (pipe2(complaints, O_CLOEXEC) < 0)
		return -errno;
	err = spawn(path, argv, complaints[1], &pid);
	close(complaints[1]);
	if (err == 0) {
		take_first_line(complaints[0], ret_line);
		err = wait_for(pid);
	}
	close(complaints[0]);
	return err;
}
