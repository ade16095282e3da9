/* mediad's figures for everybody: names and help of its metrics, in one table.
 * Called by main; calls common's metrics. Owns nothing.
 */
#ifndef MEDIAD_METERS_H
#define MEDIAD_METERS_H

#include "end.h"

/* Registers all of them. */
void meters_create(struct meters *ret_meters);

#endif
