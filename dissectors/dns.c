/* dns - the Domain Name System (RFC 1035) over UDP and TCP, multicast DNS (RFC 6762), LLMNR (RFC
 * 4795).
 *
 * Read: the header, the first question, the answers with their data, EDNS (RFC 6891). A request is
 * answered by the message with its id and its question; one without a question answers by its id
 * alone. Over UDP the same request sent again while it is open is counted with the first (`again`).
 * A zone transfer (RFC 5936, RFC 1995) is one response, however many messages it takes.
 *
 * Multicast DNS and LLMNR over UDP, told by their ports 5353 and 5355, are one-way: who answers,
 * and from which address, nobody knows beforehand. Their answers have a code, their questions none.
 *
 * Read in one way although they break a rule, and flagged anomaly: a name that does not end or
 * points forward or in circles, a record that is longer than the message, a count of records that
 * are not there, bytes behind the last one over UDP.
 *
 * Left alone: the records of the authority and additional sections (counted), options of EDNS,
 * questions behind the first, the data of types that are rare (shown as RFC 3597 has it).
 */
#include <string.h>

#include "dissectors/dissector.h"

enum {
	HEADER_BYTES = 12,
	NAME_BYTES = 255,   /* RFC 1035 3.1: on the wire */
	POINTERS = 64,      /* in one name */
	DATA_TEXT = 4096,   /* of one record; what is longer is cut */
	REMEMBERED_IDS = 8, /* whose question is known, of each side */
	MDNS_PORT = 5353,
	LLMNR_PORT = 5355,
};

enum own_field {
	DNS_ID = FIELD_OWN,
	DNS_OPCODE,
	DNS_CLASS,
	DNS_FLAGS,
	DNS_QUESTIONS,
	DNS_ANSWER_COUNT,
	DNS_AUTHORITY_COUNT,
	DNS_ADDITIONAL_COUNT,
	DNS_TTL,
	DNS_ANSWERS,
	DNS_EDNS_SIZE,
	DNS_EDNS_VERSION,
	DNS_MESSAGES,
	DNS_AGAIN,
};

static const struct field fields[] = {
	{ "id", FIELD_NUMBER, "of the message" },
	{ "opcode", FIELD_TEXT, "where it is not QUERY" },
	{ "class", FIELD_TEXT, "of the question, where it is not IN" },
	{ "flags", FIELD_LIST, "aa, tc, rd, ra, ad, cd, do; of multicast DNS qu" },
	{ "questions", FIELD_NUMBER, "how many, where it is not one" },
	{ "answer_count", FIELD_NUMBER, "records of the answer section, by the header" },
	{ "authority_count", FIELD_NUMBER,
	  "records of the authority section, where there are any" },
	{ "additional_count", FIELD_NUMBER,
	  "records of the additional section, where there are any" },
	{ "ttl", FIELD_NUMBER, "smallest time to live of the answers, in seconds" },
	{ "answers", FIELD_LIST, "name, type and data of each answer" },
	{ "edns_size", FIELD_NUMBER, "largest datagram that the sender takes" },
	{ "edns_version", FIELD_NUMBER, "where it is not 0" },
	{ "messages", FIELD_NUMBER, "of a zone transfer" },
	{ "again", FIELD_NUMBER, "times that the request was sent again" },
};

/* ---- names of numbers (IANA, Domain Name System Parameters) ---- */

struct name_of {
	uint16_t number;
	const char *name;
};

static const struct name_of types[] = {
	{ 1, "A" },      { 2, "NS" },          { 5, "CNAME" },    { 6, "SOA" },
	{ 10, "NULL" },  { 11, "WKS" },        { 12, "PTR" },     { 13, "HINFO" },
	{ 14, "MINFO" }, { 15, "MX" },         { 16, "TXT" },     { 17, "RP" },
	{ 18, "AFSDB" }, { 24, "SIG" },        { 25, "KEY" },     { 28, "AAAA" },
	{ 29, "LOC" },   { 30, "NXT" },        { 33, "SRV" },     { 35, "NAPTR" },
	{ 36, "KX" },    { 37, "CERT" },       { 39, "DNAME" },   { 41, "OPT" },
	{ 42, "APL" },   { 43, "DS" },         { 44, "SSHFP" },   { 45, "IPSECKEY" },
	{ 46, "RRSIG" }, { 47, "NSEC" },       { 48, "DNSKEY" },  { 49, "DHCID" },
	{ 50, "NSEC3" }, { 51, "NSEC3PARAM" }, { 52, "TLSA" },    { 53, "SMIMEA" },
	{ 55, "HIP" },   { 59, "CDS" },        { 60, "CDNSKEY" }, { 61, "OPENPGPKEY" },
	{ 62, "CSYNC" }, { 63, "ZONEMD" },     { 64, "SVCB" },    { 65, "HTTPS" },
	{ 99, "SPF" },   { 108, "EUI48" },     { 109, "EUI64" },  { 249, "TKEY" },
	{ 250, "TSIG" }, { 251, "IXFR" },      { 252, "AXFR" },   { 255, "ANY" },
	{ 256, "URI" },  { 257, "CAA" },
};

