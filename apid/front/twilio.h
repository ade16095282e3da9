/* What is Twilio's way of HTTP: tokens by basic authentication, errors with codes.
 * Called by rest. Pure, owns nothing. Which messages go this way the contract says (form).
 */
#ifndef FRONT_TWILIO_H
#define FRONT_TWILIO_H

#include "problem.h"
#include <stdbool.h>

#define TWILIO_TYPE "application/x-www-form-urlencoded"
#define TWILIO_CREDENTIALS 4096 /* bytes of user, colon and token, with NUL */

/* True for all paths under Twilio's root, also those we do not have. */
bool twilio_is(const char *path);

/* Takes an Authorization field of the scheme Basic apart; parts are borrowed from ret_text. False: it is none, or holds
 * no token of a possible form. */
bool twilio_credentials(const char *authorization, char ret_text[TWILIO_CREDENTIALS], const char **ret_user,
			const char **ret_token);

/* The status that Twilio has for a problem, and its document. The caller frees the document. */
int twilio_status(const struct problem *problem);
char *twilio_problem(const struct problem *problem);

#endif
