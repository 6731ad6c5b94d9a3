/* tls_hello - what hellos say. See tls_hello.h. */
#include "dissectors/tls_hello.h"

#include <nettle/md5.h>
#include <nettle/sha2.h>
#include <string.h>

enum extension { /* IANA, TLS ExtensionType Values */
		 EXT_SERVER_NAME = 0,
		 EXT_GROUPS = 10,
		 EXT_POINTS = 11,
		 EXT_SIGNATURES = 13,
		 EXT_ALPN = 16,
		 EXT_TICKET = 35,
		 EXT_PSK = 41,
		 EXT_EARLY_DATA = 42,
		 EXT_VERSIONS = 43,
		 EXT_ECH = 0xfe0d,
};

enum {
	RANDOM_BYTES = 32,
	SESSION_ID_BYTES = 32,
	SORTED_MAX = 256, /* numbers that JA4 sorts; a hello with more has none */
	TEXT_BYTES = 512, /* of a distinguished name; everything else is shorter */
};

const struct field tls_fields[TLS_FIELD_COUNT] = {
	{ "alpn", FIELD_LIST, "application protocols offered; the one chosen" },
	{ "versions", FIELD_LIST, "TLS versions offered, where more than one is" },
	{ "ciphers", FIELD_NUMBER, "cipher suites offered" },
	{ "offers", FIELD_LIST,
	  "ways to resume a session, and extensions that hide or hurry: session_id, ticket, psk, "
	  "early_data, ech" },
	{ "ja3", FIELD_TEXT, "JA3 fingerprint of the client" },
	{ "ja4", FIELD_TEXT, "JA4 fingerprint of the client" },
	{ "cipher", FIELD_TEXT, "number of the cipher suite chosen" },
	{ "ja3s", FIELD_TEXT, "JA3S fingerprint of the server" },
	{ "resumed", FIELD_TEXT, "how an earlier session goes on: session_id or psk" },
	{ "retry", FIELD_TEXT, "hello_retry_request: the server asks for another ClientHello" },
	{ "subject", FIELD_TEXT, "of the server's certificate, where it is not encrypted" },
	{ "issuer", FIELD_TEXT, "of the server's certificate, where it is not encrypted" },
};

/* ---- reading ---- */

/* A vector with a length of `bytes` bytes before it. */
static struct slice vector(struct cursor *c, unsigned bytes)
{
	return cursor_take(c, (size_t)cursor_be(c, bytes));
}

/* A vector that is all there is in `data`, of items of `item` bytes. Returns whether that is so. */
static bool whole_vector(struct slice data, unsigned length_bytes, size_t item, struct slice *ret)
{
	struct cursor c = cursor_over(data);
	struct slice v = vector(&c, length_bytes);

	if (c.failed || c.left.bytes != 0 || v.bytes % item != 0)
		return false;
	*ret = v;
	return true;
}

/* RFC 6066 3: the first name of type host_name. */
static bool read_server_name(struct slice data, struct slice *ret)
{
	struct slice list;

	if (data.bytes == 0) /* a server's acknowledgement */
		return true;
	if (!whole_vector(data, 2, 1, &list))
		return false;
	for (struct cursor c = cursor_over(list); c.left.bytes > 0;) {
		uint8_t type = cursor_u8(&c);
		struct slice name = vector(&c, 2);

		if (c.failed)
			return false;
		if (type == 0) {
			*ret = name;
			return true;
		}
	}
	return true;
}

/* RFC 7301 3.1. */
static bool read_alpn(struct slice data, struct slice *ret)
{
	struct slice list;

	if (!whole_vector(data, 2, 1, &list))
		return false;
	for (struct cursor c = cursor_over(list); c.left.bytes > 0;) {
		if (vector(&c, 1).bytes == 0 || c.failed)
			return false;
	}
	*ret = list;
	return true;
}