enum type { TYPE_A = 1, TYPE_SOA = 6, TYPE_OPT = 41, TYPE_IXFR = 251, TYPE_AXFR = 252 };

static const struct name_of classes[] = {
	{ 1, "IN" }, { 3, "CH" }, { 4, "HS" }, { 254, "NONE" }, { 255, "ANY" },
};

static const struct name_of opcodes[] = {
	{ 0, "QUERY" },  { 1, "IQUERY" }, { 2, "STATUS" },
	{ 4, "NOTIFY" }, { 5, "UPDATE" }, { 6, "DSO" },
};

static const struct name_of codes[] = {
	{ 0, "NOERROR" },  { 1, "FORMERR" }, { 2, "SERVFAIL" },  { 3, "NXDOMAIN" },
	{ 4, "NOTIMP" },   { 5, "REFUSED" }, { 6, "YXDOMAIN" },  { 7, "YXRRSET" },
	{ 8, "NXRRSET" },  { 9, "NOTAUTH" }, { 10, "NOTZONE" },  { 11, "DSOTYPENI" },
	{ 16, "BADVERS" }, { 17, "BADKEY" }, { 18, "BADTIME" },  { 19, "BADMODE" },
	{ 20, "BADNAME" }, { 21, "BADALG" }, { 22, "BADTRUNC" }, { 23, "BADCOOKIE" },
};

#define NAMES(table) table, sizeof(table) / sizeof((table)[0])

static const char *known_name(const struct name_of *table, size_t count, uint32_t number)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].number == number)
			return table[i].name;
	return NULL;
}

/* ---- text that is put together ---- */

struct text {
	size_t bytes;
	bool cut;
	char at[DATA_TEXT];
};

static void put(struct text *t, const void *at, size_t bytes)
{
	if (bytes > sizeof(t->at) - t->bytes) {
		t->cut = true;
		return;
	}
	memcpy(t->at + t->bytes, at, bytes);
	t->bytes += bytes;
}

static void put_string(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

static void put_digits(struct text *t, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	put(t, digits + at, sizeof(digits) - at);
}

/* A number, and a space between it and what comes. */
static void put_number(struct text *t, uint64_t n)
{
	put_digits(t, n);
	put(t, " ", 1);
}

static void put_hex(struct text *t, struct slice s)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < s.bytes && !t->cut; i++)
		put(t, (char[]){ digit[s.at[i] >> 4], digit[s.at[i] & 15] }, 2);
}

static void put_base64(struct text *t, struct slice s)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (; s.bytes > 0 && !t->cut; s = slice_after(s, 3)) {
		uint32_t n = (uint32_t)s.at[0] << 16 | (s.bytes > 1 ? (uint32_t)s.at[1] << 8 : 0) |
			     (s.bytes > 2 ? s.at[2] : 0);
		char four[4] = { digit[n >> 18], digit[n >> 12 & 63], digit[n >> 6 & 63],
				 digit[n & 63] };

		if (s.bytes < 3)
			four[3] = '=';
		if (s.bytes < 2)
			four[2] = '=';
		put(t, four, 4);
	}
}

/* RFC 1035 5.1: what has a meaning is quoted, what cannot be printed is \DDD. */
static void put_escaped(struct text *t, struct slice s, const char *quoted)
{
	for (size_t i = 0; i < s.bytes && !t->cut; i++) {
		uint8_t b = s.at[i];

		if (b < 0x20 || b > 0x7e)
			put(t,
			    (char[]){ '\\', (char)('0' + b / 100), (char)('0' + b / 10 % 10),
				      (char)('0' + b % 10) },
			    4);
		else if (strchr(quoted, b) != NULL)
			put(t, (char[]){ '\\', (char)b }, 2);
		else
			put(t, &b, 1);
	}
}

static void put_named(struct text *t, const struct name_of *table, size_t count,
		      const char *otherwise, uint32_t number)
{
	const char *name = known_name(table, count, number);

	put_string(t, name != NULL ? name : otherwise);
	if (name == NULL)
		put_digits(t, number);
}

static struct slice text_slice(const struct text *t)
{
	return slice_of(t->at, t->bytes);
}

/* ---- names on the wire ---- */

/* A message and how far it has been read. */
struct reader {
	struct slice all;
	size_t at;
	bool broken; /* what is there makes no sense */
	bool short_; /* what is there makes sense, but ends too early */
};

/* RFC 1035 4.1.4. A pointer must point back, to before where its name began: so no name is read for
 * ever. `t` may be NULL. Returns the offset behind the name. */
