/* codec - the table of compressions that this build can read. */
#include "dataplane/rx/codec.h"

#define RX_CODEC(name) extern const struct codec codec_##name;
#include "dataplane/rx/rx_codecs.inc"
#undef RX_CODEC

static const struct codec *const codecs[] = {
#define RX_CODEC(name) &codec_##name,
#include "dataplane/rx/rx_codecs.inc"
#undef RX_CODEC
	NULL, /* a build without any library has an empty list */
};

const struct codec *codec_find(const uint8_t magic[CODEC_MAGIC_BYTES])
{
	for (const struct codec *const *c = codecs; *c != NULL; c++)
		if ((*c)->recognise(magic))
			return *c;
	return NULL;
}
