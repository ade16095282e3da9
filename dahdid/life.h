/* The life of a port as a table: what may happen in which state, and what follows.
 * Given to ports_create; its rows name the actions of find, ring and lift.
 * Owns nothing.
 */
#ifndef LIFE_H
#define LIFE_H

#include "fsm.h"

extern const struct hs_fsm life_of_ports;

#endif