static size_t name_at(struct reader *r, size_t at, struct text *t)
{
	size_t behind = 0, before = at, wire = 0;
	unsigned pointers = 0;
	bool root = true;

	for (;;) {
		uint8_t n;

		if (at >= r->all.bytes) {
			r->short_ = true;
			return r->all.bytes;
		}
		n = r->all.at[at];
		if (n >= 0xc0) {
			size_t to;

			if (at + 2 > r->all.bytes) {
				r->short_ = true;
				return r->all.bytes;
			}
			to = (size_t)(n & 0x3f) << 8 | r->all.at[at + 1];
			behind = behind == 0 ? at + 2 : behind;
			if (to >= before || to < HEADER_BYTES || ++pointers > POINTERS) {
				r->broken = true;
				return behind;
			}
			at = before = to;
			continue;
		}
		if (n >= 0x40 || (wire += 1u + n) > NAME_BYTES) {
			r->broken = true;
			return behind == 0 ? at : behind;
		}
		if (n == 0)
			break;
		if (at + 1 + n > r->all.bytes) {
			r->short_ = true;
			return r->all.bytes;
		}
		if (t != NULL) {
			if (!root)
				put(t, ".", 1);
			put_escaped(t, slice_of(r->all.at + at + 1, n), ".\\");
		}
		root = false;
		at += 1u + n;
	}
	if (root && t != NULL)
		put(t, ".", 1);
	return behind == 0 ? at + 1 : behind;
}

static void take_name(struct reader *r, struct text *t)
{
	if (!r->broken && !r->short_)
		r->at = name_at(r, r->at, t);
}

