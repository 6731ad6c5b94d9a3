/* read - `weir read`: captures in, pairs out, by two supervised daemons. */
#include <stdlib.h>

#include "control/weir/command.h"
#include "control/weir/launch.h"

int command_read(int argc, char **argv)
{
	struct settings *s;
	int status = launch_parse("read", argc, argv, &s);

	if (s != NULL)
		status = launch_run(s);
	free(s);
	return status;
}
