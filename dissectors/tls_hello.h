/* tls_hello - ClientHello and ServerHello (RFC 8446 4.1.2, 4.1.3; RFC 5246 7.4.1), wherever they
 * travel.
 *
 * tls.c finds them in TLS records over TCP, quic.c in the CRYPTO frames of Initial packets. Here is
 * what they say and how it becomes fields, so that both say it in the same words.
 *
 * Fingerprints: JA3 and JA3S are MD5 over numbers in the order of the message; JA4 is the client
 * fingerprint of the JA4 suite, the only one of it that is free. GREASE values (RFC 8701) are left
 * out of all of them.
 *
 * Memory:  everything read is borrowed from the message that was read.
 */
#ifndef DISSECTORS_TLS_HELLO_H
#define DISSECTORS_TLS_HELLO_H

#include "dissectors/dissector.h"

enum tls_handshake {
	TLS_CLIENT_HELLO = 1,
	TLS_SERVER_HELLO = 2,
	TLS_CERTIFICATE = 11,
	TLS_SERVER_HELLO_DONE = 14,
	TLS_FINISHED = 20,
};
enum { TLS_HANDSHAKE_HEADER_BYTES = 4 }; /* type, length of 24 bits */

enum tls_field {
	TLS_ALPN = FIELD_OWN,
	TLS_VERSIONS,
	TLS_CIPHER_COUNT,
	TLS_OFFERS,
	TLS_JA3,
	TLS_JA4,
	TLS_CIPHER,
	TLS_JA3S,
	TLS_RESUMED,
	TLS_RETRY,
	TLS_SUBJECT,
	TLS_ISSUER,
	TLS_FIELDS_END
};
enum { TLS_FIELD_COUNT = TLS_FIELDS_END - FIELD_OWN };
extern const struct field tls_fields[TLS_FIELD_COUNT];

struct tls_client_hello {
	uint16_t version; /* legacy_version */
	struct slice session_id;
	struct slice ciphers;    /* two bytes each */
	struct slice extensions; /* the whole list, checked: type, length, data */
	struct slice server_name;
	struct slice alpn;       /* entries of one length byte and a name, checked */
	struct slice versions;   /* two bytes each; empty: no such extension */
	struct slice groups;     /* two bytes each */
	struct slice points;     /* a byte each */
	struct slice signatures; /* two bytes each */
	bool has_server_name, has_psk, has_ticket, has_early_data, has_ech;
};

struct tls_server_hello {
	uint16_t version; /* chosen: of supported_versions where it is there */
	uint16_t legacy_version;
	uint16_t cipher;
	struct slice session_id;
	struct slice extensions;
	struct slice alpn; /* the one name chosen */
	bool is_retry;     /* HelloRetryRequest (RFC 8446 4.1.4) */
	bool has_psk;
};

/* tls_client_hello_read, tls_server_hello_read - of the body of a handshake message.
 * Returns: false if a length in it does not add up; *ret is untouched then. */
bool tls_client_hello_read(struct slice body, struct tls_client_hello *ret);
bool tls_server_hello_read(struct slice body, struct tls_server_hello *ret);

/* tls_client_hello_tell, tls_server_hello_tell - their fields. `transport` as JA4 has it: t or q.
 */
void tls_client_hello_tell(struct message *m, const struct tls_client_hello *h, char transport);
void tls_server_hello_tell(struct message *m, const struct tls_server_hello *h);

/* tls_certificate_tell - subject and issuer of the first certificate of a Certificate message
 * before TLS 1.3 (RFC 5246 7.4.2), where they can be read. */
void tls_certificate_tell(struct message *m, struct slice body);

/* tls_alert_tell - the code of a fatal alert instead of an answer. */
void tls_alert_tell(struct message *m, uint8_t description);

#endif