static uint32_t take(struct reader *r, unsigned bytes)
{
	uint32_t v = 0;

	if (r->broken || r->short_ || r->all.bytes - r->at < bytes) {
		r->short_ = true;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | r->all.at[r->at++];
	return v;
}

static struct slice take_slice(struct reader *r, size_t bytes)
{
	struct slice s;

	if (r->broken || r->short_ || r->all.bytes - r->at < bytes) {
		r->short_ = true;
		return (struct slice){ 0 };
	}
	s = slice_of(r->all.at + r->at, bytes);
	r->at += bytes;
	return s;
}

/* ---- data of records ---- */

static struct slice rest_of(struct reader *r)
{
	return take_slice(r, r->all.bytes - r->at);
}

/* RFC 1035 3.3: a length and as many characters. */
static void put_characters(struct text *t, struct reader *r)
{
	struct slice s = take_slice(r, take(r, 1));

	put(t, "\"", 1);
	put_escaped(t, s, "\"\\");
	put(t, "\"", 1);
}

static void put_all_characters(struct text *t, struct reader *r)
{
	put_characters(t, r);
	while (r->at < r->all.bytes && !r->short_ && !t->cut) {
		put(t, " ", 1);
		put_characters(t, r);
	}
}

static void put_ipv4(struct text *t, struct slice s)
{
	for (size_t i = 0; i < s.bytes; i++) {
		if (i > 0)
			put(t, ".", 1);
		put_digits(t, s.at[i]);
	}
}

/* Without zeros in front. */
static void put_word(struct text *t, unsigned word)
{
	static const char digit[] = "0123456789abcdef";

	for (int shift = 12; shift >= 0; shift -= 4)
		if (word >> shift != 0 || shift == 0)
			put(t, &digit[word >> shift & 15], 1);
}

/* RFC 5952: the longest run of zeros, the first of several, is left out. */
static void put_ipv6(struct text *t, struct slice s)
{
	unsigned word[8], best = 8, best_count = 1;

	if (s.bytes != 16)
		return;
	for (unsigned i = 0; i < 8; i++)
		word[i] = (unsigned)s.at[2 * i] << 8 | s.at[2 * i + 1];
	for (unsigned i = 0; i < 8; i++) {
		unsigned n = 0;

		while (i + n < 8 && word[i + n] == 0)
			n++;
		if (n > best_count) {
			best = i;
			best_count = n;
		}
	}
	for (unsigned i = 0; i < 8;) {
		if (i == best) {
			put(t, "::", 2);
			i += best_count;
			continue;
		}
		if (i > 0 && i != best + best_count)
			put(t, ":", 1);
		put_word(t, word[i++]);
	}
}

/* RFC 4034 4.1.2: which types there are, as bits in windows of 256. */
static void put_bitmap(struct text *t, struct reader *r)
{
	while (r->at < r->all.bytes && !r->short_ && !t->cut) {
		uint32_t window = take(r, 1);
		struct slice bits = take_slice(r, take(r, 1));

		for (size_t i = 0; i < bits.bytes * 8; i++) {
			if ((bits.at[i / 8] >> (7 - i % 8) & 1) == 0)
				continue;
			put(t, " ", 1);
			put_named(t, NAMES(types), "TYPE", window << 8 | (uint32_t)i);
		}
	}
}

static void put_numbers(struct text *t, struct reader *r, const char *widths)
{
	for (; *widths != 0; widths++)
		put_number(t, take(r, (unsigned)(*widths - '0')));
}

/* RFC 9460 2.1; of the keys those that say how to connect. */
static void put_service(struct text *t, struct reader *r)
{
	static const struct name_of keys[] = { { 0, "mandatory" },       { 1, "alpn" },
					       { 2, "no-default-alpn" }, { 3, "port" },
					       { 4, "ipv4hint" },        { 5, "ech" },
					       { 6, "ipv6hint" } };

	put_number(t, take(r, 2));
	take_name(r, t);
	while (r->at < r->all.bytes && !r->short_ && !r->broken && !t->cut) {
		uint32_t key = take(r, 2);
		struct slice value = take_slice(r, take(r, 2));

		put(t, " ", 1);
		put_named(t, NAMES(keys), "key", key);
		put(t, "=", 1);
		for (size_t i = 0; key == 1 && i < value.bytes;) {
			struct slice one = slice_after(value, i + 1);

			if (one.bytes > value.at[i])
				one.bytes = value.at[i];
			put_string(t, i > 0 ? "," : "");
			put_escaped(t, one, ",\\\"");
			i += 1u + value.at[i];
		}
		for (size_t i = 0; key == 4 && i + 4 <= value.bytes; i += 4) {
			put_string(t, i > 0 ? "," : "");
			put_ipv4(t, slice_of(value.at + i, 4));
		}
		for (size_t i = 0; key == 6 && i + 16 <= value.bytes; i += 16) {
			put_string(t, i > 0 ? "," : "");
			put_ipv6(t, slice_of(value.at + i, 16));
		}
		if (key == 3 && value.bytes == 2)
			put_digits(t, (uint64_t)value.at[0] << 8 | value.at[1]);
		else if (key != 1 && key != 4 && key != 6)
			put_hex(t, value);
	}
}

/* RFC 3597 5: what nobody knows how to write. */
static void put_unknown(struct text *t, struct reader *r)
{
	struct slice s = rest_of(r);

	put_string(t, "\\# ");
	put_digits(t, s.bytes);
	if (s.bytes > 0)
		put(t, " ", 1);
	put_hex(t, s);
}

/* The data of one record: `r` ends where it does, and sees the message before it for its names. */
static void put_data(struct text *t, struct reader *r, uint16_t type)
{
	switch (type) {
	case TYPE_A: put_ipv4(t, take_slice(r, 4)); break;
	case 28: put_ipv6(t, take_slice(r, 16)); break;
	case 2: /* NS, CNAME, PTR, DNAME */
	case 5:
	case 12:
	case 39: take_name(r, t); break;
	case TYPE_SOA:
		take_name(r, t);
		put(t, " ", 1);
		take_name(r, t);
		put(t, " ", 1);
		put_numbers(t, r, "44444");
		t->bytes--;
		break;
	case 15: /* MX, AFSDB, KX */
	case 18:
	case 36:
		put_number(t, take(r, 2));
		take_name(r, t);
		break;
	case 16: /* TXT, SPF, HINFO */
	case 99:
	case 13: put_all_characters(t, r); break;
	case 17: /* RP, MINFO */
	case 14:
		take_name(r, t);
		put(t, " ", 1);
		take_name(r, t);
		break;
	case 33: /* SRV, RFC 2782 */
		put_numbers(t, r, "222");
		take_name(r, t);
		break;
	case 35: /* NAPTR, RFC 3403 */
		put_numbers(t, r, "22");
		for (int i = 0; i < 3; i++) {
			put_characters(t, r);
			put(t, " ", 1);
		}
		take_name(r, t);
		break;
	case 43: /* DS, CDS: RFC 4034 5.3 */
	case 59:
		put_numbers(t, r, "211");
		put_hex(t, rest_of(r));
		break;
	case 44: /* SSHFP, RFC 4255 */
		put_numbers(t, r, "11");
		put_hex(t, rest_of(r));
		break;
	case 52: /* TLSA, SMIMEA: RFC 6698 */
	case 53:
		put_numbers(t, r, "111");
		put_hex(t, rest_of(r));
		break;
	case 48: /* DNSKEY, CDNSKEY, KEY: RFC 4034 2.2 */
	case 60:
	case 25:
		put_numbers(t, r, "211");
		put_base64(t, rest_of(r));
		break;
	case 46: /* RRSIG, RFC 4034 3.2 */
		put_named(t, NAMES(types), "TYPE", take(r, 2));
		put(t, " ", 1);
		put_numbers(t, r, "114442");
		take_name(r, t);
		put(t, " ", 1);
		put_base64(t, rest_of(r));
		break;
	case 47: /* NSEC */
		take_name(r, t);
		put_bitmap(t, r);
		break;
	case 64: /* SVCB, HTTPS */
	case 65: put_service(t, r); break;
	case 256: /* URI, RFC 7553 */
		put_numbers(t, r, "22");
		put(t, "\"", 1);
		put_escaped(t, rest_of(r), "\"\\");
		put(t, "\"", 1);
		break;
	case 257: /* CAA, RFC 8659 */
		put_number(t, take(r, 1));
		put_escaped(t, take_slice(r, take(r, 1)), "\"\\ ");
		put(t, " \"", 2);
		put_escaped(t, rest_of(r), "\"\\");
		put(t, "\"", 1);
		break;
	default: put_unknown(t, r);
	}
}

/* ---- a message ---- */

struct header {
	uint16_t id, flags;
	uint16_t questions, answers, authorities, additionals;
};

enum header_bit {
	BIT_RESPONSE = 0x8000,
	BIT_AUTHORITATIVE = 0x0400,
	BIT_TRUNCATED = 0x0200,
	BIT_RECURSION_DESIRED = 0x0100,
	BIT_RECURSION_AVAILABLE = 0x0080,
	BIT_AUTHENTIC = 0x0020,
	BIT_CHECKING_DISABLED = 0x0010,
};

struct question {
	uint16_t type, class;
	uint64_t hash; /* of name, type and class */
	struct text name;
};

static struct header take_header(struct reader *r)
{
	struct header h;

	h.id = (uint16_t)take(r, 2);
	h.flags = (uint16_t)take(r, 2);
	h.questions = (uint16_t)take(r, 2);
	h.answers = (uint16_t)take(r, 2);
	h.authorities = (uint16_t)take(r, 2);
	h.additionals = (uint16_t)take(r, 2);
	return h;
}

static uint64_t hash_byte(uint64_t hash, uint8_t b)
{
	return (hash ^ b) * UINT64_C(0x100000001b3);
}

/* RFC 4343: names are compared without regard to case. */
static uint64_t hash_question(const struct question *q)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < q->name.bytes; i++) {
		uint8_t b = (uint8_t)q->name.at[i];

		hash = hash_byte(hash, b >= 'A' && b <= 'Z' ? (uint8_t)(b | 0x20) : b);
	}
	hash = hash_byte(hash, (uint8_t)(q->type >> 8));
	hash = hash_byte(hash, (uint8_t)q->type);
	hash = hash_byte(hash, (uint8_t)(q->class >> 8));
	return hash_byte(hash, (uint8_t)q->class);
}

