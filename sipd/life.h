/* Life: the state machine of every dialog, one table for both directions.
 * Handed to dialog.c by main; its actions are the call rooms'. Owns nothing.
 */
#ifndef LIFE_H
#define LIFE_H

#include "fsm.h"

extern const struct hs_fsm life_of_dialogs;

#endif
