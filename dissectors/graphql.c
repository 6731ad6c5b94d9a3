/* graphql - a document, and where it is in a request. See graphql.h. */
#include "dissectors/graphql.h"

#include <string.h>

enum {
	DEPTH_MAX = 64, /* of selections and values in each other */
	JSON_DEPTH_MAX = 64,
};

static bool is(struct slice s, const char *word)
{
	return s.bytes == strlen(word) && memcmp(s.at, word, s.bytes) == 0;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* ---- tokens (2.1) ---- */

enum token { T_END, T_BAD, T_NAME, T_NUMBER, T_STRING, T_SPREAD, T_PUNCTUATOR };

struct lexer {
	struct slice rest; /* behind the token */
	enum token token;
	struct slice text; /* of a name */
	uint8_t punctuator;
	unsigned depth;
};

static void skip_ignored(struct slice *s)
{
	if (s->bytes >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0)
		*s = slice_after(*s, 3);
	while (s->bytes > 0) {
		if (s->at[0] == '#')
			while (s->bytes > 0 && s->at[0] != '\n' && s->at[0] != '\r')
				*s = slice_after(*s, 1);
		else if (memchr(" \t\r\n,", s->at[0], 5) != NULL)
			*s = slice_after(*s, 1);
		else
			return;
	}
}

/* `"""` to `"""`; `\"""` inside is none. Returns its bytes, 0: it has no end. */
static size_t block_string(struct slice s)
{
	for (size_t n = 3; n + 3 <= s.bytes; n++) {
		if (s.bytes - n >= 4 && memcmp(s.at + n, "\\\"\"\"", 4) == 0)
			n += 3;
		else if (memcmp(s.at + n, "\"\"\"", 3) == 0)
			return n + 3;
	}
	return 0;
}

static size_t string(struct slice s)
{
	if (s.bytes >= 3 && memcmp(s.at, "\"\"\"", 3) == 0)
		return block_string(s);
	for (size_t n = 1; n < s.bytes; n++) {
		if (s.at[n] == '"')
			return n + 1;
		if (s.at[n] == '\\')
			n++;
		else if (s.at[n] == '\n' || s.at[n] == '\r')
			return 0;
	}
	return 0;
}

static size_t number(struct slice s)
{
	size_t n = s.at[0] == '-' ? 1 : 0;

	if (n == s.bytes || !is_digit(s.at[n]))
		return 0;
	while (n < s.bytes && (is_digit(s.at[n]) || memchr(".eE+-", s.at[n], 5) != NULL))
		n++;
	return n < s.bytes && is_letter(s.at[n]) ? 0 : n;
}

static size_t name(struct slice s)
{
	size_t n = 0;

	while (n < s.bytes && (is_letter(s.at[n]) || (n > 0 && is_digit(s.at[n]))))
		n++;
	return n;
}

/* The next token is what the parser looks at. */
static void advance(struct lexer *l)
{
	size_t n = 1;
	uint8_t c;

	skip_ignored(&l->rest);
	if (l->rest.bytes == 0) {
		l->token = T_END;
		return;
	}
	c = l->rest.at[0];
	l->punctuator = 0;
	if (is_letter(c)) {
		l->token = T_NAME;
		n = name(l->rest);
	} else if (c == '-' || is_digit(c)) {
		l->token = T_NUMBER;
		n = number(l->rest);
	} else if (c == '"') {
		l->token = T_STRING;
		n = string(l->rest);
	} else if (l->rest.bytes >= 3 && memcmp(l->rest.at, "...", 3) == 0) {
		l->token = T_SPREAD;
		n = 3;
	} else if (memchr("!$&():=@[]{|}", c, 13) != NULL) {
		l->token = T_PUNCTUATOR;
		l->punctuator = c;
	} else {
		n = 0;
	}
	if (n == 0)
		l->token = T_BAD;
	l->text = slice_of(l->rest.at, n);
	l->rest = slice_after(l->rest, n);
}

static bool at(const struct lexer *l, uint8_t punctuator)
{
	return l->token == T_PUNCTUATOR && l->punctuator == punctuator;
}

static bool accept(struct lexer *l, uint8_t punctuator)
{
	if (!at(l, punctuator))
		return false;
	advance(l);
	return true;
}

static bool accept_name(struct lexer *l)
{
	if (l->token != T_NAME)
		return false;
	advance(l);
	return true;
}

static bool accept_word(struct lexer *l, const char *word)
{
	return l->token == T_NAME && is(l->text, word) && accept_name(l);
}

/* ---- values and types (2.9, 2.11) ---- */

static bool value(struct lexer *l);

static bool fields_of_object(struct lexer *l)
{
	while (!accept(l, '}'))
		if (!accept_name(l) || !accept(l, ':') || !value(l))
			return false;
	return true;
}

static bool items_of_list(struct lexer *l)
{
	while (!accept(l, ']'))
		if (!value(l))
			return false;
	return true;
}

static bool value(struct lexer *l)
{
	bool good;

	if (l->token == T_NAME || l->token == T_NUMBER || l->token == T_STRING) {
		advance(l);
		return true;
	}
	if (accept(l, '$'))
		return accept_name(l);
	if (++l->depth > DEPTH_MAX)
		return false;
	good = accept(l, '[') ? items_of_list(l) : accept(l, '{') && fields_of_object(l);
	l->depth--;
	return good;
}

static bool type(struct lexer *l)
{
	unsigned lists = 0;

	while (accept(l, '['))
		lists++;
	if (!accept_name(l))
		return false;
	accept(l, '!');
	for (; lists > 0; lists--) {
		if (!accept(l, ']'))
			return false;
		accept(l, '!');
	}
	return true;
}

/* 2.6; none are good too. */
static bool arguments(struct lexer *l)
{
	if (!accept(l, '('))
		return true;
	do {
		if (!accept_name(l) || !accept(l, ':') || !value(l))
			return false;
	} while (!accept(l, ')'));
	return true;
}

static bool directives(struct lexer *l)
{
	while (accept(l, '@'))
		if (!accept_name(l) || !arguments(l))
			return false;
	return true;
}

static bool variables(struct lexer *l)
{
	if (!accept(l, '('))
		return true;
	do {
		if (!accept(l, '$') || !accept_name(l) || !accept(l, ':') || !type(l) ||
		    (accept(l, '=') && !value(l)) || !directives(l))
			return false;
	} while (!accept(l, ')'));
	return true;
}

/* ---- selections (2.4 to 2.8) ---- */

static bool selections(struct lexer *l);

static bool spread(struct lexer *l)
{
	if (accept_word(l, "on"))
		return accept_name(l) && directives(l) && selections(l);
	if (accept_name(l))
		return directives(l);
	return directives(l) && selections(l);
}

static bool field(struct lexer *l)
{
	if (!accept_name(l) || (accept(l, ':') && !accept_name(l)))
		return false;
	return arguments(l) && directives(l) && (!at(l, '{') || selections(l));
}

static bool selections(struct lexer *l)
{
	if (++l->depth > DEPTH_MAX || !accept(l, '{'))
		return false;
	do {
		if (l->token == T_SPREAD) {
			advance(l);
			if (!spread(l))
				return false;
		} else if (!field(l)) {
			return false;
		}
	} while (!accept(l, '}'));
	l->depth--;
	return true;
}

/* ---- documents (2.2, 2.3) ---- */

struct operation {
	const char *type;
	struct slice name;
};

static const char *operation_type(struct slice word)
{
	static const char *const types[] = { "query", "mutation", "subscription" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (is(word, types[i]))
			return types[i];
	return NULL;
}

static bool operation(struct lexer *l, struct operation *ret)
{
	struct operation o = { .type = "query" };

	if (!at(l, '{')) {
		o.type = l->token == T_NAME ? operation_type(l->text) : NULL;
		if (o.type == NULL)
			return false;
		advance(l);
		if (l->token == T_NAME) {
			o.name = l->text;
			advance(l);
		}
		if (!variables(l) || !directives(l))
			return false;
	}
	*ret = o;
	return selections(l);
}

static bool fragment(struct lexer *l)
{
	return !accept_word(l, "on") && accept_name(l) && accept_word(l, "on") && accept_name(l) &&
	       directives(l) && selections(l);
}

static bool is_asked(const struct operation *o, struct slice wanted)
{
	return wanted.bytes == 0 ||
	       (o->name.bytes == wanted.bytes && memcmp(o->name.at, wanted.at, wanted.bytes) == 0);
}

/* 6.1: the operation that is named; without a name, the only one. */
static bool read_document(struct slice document, struct slice wanted, struct graphql *ret)
{
	struct lexer l = { .rest = document };
	struct operation found = { 0 }, o;
	unsigned asked = 0;

	for (advance(&l); l.token != T_END;) {
		if (accept_word(&l, "fragment")) {
			if (!fragment(&l))
				return false;
			continue;
		}
		if (!operation(&l, &o))
			return false;
		if (is_asked(&o, wanted)) {
			found = o;
			asked++;
		}
	}
	if (asked != 1 || found.name.bytes > sizeof(ret->name))
		return false;
	ret->type = found.type;
	ret->name_bytes = found.name.bytes;
	if (found.name.bytes > 0)
		memcpy(ret->name, found.name.at, found.name.bytes);
	return true;
}

/* ---- JSON (RFC 8259) ---- */

static void skip_space(struct slice *s)
{
	while (s->bytes > 0 && memchr(" \t\r\n", s->at[0], 4) != NULL)
		*s = slice_after(*s, 1);
}

/* What is between the quotes, as it is written. */
static bool json_string(struct slice *s, struct slice *ret)
{
	if (s->bytes == 0 || s->at[0] != '"')
		return false;
	for (size_t n = 1; n < s->bytes; n++) {
		if (s->at[n] < ' ')
			return false;
		if (s->at[n] == '"') {
			*ret = slice_of(s->at + 1, n - 1);
			*s = slice_after(*s, n + 1);
			return true;
		}
		if (s->at[n] == '\\')
			n++;
	}
	return false;
}

/* Steps over a value of any kind. What is inside need not be right, only its brackets and strings.
 */
static bool json_value(struct slice *s)
{
	uint8_t closing[JSON_DEPTH_MAX];
	unsigned depth = 0;
	struct slice text;

	do {
		uint8_t c;

		skip_space(s);
		if (s->bytes == 0)
			return false;
		c = s->at[0];
		if (c == '"') {
			if (!json_string(s, &text))
				return false;
			continue;
		}
		if (c == '{' || c == '[') {
			if (depth == JSON_DEPTH_MAX)
				return false;
			closing[depth++] = c == '{' ? '}' : ']';
		} else if (c == '}' || c == ']') {
			if (depth == 0 || closing[--depth] != c)
				return false;
		} else if (c == ',' || c == ':') {
			if (depth == 0)
				return false;
		} else if (is_letter(c) || is_digit(c) || c == '-') {
			while (s->bytes > 1 && (is_letter(s->at[1]) || is_digit(s->at[1]) ||
						memchr("+-.", s->at[1], 3) != NULL))
				*s = slice_after(*s, 1);
		} else {
			return false;
		}
		*s = slice_after(*s, 1);
	} while (depth > 0);
	return true;
}

static int hex(uint8_t c)
{
	uint8_t low = c | 0x20;

	if (is_digit(c))
		return c - '0';
	return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* \uXXXX as UTF-8. A document with pairs of them, for what is beyond the first plane, is not read.
 */
static bool unicode_escape(struct slice s, uint8_t *to, size_t *n)
{
	unsigned v = 0;

	if (s.bytes < 4)
		return false;
	for (size_t i = 0; i < 4; i++) {
		if (hex(s.at[i]) < 0)
			return false;
		v = v << 4 | (unsigned)hex(s.at[i]);
	}
	if (v >= 0xd800 && v < 0xe000)
		return false;
	if (v < 0x80) {
		to[(*n)++] = (uint8_t)v;
	} else if (v < 0x800) {
		to[(*n)++] = (uint8_t)(0xc0 | v >> 6);
		to[(*n)++] = (uint8_t)(0x80 | (v & 0x3f));
	} else {
		to[(*n)++] = (uint8_t)(0xe0 | v >> 12);
		to[(*n)++] = (uint8_t)(0x80 | (v >> 6 & 0x3f));
		to[(*n)++] = (uint8_t)(0x80 | (v & 0x3f));
	}
	return true;
}

/* Never longer than it is written. */
static bool unescape(struct slice s, uint8_t room[GRAPHQL_BYTES], struct slice *ret)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	size_t n = 0;

	if (s.bytes > GRAPHQL_BYTES)
		return false;
	for (size_t i = 0; i < s.bytes; i++) {
		const char *escape;

		if (s.at[i] != '\\') {
			room[n++] = s.at[i];
			continue;
		}
		if (++i == s.bytes)
			return false;
		if (s.at[i] == 'u') {
			if (!unicode_escape(slice_after(s, i + 1), room, &n))
				return false;
			i += 4;
			continue;
		}
		escape = memchr(from, s.at[i], sizeof(from) - 1);
		if (escape == NULL)
			return false;
		room[n++] = (uint8_t)to[escape - from];
	}
	*ret = slice_of(room, n);
	return true;
}

struct members {
	struct slice query, name; /* as they are written; at NULL: not there */
	bool named;               /* operationName has been seen */
};

/* One `name: value` of the outermost object. */
static bool json_member(struct slice *s, struct members *m)
{
	struct slice key;

	skip_space(s);
	if (!json_string(s, &key))
		return false;
	skip_space(s);
	if (s->bytes == 0 || s->at[0] != ':')
		return false;
	*s = slice_after(*s, 1);
	skip_space(s);
	if (memchr(key.at, '\\', key.bytes) != NULL)
		return false; /* a name written in a roundabout way */
	if (is(key, "query"))
		return m->query.at == NULL && json_string(s, &m->query);
	if (!is(key, "operationName"))
		return json_value(s);
	if (m->named)
		return false;
	m->named = true;
	if (s->bytes >= 4 && memcmp(s->at, "null", 4) == 0) {
		*s = slice_after(*s, 4);
		return true;
	}
	return json_string(s, &m->name);
}

static bool json_members(struct slice s, struct members *m)
{
	skip_space(&s);
	if (s.bytes == 0 || s.at[0] != '{')
		return false;
	do {
		s = slice_after(s, 1);
		if (!json_member(&s, m))
			return false;
		skip_space(&s);
	} while (s.bytes > 0 && s.at[0] == ',');
	if (s.bytes == 0 || s.at[0] != '}')
		return false;
	s = slice_after(s, 1);
	skip_space(&s);
	return s.bytes == 0 && m->query.at != NULL;
}

static __attribute__((noinline)) bool read_json(struct slice body, struct graphql *ret)
{
	uint8_t room[GRAPHQL_BYTES];
	struct members m = { 0 };
	struct slice document;

	return json_members(body, &m) &&
	       (m.name.bytes == 0 || memchr(m.name.at, '\\', m.name.bytes) == NULL) &&
	       unescape(m.query, room, &document) && read_document(document, m.name, ret);
}

/* ---- where a document is ---- */

/* RFC 9110 8.3.1: type/subtype, without regard to case, perhaps with parameters. */
enum graphql_kind graphql_kind(struct slice content_type)
{
	static const struct {
		const char *type;
		enum graphql_kind kind;
	} types[] = { { "application/json", GRAPHQL_JSON },
		      { "application/graphql", GRAPHQL_TEXT } };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t n = strlen(types[i].type), same = 0;

		while (same < n && same < content_type.bytes &&
		       ((content_type.at[same] | 0x20) == types[i].type[same] ||
			content_type.at[same] == types[i].type[same]))
			same++;
		if (same == n &&
		    (content_type.bytes == n || memchr("; \t", content_type.at[n], 3) != NULL))
			return types[i].kind;
	}
	return GRAPHQL_NONE;
}

bool graphql_in_body(enum graphql_kind kind, struct slice body, struct graphql *ret)
{
	if (body.bytes == 0 || body.bytes > GRAPHQL_BYTES)
		return false;
	switch (kind) {
	case GRAPHQL_JSON: return read_json(body, ret);
	case GRAPHQL_TEXT: return read_document(body, slice_of(NULL, 0), ret);
	case GRAPHQL_NONE: break;
	}
	return false;
}

/* application/x-www-form-urlencoded. */
static bool percent_decoded(struct slice s, uint8_t *room, size_t bytes, struct slice *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < s.bytes; i++) {
		uint8_t c = s.at[i] == '+' ? ' ' : s.at[i];

		if (c == '%') {
			if (s.bytes - i < 3 || hex(s.at[i + 1]) < 0 || hex(s.at[i + 2]) < 0)
				return false;
			c = (uint8_t)(hex(s.at[i + 1]) << 4 | hex(s.at[i + 2]));
			i += 2;
		}
		if (n == bytes)
			return false;
		room[n++] = c;
	}
	*ret = slice_of(room, n);
	return true;
}