static void take_question(struct reader *r, struct question *q)
{
	q->name.bytes = 0;
	q->name.cut = false;
	take_name(r, &q->name);
	q->type = (uint16_t)take(r, 2);
	q->class = (uint16_t)take(r, 2);
	q->hash = hash_question(q);
}

/* Never 0, which would mean in order. */
static uint64_t key_of(uint16_t id, const struct question *q)
{
	uint64_t key = hash_byte(hash_byte(q->hash, (uint8_t)(id >> 8)), (uint8_t)id);

	return key != 0 ? key : 1;
}

/* What the records of a message tell beside themselves. */
struct told {
	bool has_ttl, has_edns;
	uint32_t ttl;
	uint16_t edns_size;
	uint8_t code_high; /* RFC 6891 6.1.3: upper bits of the code */
	uint8_t edns_version;
	bool dnssec_ok;
	/* of a transfer */
	uint32_t records;
	uint16_t last_type;
	uint32_t first_serial, last_serial; /* where the first and the last are SOA */
};

/* The serial number of a SOA: behind its two names. */
static uint32_t serial_of(struct reader data)
{
	take_name(&data, NULL);
	take_name(&data, NULL);
	return take(&data, 4);
}

static void tell_answer(struct message *m, struct reader *data, struct text *t, uint16_t type)
{
	if (!message_wants(m, DNS_ANSWERS))
		return;
	put(t, " ", 1);
	put_named(t, NAMES(types), "TYPE", type);
	put(t, " ", 1);
	put_data(t, data, type);
	message_text(m, DNS_ANSWERS, text_slice(t));
	if (t->cut)
		message_flag(m, FLAG_head_cut);
	if (data->broken || data->short_)
		message_flag(m, FLAG_anomaly);
}

static void note_soa(struct told *told, struct reader data, uint16_t type)
{
	told->last_type = type;
	if (type == TYPE_SOA) {
		told->last_serial = serial_of(data);
		if (told->records == 0)
			told->first_serial = told->last_serial;
	}
	told->records++;
}

static void take_edns(struct told *told, uint16_t class, uint32_t ttl)
{
	told->has_edns = true;
	told->edns_size = class;
	told->code_high = (uint8_t)(ttl >> 24);
	told->edns_version = (uint8_t)(ttl >> 16);
	told->dnssec_ok = (ttl & 0x8000) != 0;
}

/* One record; `m` is NULL where it is not to be told. */
static void take_record(struct reader *r, struct message *m, struct told *told)
{
	struct text t;
	struct reader data;
	uint16_t type, class, bytes;
	uint32_t ttl;

	t.bytes = 0;
	t.cut = false;
	take_name(r, m != NULL ? &t : NULL);
	type = (uint16_t)take(r, 2);
	class = (uint16_t)take(r, 2);
	ttl = take(r, 4);
	bytes = (uint16_t)take(r, 2);
	data = (struct reader){ .all = slice_of(r->all.at, r->at + bytes), .at = r->at };
	take_slice(r, bytes);
	if (r->broken || r->short_)
		return;
	if (type == TYPE_OPT) {
		take_edns(told, class, ttl);
		return;
	}
	if (m == NULL)
		return;
	note_soa(told, data, type);
	told->ttl = told->has_ttl && told->ttl < ttl ? told->ttl : ttl;
	told->has_ttl = true;
	tell_answer(m, &data, &t, type);
}

static void take_records(struct reader *r, struct message *m, const struct header *h,
			 struct told *told)
{
	uint32_t others = (uint32_t)h->authorities + h->additionals;

	for (uint32_t i = 0; i < h->answers && !r->broken && !r->short_; i++)
		take_record(r, m, told);
	for (uint32_t i = 0; i < others && !r->broken && !r->short_; i++)
		take_record(r, NULL, told);
}

