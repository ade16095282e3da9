/* What errors of the driver mean: the layer they belong to, a cause that an operator understands, and the mend.
 * Called by the rooms that talk to the driver. Pure.
 * Owns nothing.
 */
#ifndef TROUBLE_H
#define TROUBLE_H

#include "hs_proto.h"

/* hardware: the card or its line; service: the host's set-up or ours; api: what was asked is not possible now. */
enum trouble_layer { TROUBLE_HARDWARE, TROUBLE_SERVICE, TROUBLE_API, TROUBLE_LAYERS };

/* Why a channel could not be opened or set up: error is -errno of chan_open or of what followed. Never 0. */
enum hs_trouble trouble_of(int error);

/* One sentence: what is wrong with the channel and what to do on the host. At most 199 bytes. */
void trouble_explain(enum hs_trouble trouble, int channel, const char *folder, char *ret_text, size_t size);

enum trouble_layer trouble_layer(enum hs_trouble trouble);

/* "hardware", "service", "api". */
const char *trouble_layer_name(enum trouble_layer layer);

#endif