static bool read_client_extension(uint16_t type, struct slice data, struct tls_client_hello *h)
{
	switch ((enum extension)type) {
	case EXT_SERVER_NAME:
		h->has_server_name = true;
		return read_server_name(data, &h->server_name);
	case EXT_GROUPS: return whole_vector(data, 2, 2, &h->groups);
	case EXT_POINTS: return whole_vector(data, 1, 1, &h->points);
	case EXT_SIGNATURES: return whole_vector(data, 2, 2, &h->signatures);
	case EXT_ALPN: return read_alpn(data, &h->alpn);
	case EXT_VERSIONS: return whole_vector(data, 1, 2, &h->versions);
	case EXT_TICKET: h->has_ticket = data.bytes > 0; return true;
	case EXT_PSK: h->has_psk = true; return true;
	case EXT_EARLY_DATA: h->has_early_data = true; return true;
	case EXT_ECH: h->has_ech = true; return true;
	}
	return true;
}

/* The next extension of a list. Returns false at its end, and where it does not add up (c->failed).
 */
static bool next_extension(struct cursor *c, uint16_t *ret_type, struct slice *ret_data)
{
	if (c->left.bytes == 0)
		return false;
	*ret_type = cursor_be16(c);
	*ret_data = vector(c, 2);
	return !c->failed;
}

/* RFC 8446 4.1.2; extensions may be absent (RFC 5246 7.4.1.2). */
bool tls_client_hello_read(struct slice body, struct tls_client_hello *ret)
{
	struct tls_client_hello h = { 0 };
	struct cursor c = cursor_over(body);
	struct slice data;
	uint16_t type;

	h.version = cursor_be16(&c);
	cursor_take(&c, RANDOM_BYTES);
	h.session_id = vector(&c, 1);
	h.ciphers = vector(&c, 2);
	vector(&c, 1); /* compression methods */
	if (c.failed || h.session_id.bytes > SESSION_ID_BYTES || h.ciphers.bytes % 2 != 0 ||
	    h.version >> 8 != 3)
		return false;
	if (c.left.bytes > 0 && !whole_vector(c.left, 2, 1, &h.extensions))
		return false;
	c = cursor_over(h.extensions);
	while (next_extension(&c, &type, &data))
		if (!read_client_extension(type, data, &h))
			return false;
	if (c.failed)
		return false;
	*ret = h;
	return true;
}

/* RFC 8446 4.1.3: SHA-256 of "HelloRetryRequest". */
static const uint8_t retry_random[RANDOM_BYTES] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

static bool read_server_extension(uint16_t type, struct slice data, struct tls_server_hello *h)
{
	struct cursor c = cursor_over(data);
	struct slice list = { 0 };

	switch ((enum extension)type) {
	case EXT_VERSIONS: h->version = cursor_be16(&c); return !c.failed && c.left.bytes == 0;
	case EXT_ALPN:
		if (!read_alpn(data, &list))
			return false;
		c = cursor_over(list);
		h->alpn = vector(&c, 1);
		return true;
	case EXT_PSK: h->has_psk = true; return true;
	default: return true;
	}
}

/* Drafts of TLS 1.3 up to 21 have neither session id nor compression method. */
static bool is_early_draft(uint16_t version)
{
	return version >> 8 == 0x7f && (version & 0xff) < 22;
}

bool tls_server_hello_read(struct slice body, struct tls_server_hello *ret)
{
	struct tls_server_hello h = { 0 };
	struct cursor c = cursor_over(body);
	struct slice random, data;
	uint16_t type;

	h.version = h.legacy_version = cursor_be16(&c);
	random = cursor_take(&c, RANDOM_BYTES);
	if (!is_early_draft(h.version))
		h.session_id = vector(&c, 1);
	h.cipher = cursor_be16(&c);
	if (!is_early_draft(h.version))
		cursor_u8(&c);
	if (c.failed || h.session_id.bytes > SESSION_ID_BYTES ||
	    (h.version >> 8 != 3 && h.version >> 8 != 0x7f))
		return false;
	h.is_retry = memcmp(random.at, retry_random, RANDOM_BYTES) == 0;
	if (c.left.bytes > 0 && !whole_vector(c.left, 2, 1, &h.extensions))
		return false;
	c = cursor_over(h.extensions);
	while (next_extension(&c, &type, &data))
		if (!read_server_extension(type, data, &h))
			return false;
	if (c.failed)
		return false;
	*ret = h;
	return true;
}

