/* ini_text - values of an INI file that survive being written and read. */
#include "control/weir/ini_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char plain[] = "\"\\\n\r\t", escaped[] = "\"\\nrt";

static bool needs_quotes(const char *value)
{
	size_t bytes = strlen(value);

	if (bytes == 0)
		return false;
	return value[0] == '"' || isspace((unsigned char)value[0]) ||
	       isspace((unsigned char)value[bytes - 1]) || strpbrk(value, "\n\r") != NULL;
}

void ini_text_write(const char *value, FILE *to)
{
	if (!needs_quotes(value)) {
		fputs(value, to);
		return;
	}
	fputc('"', to);
	for (; *value != '\0'; value++) {
		const char *found = strchr(plain, *value);

		if (found != NULL) {
			fputc('\\', to);
			fputc(escaped[found - plain], to);
		} else {
			fputc(*value, to);
		}
	}
	fputc('"', to);
}

int ini_text_read(char *value)
{
	const char *at = value + 1;
	char *out = value;

	if (value[0] != '"')
		return 0;
	for (; *at != '"'; at++) {
		if (*at == '\\') {
			const char *found = strchr(escaped, *++at);

			if (*at == '\0' || found == NULL)
				return -EINVAL;
			*out++ = plain[found - escaped];
		} else if (*at == '\0') {
			return -EINVAL;
		} else {
			*out++ = *at;
		}
	}
	if (at[1] != '\0')
		return -EINVAL;
	*out = '\0';
	return 0;
}