static void tell_flags(struct message *m, const struct header *h, bool dnssec_ok, bool unicast)
{
	static const struct {
		uint16_t flag;
		char name[3];
	} names[] = { { BIT_AUTHORITATIVE, "aa" },     { BIT_TRUNCATED, "tc" },
		      { BIT_RECURSION_DESIRED, "rd" }, { BIT_RECURSION_AVAILABLE, "ra" },
		      { BIT_AUTHENTIC, "ad" },         { BIT_CHECKING_DISABLED, "cd" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((h->flags & names[i].flag) != 0)
			message_text(m, DNS_FLAGS, slice_of(names[i].name, 2));
	if (dnssec_ok)
		message_text(m, DNS_FLAGS, slice_of("do", 2));
	if (unicast)
		message_text(m, DNS_FLAGS, slice_of("qu", 2));
}

static void tell_name_of(struct message *m, uint16_t field, const struct name_of *table,
			 size_t count, const char *otherwise, uint32_t number)
{
	struct text t;

	t.bytes = 0;
	t.cut = false;
	put_named(&t, table, count, otherwise, number);
	message_text(m, field, text_slice(&t));
}

static void tell_count(struct message *m, uint16_t field, uint16_t count, uint16_t usual)
{
	if (count != usual)
		message_number(m, field, count);
}

/* ---- a connection ---- */

struct id {
	bool known;
	uint16_t id;
	uint64_t key;
};

struct dns_conn {
	struct id asked[2][REMEMBERED_IDS];
	/* a zone transfer under way, by side of the server */
	struct message *transfer[2];
	uint16_t transfer_id[2];
	uint32_t transfer_serial[2];
	uint32_t transfer_messages[2];
};

/* How a message came. */
struct arrival {
	struct conn *c;
	enum side side;
	const uint8_t *begin, *end; /* with the length before it, over TCP */
	struct slice message;
	bool datagram;
	bool cut; /* its end is missing, and nobody's fault */
};

static bool is_multicast(const struct arrival *a)
{
	for (int side = 0; side < 2 && a->datagram; side++) {
		uint16_t port = conn_port(a->c, (enum side)side);

		if (port == MDNS_PORT || port == LLMNR_PORT)
			return true;
	}
	return false;
}

static struct id *id_of(struct dns_conn *d, enum side asker, uint16_t id)
{
	return &d->asked[asker][id % REMEMBERED_IDS];
}

/* RFC 1035 4.1.1 asks for the question again, but some refuse without. */
static uint64_t key_of_response(struct dns_conn *d, enum side side, const struct header *h,
				const struct question *q)
{
	const struct id *asked = id_of(d, side_other(side), h->id);

	if (h->questions == 0 && asked->known && asked->id == h->id)
		return asked->key;
	return key_of(h->id, q);
}

static void tell_question(struct message *m, const struct header *h, const struct question *q,
			  bool multicast)
{
	uint16_t class = multicast ? q->class & 0x7fff : q->class; /* RFC 6762 5.4 */

	if (h->questions > 0) {
		tell_name_of(m, FIELD_METHOD, NAMES(types), "TYPE", q->type);
		message_text(m, FIELD_TARGET, text_slice(&q->name));
	}
	message_number(m, DNS_ID, h->id);
	if ((h->flags >> 11 & 15) != 0)
		tell_name_of(m, DNS_OPCODE, NAMES(opcodes), "OPCODE", h->flags >> 11 & 15);
	if (h->questions > 0 && class != 1)
		tell_name_of(m, DNS_CLASS, NAMES(classes), "CLASS", class);
	tell_count(m, DNS_QUESTIONS, h->questions, 1);
}

/* What is left of a message behind its first question. */
static void tell_rest(const struct arrival *a, struct message *m, struct reader *r,
		      const struct header *h, const struct question *q, struct told *told)
{
	struct question other;
	bool response = (h->flags & BIT_RESPONSE) != 0;
	uint32_t code;

	for (uint32_t i = 1; i < h->questions && !r->broken && !r->short_; i++)
		take_question(r, &other);
	if (response)
		message_number(m, DNS_ANSWER_COUNT, h->answers);
	else
		tell_count(m, DNS_ANSWER_COUNT, h->answers, 0);
	tell_count(m, DNS_AUTHORITY_COUNT, h->authorities, 0);
	tell_count(m, DNS_ADDITIONAL_COUNT, h->additionals, 0);
	take_records(r, m, h, told);
	if (told->has_ttl)
		message_number(m, DNS_TTL, told->ttl);
	if (told->has_edns)
		message_number(m, DNS_EDNS_SIZE, told->edns_size);
	if (told->edns_version != 0)
		message_number(m, DNS_EDNS_VERSION, told->edns_version);
	tell_flags(m, h, told->dnssec_ok, is_multicast(a) && !response && (q->class & 0x8000) != 0);
	if (response) {
		code = (uint32_t)told->code_high << 4 | (h->flags & 15);
		tell_name_of(m, FIELD_CODE, NAMES(codes), "RCODE", code);
		if (code != 0)
			message_failed(m);
	}
	/* What was truncated by its sender, or by the capture, ends where it must. */
	if (r->broken || (r->short_ && !a->cut && (h->flags & BIT_TRUNCATED) == 0) ||
	    (a->datagram && !r->short_ && r->at < r->all.bytes))
		message_flag(m, FLAG_anomaly);
	if (r->short_ && a->cut)
		message_flag(m, FLAG_head_cut);
}

static bool is_transfer(const struct question *q)
{
	return q->type == TYPE_AXFR || q->type == TYPE_IXFR;
}

static void end_transfer(struct dns_conn *d, enum side side, const uint8_t *end)
{
	struct message *m = d->transfer[side];

	if (m == NULL)
		return;
	d->transfer[side] = NULL;
	message_number(m, DNS_MESSAGES, d->transfer_messages[side]);
	message_end(m, end);
}

/* RFC 5936 2.2: it begins and ends with the zone's SOA. RFC 1995 4: who has nothing new sends just
 * that. */
static bool transfer_ends(const struct question *q, uint16_t code, const struct told *told,
			  uint32_t serial, uint32_t messages)
{
	if (code != 0 || told->records == 0)
		return true;
	if (messages == 1 && told->records == 1)
		return q->type == TYPE_IXFR;
	return told->last_type == TYPE_SOA && told->last_serial == serial;
}

/* One more message of a transfer. It may leave out the question. */
static void go_on_transfer(const struct arrival *a, struct dns_conn *d, struct reader *r,
			   const struct header *h, struct question *q)
{
	struct message *m = d->transfer[a->side];
	struct told told = { .records = 1 };

	for (uint32_t i = 1; i < h->questions && !r->broken && !r->short_; i++)
		take_question(r, q);
	d->transfer_messages[a->side]++;
	take_records(r, m, h, &told);
	if (r->broken || r->short_)
		message_flag(m, FLAG_anomaly);
	if (r->broken || r->short_ ||
	    transfer_ends(q, h->flags & 15, &told, d->transfer_serial[a->side], 2))
		end_transfer(d, a->side, a->end);
}

static void finish(const struct arrival *a, struct dns_conn *d, struct message *m,
		   const struct header *h, const struct question *q, const struct told *told)
{
	if ((h->flags & BIT_RESPONSE) != 0 && h->questions > 0 && is_transfer(q) && !a->datagram &&
	    !transfer_ends(q, h->flags & 15, told, told->first_serial, 1)) {
		end_transfer(d, a->side, a->begin);
		d->transfer[a->side] = m;
		d->transfer_id[a->side] = h->id;
		d->transfer_serial[a->side] = told->first_serial;
		d->transfer_messages[a->side] = 1;
		return;
	}
	message_end(m, a->end);
}

static void read_message(const struct arrival *a)
{
	struct question q;
	struct dns_conn *d = conn_state(a->c);
	struct message_open open = { .kind = MESSAGE_REQUEST };
	struct reader r = { .all = a->message };
	struct header h = take_header(&r);
	struct told told = { 0 };
	struct message *m;

	q.name.bytes = 0;
	q.type = q.class = 0;
	q.hash = 0;
	if (h.questions > 0)
		take_question(&r, &q);
	if ((h.flags & BIT_RESPONSE) != 0 && d->transfer[a->side] != NULL &&
	    d->transfer_id[a->side] == h.id) {
		go_on_transfer(a, d, &r, &h, &q);
		return;
	}
	if (is_multicast(a)) {
		open.kind = MESSAGE_ONEWAY;
	} else if ((h.flags & BIT_RESPONSE) != 0) {
		open.kind = MESSAGE_RESPONSE;
		open.key = key_of_response(d, a->side, &h, &q);
	} else {
		open.key = key_of(h.id, &q);
		if (a->datagram && conn_request_again(a->c, a->side, open.key))
			return;
		*id_of(d, a->side, h.id) = (struct id){ true, h.id, open.key };
	}
	m = message_begin(a->c, a->side, a->begin, open);
	tell_question(m, &h, &q, is_multicast(a));
	tell_rest(a, m, &r, &h, &q, &told);
	message_head(m, a->end);
	finish(a, d, m, &h, &q, &told);
}

/* ---- the host's calls ---- */

static size_t take_datagram(struct conn *c, enum side side, struct slice in)
{
	struct arrival a = { .c = c,
			     .side = side,
			     .begin = in.at,
			     .end = in.at + in.bytes,
			     .message = in,
			     .datagram = true,
			     .cut = conn_is_cut(c, side) };

	if (in.bytes < HEADER_BYTES)
		return 0;
	read_message(&a);
	return in.bytes;
}

/* RFC 1035 4.2.2: a length of two bytes, then the message. */
static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct arrival a = { .c = c, .side = side, .begin = in.at };
	size_t bytes, there;

	conn_need(c, side, 2);
	if (in.bytes < 2)
		return 0;
	bytes = (size_t)in.at[0] << 8 | in.at[1];
	if (bytes < HEADER_BYTES) {
		conn_become(c, NULL);
		return 0;
	}
	conn_need(c, side, 2 + bytes);
	if (in.bytes < 2 + bytes && !conn_full(c, side))
		return 0;
	conn_need(c, side, 0);
	there = in.bytes - 2 < bytes ? in.bytes - 2 : bytes;
	if (there < HEADER_BYTES)
		return 0;
	a.message = slice_of(in.at + 2, there);
	a.end = in.at + 2 + there;
	a.cut = there < bytes;
	read_message(&a);
	if (there < bytes)
		conn_skip(c, side, bytes - there, NULL);
	return 2 + there;
}

/* Where the next message begins is not said by its bytes. */
static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	struct dns_conn *d = conn_state(c);

	(void)bytes;
	if (d->transfer[side] != NULL)
		message_flag(d->transfer[side], FLAG_gap_in_head);
	end_transfer(d, side, NULL);
	return RESYNC_OPAQUE;
}