/* ---- words ---- */

struct name {
	uint16_t number;
	const char *text;
};

static const char *name_of(const struct name *names, size_t count, uint16_t number)
{
	for (size_t i = 0; i < count; i++)
		if (names[i].number == number)
			return names[i].text;
	return NULL;
}
#define NAME_OF(names, number) name_of(names, sizeof(names) / sizeof((names)[0]), number)

/* clang-format off */
static const struct name version_names[] = {
	{ 0x0300, "ssl3" }, { 0x0301, "1.0" }, { 0x0302, "1.1" }, { 0x0303, "1.2" }, { 0x0304, "1.3" },
};

/* IANA, TLS Cipher Suites: those that servers of the last twenty years choose. */
static const struct name cipher_names[] = {
	{ 0x0004, "TLS_RSA_WITH_RC4_128_MD5" },
	{ 0x0005, "TLS_RSA_WITH_RC4_128_SHA" },
	{ 0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA" },
	{ 0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA" },
	{ 0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA" },
	{ 0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA" },
	{ 0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA" },
	{ 0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA" },
	{ 0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256" },
	{ 0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256" },
	{ 0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA" },
	{ 0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256" },
	{ 0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256" },
	{ 0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA" },
	{ 0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256" },
	{ 0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384" },
	{ 0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256" },
	{ 0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384" },
	{ 0x1301, "TLS_AES_128_GCM_SHA256" },
	{ 0x1302, "TLS_AES_256_GCM_SHA384" },
	{ 0x1303, "TLS_CHACHA20_POLY1305_SHA256" },
	{ 0x1304, "TLS_AES_128_CCM_SHA256" },
	{ 0x1305, "TLS_AES_128_CCM_8_SHA256" },
	{ 0xc007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA" },
	{ 0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" },
	{ 0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA" },
	{ 0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA" },
	{ 0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA" },
	{ 0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA" },
	{ 0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA" },
	{ 0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256" },
	{ 0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384" },
	{ 0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256" },
	{ 0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384" },
	{ 0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
	{ 0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" },
	{ 0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" },
	{ 0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" },
	{ 0xc09c, "TLS_RSA_WITH_AES_128_CCM" },
	{ 0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM" },
	{ 0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" },
	{ 0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" },
	{ 0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256" },
};

/* RFC 8446 6.2 and RFC 5246 7.2.2. */
static const struct name alert_names[] = {
	{ 0, "close_notify" }, { 10, "unexpected_message" }, { 20, "bad_record_mac" }, { 21, "decryption_failed" },
	{ 22, "record_overflow" }, { 30, "decompression_failure" }, { 40, "handshake_failure" },
	{ 41, "no_certificate" }, { 42, "bad_certificate" }, { 43, "unsupported_certificate" },
	{ 44, "certificate_revoked" }, { 45, "certificate_expired" }, { 46, "certificate_unknown" },
	{ 47, "illegal_parameter" }, { 48, "unknown_ca" }, { 49, "access_denied" }, { 50, "decode_error" },
	{ 51, "decrypt_error" }, { 60, "export_restriction" }, { 70, "protocol_version" },
	{ 71, "insufficient_security" }, { 80, "internal_error" }, { 86, "inappropriate_fallback" },
	{ 90, "user_canceled" }, { 100, "no_renegotiation" }, { 109, "missing_extension" },
	{ 110, "unsupported_extension" }, { 111, "certificate_unobtainable" }, { 112, "unrecognized_name" },
	{ 113, "bad_certificate_status_response" }, { 114, "bad_certificate_hash_value" },
	{ 115, "unknown_psk_identity" }, { 116, "certificate_required" }, { 120, "no_application_protocol" },
	{ 121, "ech_required" },
};
/* clang-format on */

/* RFC 8701 2: 0x0a0a, 0x1a1a … 0xfafa. */
static bool is_grease(uint16_t number)
{
	return (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff);
}

static uint16_t number_at(struct slice list, size_t i)
{
	return (uint16_t)(list.at[2 * i] << 8 | list.at[2 * i + 1]);
}

/* Text being put together; what finds no room is left out. */
struct text {
	char at[TEXT_BYTES];
	size_t bytes;
};

static void put_bytes(struct text *t, const void *bytes, size_t n)
{
	if (n > sizeof(t->at) - t->bytes)
		n = sizeof(t->at) - t->bytes;
	memcpy(t->at + t->bytes, bytes, n);
	t->bytes += n;
}

static void put_word(struct text *t, const char *word)
{
	put_bytes(t, word, strlen(word));
}

static void put_hex(struct text *t, uint32_t value, unsigned digits)
{
	while (digits-- > 0)
		put_bytes(t, &"0123456789abcdef"[value >> 4 * digits & 15], 1);
}

/* At least `digits` of them. */
static void put_decimal(struct text *t, uint32_t value, unsigned digits)
{
	if (value >= 10 || digits > 1)
		put_decimal(t, value / 10, digits > 1 ? digits - 1 : 1);
	put_bytes(t, &"0123456789"[value % 10], 1);
}

static void tell(struct message *m, uint16_t field, const struct text *t)
{
	message_text(m, field, slice_of(t->at, t->bytes));
}

static void tell_word(struct message *m, uint16_t field, const char *word)
{
	message_text(m, field, slice_of(word, strlen(word)));
}

static void put_version(struct text *t, uint16_t version)
{
	const char *name = NAME_OF(version_names, version);

	if (name != NULL) {
		put_word(t, name);
	} else if (version >> 8 == 0x7f) {
		put_word(t, "1.3-draft");
		put_decimal(t, version & 0xff, 1);
	} else {
		put_word(t, "0x");
		put_hex(t, version, 4);
	}
}

/* ---- fingerprints ---- */

/* Numbers joined into a hash as they come, so that no list needs room. */
struct joined {
	struct md5_ctx md5;
	bool any;
};

static void join(struct joined *j, uint16_t number)
{
	struct text t = { .bytes = 0 };

	if (j->any)
		put_word(&t, "-");
	put_decimal(&t, number, 1);
	md5_update(&j->md5, t.bytes, (const uint8_t *)t.at);
	j->any = true;
}

static void join_part(struct joined *j)
{
	md5_update(&j->md5, 1, (const uint8_t *)",");
	j->any = false;
}

static void join_list(struct joined *j, struct slice list)
{
	for (size_t i = 0; i < list.bytes / 2; i++)
		if (!is_grease(number_at(list, i)))
			join(j, number_at(list, i));
}

static void join_extensions(struct joined *j, struct slice extensions)
{
	struct cursor c = cursor_over(extensions);
	struct slice data;
	uint16_t type;

	while (next_extension(&c, &type, &data))
		if (!is_grease(type))
			join(j, type);
}

static void join_begin(struct joined *j, uint16_t version)
{
	*j = (struct joined){ .any = false };
	md5_init(&j->md5);
	join(j, version);
	join_part(j);
}

static void put_digest(struct text *t, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_hex(t, bytes[i], 2);
}

static void tell_joined(struct message *m, uint16_t field, struct joined *j)
{
	uint8_t digest[MD5_DIGEST_SIZE];
	struct text t = { .bytes = 0 };

	md5_digest(&j->md5, sizeof(digest), digest);
	put_digest(&t, digest, sizeof(digest));
	tell(m, field, &t);
}

static void tell_ja3(struct message *m, const struct tls_client_hello *h)
{
	struct joined j;

	join_begin(&j, h->version);
	join_list(&j, h->ciphers);
	join_part(&j);
	join_extensions(&j, h->extensions);
	join_part(&j);
	join_list(&j, h->groups);
	join_part(&j);
	for (size_t i = 0; i < h->points.bytes; i++)
		join(&j, h->points.at[i]);
	tell_joined(m, TLS_JA3, &j);
}

static void tell_ja3s(struct message *m, const struct tls_server_hello *h)
{
	struct joined j;

	join_begin(&j, h->legacy_version);
	join(&j, h->cipher);
	join_part(&j);
	join_extensions(&j, h->extensions);
	tell_joined(m, TLS_JA3S, &j);
}

struct sorted {
	uint16_t number[SORTED_MAX];
	uint32_t count;
	bool over; /* there were more */
};

static void sorted_add(struct sorted *s, uint16_t number)
{
	uint32_t at = s->count;

	if (s->count == SORTED_MAX) {
		s->over = true;
		return;
	}
	for (; at > 0 && s->number[at - 1] > number; at--)
		s->number[at] = s->number[at - 1];
	s->number[at] = number;
	s->count++;
}

static void hash_numbers(struct sha256_ctx *sha, const uint16_t *number, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct text t = { .bytes = 0 };

		if (i > 0)
			put_word(&t, ",");
		put_hex(&t, number[i], 4);
		sha256_update(sha, t.bytes, (const uint8_t *)t.at);
	}
}

enum { JA4_DIGEST_BYTES = 6 };

/* Twelve zeros where there was nothing to hash. */
static void put_ja4_hash(struct text *t, struct sha256_ctx *sha, bool empty)
{
	uint8_t digest[JA4_DIGEST_BYTES];

	sha256_digest(sha, sizeof(digest), digest);
	if (empty)
		memset(digest, 0, sizeof(digest));
	put_word(t, "_");
	put_digest(t, digest, sizeof(digest));
}

static bool is_alphanumeric(uint8_t b)
{
	uint8_t low = b | 0x20;

	return (b >= '0' && b <= '9') || (low >= 'a' && low <= 'z');
}

/* First and last character of the first protocol; of its hexadecimal form where they are no letters
 * or digits. */
static void put_ja4_alpn(struct text *t, struct slice alpn)
{
	struct cursor c = cursor_over(alpn);
	struct slice name = vector(&c, 1);
	uint8_t first, last;

	if (name.bytes == 0) {
		put_word(t, "00");
		return;
	}
	first = name.at[0];
	last = name.at[name.bytes - 1];
	if (is_alphanumeric(first) && is_alphanumeric(last)) {
		put_bytes(t, &first, 1);
		put_bytes(t, &last, 1);
	} else {
		put_hex(t, first >> 4, 1);
		put_hex(t, last & 15, 1);
	}
}

static const char *ja4_version(const struct tls_client_hello *h)
{
	static const struct name names[] = { { 0x0300, "s3" },
					     { 0x0301, "10" },
					     { 0x0302, "11" },
					     { 0x0303, "12" },
					     { 0x0304, "13" } };
	uint16_t best = h->versions.bytes == 0 ? h->version : 0;
	const char *name;

	for (size_t i = 0; i < h->versions.bytes / 2; i++) {
		uint16_t v = number_at(h->versions, i);

		if (!is_grease(v) && v > best)
			best = v;
	}
	name = NAME_OF(names, best);
	return name != NULL ? name : "00";
}

static void hash_extensions(struct sha256_ctx *sha, const struct sorted *types,
			    struct slice signatures)
{
	bool any = false;

	sha256_init(sha);
	hash_numbers(sha, types->number, types->count);
	for (size_t i = 0; i < signatures.bytes / 2; i++) {
		uint16_t number = number_at(signatures, i);

		if (is_grease(number))
			continue;
		sha256_update(sha, 1, (const uint8_t *)(any ? "," : "_"));
		hash_numbers(sha, &number, 1);
		any = true;
	}
}

/* The extensions that JA4 sorts: but for GREASE, and for server name and ALPN, which stand before.
 * Returns how many there are with those two. */
static uint32_t sort_extensions(struct slice extensions, struct sorted *ret)
{
	struct cursor c = cursor_over(extensions);
	struct slice data;
	uint32_t count = 0;
	uint16_t type;

	while (next_extension(&c, &type, &data)) {
		if (is_grease(type))
			continue;
		count++;
		if (type != EXT_SERVER_NAME && type != EXT_ALPN)
			sorted_add(ret, type);
	}
	return count;
}

static void tell_ja4(struct message *m, const struct tls_client_hello *h, char transport)
{
	struct sorted ciphers = { .count = 0 }, extensions = { .count = 0 };
	uint32_t count = sort_extensions(h->extensions, &extensions);
	struct text t = { .bytes = 0 };
	struct sha256_ctx sha;

	for (size_t i = 0; i < h->ciphers.bytes / 2; i++)
		if (!is_grease(number_at(h->ciphers, i)))
			sorted_add(&ciphers, number_at(h->ciphers, i));
	if (ciphers.over || extensions.over)
		return;
	put_bytes(&t, &transport, 1);
	put_word(&t, ja4_version(h));
	put_word(&t, h->has_server_name ? "d" : "i");
	put_decimal(&t, ciphers.count < 99 ? ciphers.count : 99, 2);
	put_decimal(&t, count < 99 ? count : 99, 2);
	put_ja4_alpn(&t, h->alpn);
	sha256_init(&sha);
	hash_numbers(&sha, ciphers.number, ciphers.count);
	put_ja4_hash(&t, &sha, ciphers.count == 0);
	hash_extensions(&sha, &extensions, h->signatures);
	put_ja4_hash(&t, &sha, count == 0);
	tell(m, TLS_JA4, &t);
}

/* ---- fields ---- */

static void tell_versions(struct message *m, struct slice versions)
{
	for (size_t i = 0; i < versions.bytes / 2; i++) {
		struct text t = { .bytes = 0 };

		if (is_grease(number_at(versions, i)))
			continue;
		put_version(&t, number_at(versions, i));
		tell(m, TLS_VERSIONS, &t);
	}
}

static void tell_offers(struct message *m, const struct tls_client_hello *h)
{
	/* Clients of TLS 1.3 send a session id only so that it looks like TLS 1.2. */
	if (h->session_id.bytes > 0 && h->versions.bytes == 0)
		tell_word(m, TLS_OFFERS, "session_id");
	if (h->has_ticket)
		tell_word(m, TLS_OFFERS, "ticket");
	if (h->has_psk)
		tell_word(m, TLS_OFFERS, "psk");
	if (h->has_early_data)
		tell_word(m, TLS_OFFERS, "early_data");
	if (h->has_ech)
		tell_word(m, TLS_OFFERS, "ech");
}

void tls_client_hello_tell(struct message *m, const struct tls_client_hello *h, char transport)
{
	struct cursor alpn = cursor_over(h->alpn);
	uint64_t ciphers = 0;

	message_text(m, FIELD_TARGET, h->server_name);
	while (alpn.left.bytes > 0)
		message_text(m, TLS_ALPN, vector(&alpn, 1));
	tell_versions(m, h->versions);
	for (size_t i = 0; i < h->ciphers.bytes / 2; i++)
		ciphers += !is_grease(number_at(h->ciphers, i));
	message_number(m, TLS_CIPHER_COUNT, ciphers);
	tell_offers(m, h);
	if (message_wants(m, TLS_JA3))
		tell_ja3(m, h);
	if (message_wants(m, TLS_JA4))
		tell_ja4(m, h, transport);
}

void tls_server_hello_tell(struct message *m, const struct tls_server_hello *h)
{
	const char *name = NAME_OF(cipher_names, h->cipher);
	struct text version = { .bytes = 0 }, number = { .bytes = 0 }, code;

	put_version(&version, h->version);
	put_word(&number, "0x");
	put_hex(&number, h->cipher, 4);
	code = version;
	put_word(&code, " ");
	if (name != NULL)
		put_word(&code, name);
	else
		put_bytes(&code, number.at, number.bytes);
	tell(m, FIELD_CODE, &code);
	tell(m, FIELD_VERSION, &version);
	if (h->alpn.bytes > 0)
		message_text(m, TLS_ALPN, h->alpn);
	tell(m, TLS_CIPHER, &number);
	if (message_wants(m, TLS_JA3S))
		tell_ja3s(m, h);
	if (h->has_psk)
		tell_word(m, TLS_RESUMED, "psk");
	if (h->is_retry)
		tell_word(m, TLS_RETRY, "hello_retry_request");
}

void tls_alert_tell(struct message *m, uint8_t description)
{
	const char *name = NAME_OF(alert_names, description);
	struct text t = { .bytes = 0 };

	put_word(&t, "alert ");
	if (name != NULL)
		put_word(&t, name);
	else
		put_decimal(&t, description, 1);
	tell(m, FIELD_CODE, &t);
	message_failed(m);
}

/* ---- certificates ---- */

enum der { /* X.690 8.1.2, as X.509 uses them */
	   DER_INTEGER = 0x02,
	   DER_OID = 0x06,
	   DER_SEQUENCE = 0x30,
	   DER_SET = 0x31,
	   DER_VERSION = 0xa0, /* [0] EXPLICIT */
};

/* der_take - the next element; fails on a tag that is another one, and on lengths over four bytes
 * or indefinite. */
static struct slice der_take(struct cursor *c, uint8_t tag)
{
	uint64_t bytes;

	if (cursor_u8(c) != tag)
		c->failed = true;
	bytes = cursor_u8(c);
	if (bytes > 0x84 || bytes == 0x80)
		c->failed = true;
	else if (bytes > 0x80)
		bytes = cursor_be(c, (unsigned)bytes & 0x7f);
	return cursor_take(c, (size_t)bytes);
}

/* RFC 4519, 2.5.4.X; what has no short name there is left out. */
static const char *attribute_name(struct slice oid)
{
	static const char *const names[] = {
		[3] = "CN", [6] = "C", [7] = "L", [8] = "ST", [10] = "O", [11] = "OU"
	};

	if (oid.bytes != 3 || oid.at[0] != 0x55 || oid.at[1] != 0x04)
		return NULL;
	return oid.at[2] < sizeof(names) / sizeof(names[0]) ? names[oid.at[2]] : NULL;
}

/* One relative distinguished name: SET OF SEQUENCE { type, value }. */
static void name_part(struct text *t, struct slice set)
{
	struct cursor c = cursor_over(set), a = cursor_over(der_take(&c, DER_SEQUENCE));
	const char *name = attribute_name(der_take(&a, DER_OID));
	uint8_t tag = a.left.bytes > 0 ? a.left.at[0] : 0;
	struct slice value = der_take(&a, tag);

	if (c.failed || a.failed || name == NULL)
		return;
	if (t->bytes > 0)
		put_word(t, ", ");
	put_word(t, name);
	put_word(t, "=");
	put_bytes(t, value.at, value.bytes);
}

static void tell_name(struct message *m, uint16_t field, struct slice name)
{
	struct text t = { .bytes = 0 };

	for (struct cursor c = cursor_over(name); c.left.bytes > 0 && !c.failed;)
		name_part(&t, der_take(&c, DER_SET));
	message_text(m, field, slice_of(t.at, t.bytes));
}

/* RFC 5280 4.1: version, serialNumber, signature, issuer, validity, subject … */
void tls_certificate_tell(struct message *m, struct slice body)
{
	struct cursor c = cursor_over(body), list = cursor_over(vector(&c, 3));
	struct cursor certificate = cursor_over(vector(&list, 3));
	struct cursor outer = cursor_over(der_take(&certificate, DER_SEQUENCE));
	struct cursor tbs = cursor_over(der_take(&outer, DER_SEQUENCE));
	struct slice issuer, subject;

	if (tbs.left.bytes > 0 && tbs.left.at[0] == DER_VERSION)
		der_take(&tbs, DER_VERSION);
	der_take(&tbs, DER_INTEGER);
	der_take(&tbs, DER_SEQUENCE);
	issuer = der_take(&tbs, DER_SEQUENCE);
	der_take(&tbs, DER_SEQUENCE);
	subject = der_take(&tbs, DER_SEQUENCE);
	if (c.failed || list.failed || certificate.failed || outer.failed || tbs.failed)
		return;
	tell_name(m, TLS_SUBJECT, subject);
	tell_name(m, TLS_ISSUER, issuer);
}
