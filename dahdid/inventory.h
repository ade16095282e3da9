/* What is in the machine: driver, spans and their channels, reported once at start.
 * Called by begin; calls chan. Owns nothing.
 */
#ifndef INVENTORY_H
#define INVENTORY_H

#include <stddef.h>

/* Logs version, spans and alarms, and fills the version ("" when the driver cannot be asked). */
void inventory_report(const char *folder, char *ret_version, size_t size);

#endif