static void close(struct conn *c, enum side side, enum why why)
{
	(void)why;
	end_transfer(conn_state(c), side, NULL);
}

/* ---- identification ---- */

static bool is_plausible_class(uint16_t class)
{
	return known_name(NAMES(classes), class & 0x7fff) != NULL;
}

/* Could `bytes` hold what the header claims? A question takes at least five, a record eleven. */
static bool counts_fit(const struct header *h, size_t bytes)
{
	size_t records = (size_t)h->answers + h->authorities + h->additionals;

	return HEADER_BYTES + h->questions * (size_t)5 + records * 11 <= bytes;
}

static bool is_plausible_header(const struct header *h, size_t bytes)
{
	if (known_name(NAMES(opcodes), h->flags >> 11 & 15) == NULL || (h->flags & 0x40) != 0)
		return false;
	if ((h->flags & BIT_RESPONSE) == 0 && (h->flags & 15) != 0)
		return false;
	/* What was truncated may have lost the records that it counts. */
	if ((h->flags & BIT_TRUNCATED) != 0)
		return h->questions == 1;
	return h->questions + h->answers > 0 && counts_fit(h, bytes);
}

static bool is_plausible_record(struct reader *r)
{
	uint16_t type, class;

	take_name(r, NULL);
	type = (uint16_t)take(r, 2);
	class = (uint16_t)take(r, 2);
	take(r, 4);
	take_slice(r, take(r, 2));
	return !r->broken &&
	       (r->short_ || (known_name(NAMES(types), type) != NULL && is_plausible_class(class)));
}

