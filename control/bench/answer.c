#include "control/bench/answer.h"

#include <string.h>
#include <strings.h>

void answer_begin(struct answer *a)
{
	a->state = ANSWER_STATUS;
	a->status = 0;
	a->close = a->chunked = a->has_length = false;
	a->left = 0;
	a->head_bytes = a->line_bytes = 0;
}

/* ---- words ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* value_of - what stands behind `name:`, NULL if the line is another. */
static const char *value_of(const char *line, const char *name)
{
	size_t bytes = strlen(name);

	if (strncasecmp(line, name, bytes) != 0 || line[bytes] != ':')
		return NULL;
	line += bytes + 1;
	while (is_blank(*line))
		line++;
	return line;
}

static bool starts_with_word(const char *text, const char *word)
{
	size_t bytes = strlen(word);

	return strncasecmp(text, word, bytes) == 0 &&
	       (text[bytes] == '\0' || text[bytes] == ',' || is_blank(text[bytes]));
}

/* has_word - in a list with commas. */
static bool has_word(const char *list, const char *word)
{
	while (*list != '\0') {
		while (is_blank(*list) || *list == ',')
			list++;
		if (starts_with_word(list, word))
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* number_of - digits at the beginning of the text; false if there are none or too many. */
static bool number_of(const char *text, int base, uint64_t *ret, const char **ret_behind)
{
	uint64_t value = 0;
	const char *at = text;

	for (; digit_of(*at) < base; at++) {
		if (value >> 56 != 0)
			return false;
		value = value * (uint64_t)base + (uint64_t)digit_of(*at);
	}
	*ret = value;
	*ret_behind = at;
	return at != text;
}

/* ---- lines ---- */

/* take_status - HTTP/1.1 200 OK. */
static bool take_status(struct answer *a)
{
	const char *line = a->line, *behind;
	uint64_t status;

	if (strncmp(line, "HTTP/1.", 7) != 0 || digit_of(line[7]) > 9 || line[8] != ' ')
		return false;
	if (!number_of(line + 9, 10, &status, &behind) || behind != line + 12 || status < 100)
		return false;
	if (*behind != '\0' && *behind != ' ')
		return false;
	a->status = (uint32_t)status;
	a->close = line[7] == '0';
	a->chunked = a->has_length = false;
	a->state = ANSWER_HEADERS;
	return true;
}

static bool take_length(struct answer *a, const char *value)
{
	const char *behind;
	uint64_t length;

	if (!number_of(value, 10, &length, &behind))
		return false;
	while (is_blank(*behind))
		behind++;
	if (*behind != '\0' || (a->has_length && length != a->left))
		return false;
	a->has_length = true;
	a->left = length;
	return true;
}

static bool take_header(struct answer *a)
{
	const char *value;

	if ((value = value_of(a->line, "content-length")) != NULL)
		return take_length(a, value);
	if ((value = value_of(a->line, "transfer-encoding")) != NULL)
		a->chunked = a->chunked || has_word(value, "chunked");
	else if ((value = value_of(a->line, "connection")) != NULL) {
		if (has_word(value, "close"))
			a->close = true;
		else if (has_word(value, "keep-alive"))
			a->close = false;
	}
	return true;
}

/* end_head - RFC 9112 section 6.3, as far as it concerns answers to GET. */
static enum answer_end end_head(struct answer *a)
{
	if (a->status == 101)
		return ANSWER_BAD; /* nobody asked for another protocol */
	if (a->status < 200) {
		a->state = ANSWER_STATUS;
		return ANSWER_MORE;
	}
	if (a->status == 204 || a->status == 304)
		return ANSWER_DONE;
	if (a->chunked) {
		a->state = ANSWER_CHUNK_SIZE;
		return ANSWER_MORE;
	}
	if (a->has_length) {
		a->state = ANSWER_BODY;
		return a->left == 0 ? ANSWER_DONE : ANSWER_MORE;
	}
	a->state = ANSWER_UNTIL_CLOSE;
	a->close = true;
	return ANSWER_MORE;
}

static enum answer_end take_chunk_size(struct answer *a)
{
	const char *behind;

	if (!number_of(a->line, 16, &a->left, &behind))
		return ANSWER_BAD;
	while (is_blank(*behind))
		behind++;
	if (*behind != '\0' && *behind != ';')
		return ANSWER_BAD;
	a->state = a->left > 0 ? ANSWER_CHUNK : ANSWER_TRAILERS;
	return ANSWER_MORE;
}

/* take_line - `line` ends with a zero byte and has no line end. */
static enum answer_end take_line(struct answer *a)
{
	bool empty = a->line[0] == '\0';

	switch (a->state) {
	case ANSWER_STATUS: return take_status(a) ? ANSWER_MORE : ANSWER_BAD;
	case ANSWER_HEADERS:
		if (empty)
			return end_head(a);
		return take_header(a) ? ANSWER_MORE : ANSWER_BAD;
	case ANSWER_CHUNK_SIZE: return take_chunk_size(a);
	case ANSWER_CHUNK_TAIL:
		a->state = ANSWER_CHUNK_SIZE;
		return empty ? ANSWER_MORE : ANSWER_BAD;
	case ANSWER_TRAILERS: return empty ? ANSWER_DONE : ANSWER_MORE;
	case ANSWER_BODY:
	case ANSWER_CHUNK:
	case ANSWER_UNTIL_CLOSE: break;
	}
	return ANSWER_BAD;
}

/* ---- bytes ---- */

static enum answer_end line_byte(struct answer *a, char byte)
{
	enum answer_end end;

	/* Chunk sizes count too: what never ends is no answer, wherever it stands; a body with
	 * very many chunks starts anew with each. */
	if (++a->head_bytes > ANSWER_HEAD_BYTES_MAX)
		return ANSWER_BAD;
	if (byte != '\n') {
		if (a->line_bytes < ANSWER_LINE_BYTES - 1)
			a->line[a->line_bytes++] = byte;
		return ANSWER_MORE;
	}
	if (a->line_bytes > 0 && a->line[a->line_bytes - 1] == '\r')
		a->line_bytes--;
	a->line[a->line_bytes] = '\0';
	end = take_line(a);
	a->line_bytes = 0;
	if (a->state == ANSWER_CHUNK)
		a->head_bytes = 0;
	return end;
}

/* body_bytes - how many of `count` bytes are body; all there is of it may be. */
static size_t body_bytes(struct answer *a, size_t count)
{
	size_t used = count < a->left ? count : (size_t)a->left;

	a->left -= used;
	return used;
}

enum answer_end answer_feed(struct answer *a, const char *bytes, size_t count, size_t *ret_used)
{
	enum answer_end end = ANSWER_MORE;
	size_t at = 0;

	while (at < count && end == ANSWER_MORE) {
		switch (a->state) {
		case ANSWER_UNTIL_CLOSE: at = count; break;
		case ANSWER_BODY:
			at += body_bytes(a, count - at);
			end = a->left == 0 ? ANSWER_DONE : ANSWER_MORE;
			break;
		case ANSWER_CHUNK:
			at += body_bytes(a, count - at);
			if (a->left == 0)
				a->state = ANSWER_CHUNK_TAIL;
			break;
		default: end = line_byte(a, bytes[at++]); break;
		}
	}
	*ret_used = at;
	return end;
}

enum answer_end answer_close(const struct answer *a)
{
	return a->state == ANSWER_UNTIL_CLOSE ? ANSWER_DONE : ANSWER_BAD;
}
