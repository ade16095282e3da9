/* G.711: bytes to linear samples and back, by table.
 * Called by chan, phone, exchange, sound. Owns its tables, filled once.
 */
#ifndef SIM_LAW_H
#define SIM_LAW_H

#include <stdint.h>

enum law { LAW_MULAW = 1, LAW_ALAW = 2 }; /* numbers of DAHDI_LAW_ */

/* Fills the tables; call it once before the others. */
void law_setup(void);

int16_t law_linear(enum law law, uint8_t byte);
uint8_t law_byte(enum law law, int16_t linear);

/* What silence looks like: 0xff or 0xd5. */
uint8_t law_silence(enum law law);

#endif