/* RFC 1001 14.1: NetBIOS name service has messages of the same shape; its names are 32 letters
 * of 16.
 */
static bool is_netbios(struct slice first)
{
	enum { LETTERS = 32 };

	if (first.bytes <= HEADER_BYTES + LETTERS || first.at[HEADER_BYTES] != LETTERS)
		return false;
	for (size_t i = 1; i <= LETTERS; i++)
		if (first.at[HEADER_BYTES + i] < 'A' || first.at[HEADER_BYTES + i] > 'P')
			return false;
	return true;
}

/* `bytes` is how long the message is; `first` what of it is shown. */
static enum guess probe_message(struct slice first, size_t bytes)
{
	struct question q;
	struct reader r = { .all = first };
	struct header h = take_header(&r);

	if (r.short_)
		return bytes < HEADER_BYTES ? GUESS_NO : GUESS_MORE;
	if (!is_plausible_header(&h, bytes) || is_netbios(first))
		return GUESS_NO;
	for (uint32_t i = 0; i < h.questions; i++) {
		take_question(&r, &q);
		if (r.broken)
			return GUESS_NO;
		if (r.short_)
			return first.bytes >= bytes ? GUESS_NO : i > 0 ? GUESS_YES : GUESS_MORE;
		if (!is_plausible_class(q.class) || q.type == 0)
			return GUESS_NO;
	}
	if (h.questions > 0)
		return GUESS_YES;
	if (!is_plausible_record(&r))
		return GUESS_NO;
	return r.short_ ? GUESS_MORE : GUESS_YES;
}

static enum guess probe_datagram(struct slice first, uint16_t port_hint)
{
	/* A datagram is not shown to its end where it is longer. */
	size_t bytes = first.bytes < 256 ? first.bytes : UINT16_MAX;

	(void)port_hint;
	return probe_message(first, bytes);
}

static enum guess probe(struct slice first, uint16_t port_hint)
{
	size_t bytes;

	(void)port_hint;
	if (first.bytes < 2)
		return GUESS_MORE;
	bytes = (size_t)first.at[0] << 8 | first.at[1];
	if (bytes < HEADER_BYTES + 5)
		return GUESS_NO;
	first = slice_after(first, 2);
	if (first.bytes > bytes)
		first.bytes = bytes;
	return probe_message(first, bytes);
}

#define DOTALL 2 /* HS_FLAG_DOTALL */
static const struct pattern patterns[] = {
	{ "^.{4}[\\x00-\\x37\\x80-\\xb7].\\x00[\\x00-\\x3f]", DOTALL },
};
static const struct pattern datagram_patterns[] = {
	{ "^.{2}[\\x00-\\x37\\x80-\\xb7].\\x00[\\x00-\\x3f]\\x00.\\x00.\\x00.", DOTALL },
};

static const struct over_datagrams datagrams = {
	.patterns = datagram_patterns,
	.pattern_count = sizeof(datagram_patterns) / sizeof(datagram_patterns[0]),
	.probe = probe_datagram,
	.take = take_datagram,
};

const struct dissector dissector_dns = {
	.name = "dns",
	.proto = "dns",
	.title = "Domain Name System, multicast DNS, LLMNR",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.again_field = DNS_AGAIN,
	.conn_bytes = sizeof(struct dns_conn),
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.close = close,
	.datagrams = &datagrams,
};