/* Returns false if it is there twice. */
static bool take_parameter(struct slice part, const char *key, struct slice *ret)
{
	size_t n = strlen(key);

	if (part.bytes < n || memcmp(part.at, key, n) != 0)
		return true;
	if (ret->at != NULL)
		return false;
	*ret = slice_after(part, n);
	return true;
}

static __attribute__((noinline)) bool read_parameters(struct slice query, bool by_path,
						      struct graphql *ret)
{
	uint8_t room[GRAPHQL_BYTES], name_room[GRAPHQL_NAME_BYTES];
	struct slice document = { 0 }, wanted = { 0 };

	while (query.bytes > 0) {
		const uint8_t *end = memchr(query.at, '&', query.bytes);
		size_t n = end == NULL ? query.bytes : (size_t)(end - query.at);
		struct slice part = slice_of(query.at, n);

		if (!take_parameter(part, "query=", &document) ||
		    !take_parameter(part, "operationName=", &wanted))
			return false;
		query = slice_after(query, n + 1);
	}
	if (document.at == NULL || !percent_decoded(document, room, sizeof(room), &document))
		return false;
	/* `{word}` in a URL may be anything: only where the path says what it is. */
	skip_ignored(&document);
	if (!by_path && document.bytes > 0 && document.at[0] == '{')
		return false;
	return percent_decoded(wanted, name_room, sizeof(name_room), &wanted) &&
	       read_document(document, wanted, ret);
}

bool graphql_in_target(struct slice target, struct graphql *ret)
{
	const uint8_t *mark, *end;
	struct slice query;

	mark = target.bytes == 0 ? NULL : memchr(target.at, '?', target.bytes);
	if (mark == NULL)
		return false;
	query = slice_after(target, (size_t)(mark - target.at) + 1);
	end = memchr(query.at, '#', query.bytes);
	if (end != NULL)
		query.bytes = (size_t)(end - query.at);
	if (memmem(query.at, query.bytes, "query=", 6) == NULL)
		return false;
	return read_parameters(
		query, memmem(target.at, (size_t)(mark - target.at), "graphql", 7) != NULL, ret);
}
