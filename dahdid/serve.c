#include "serve.h"
#include "figures.h"
#include "leg.h"

const struct hs_door serve_doors[SERVE_DOORS] = {
	{HS_LEG_ORIGINATE, leg_originate}, {HS_LEG_PROGRESS, leg_progress}, {HS_LEG_ANSWER, leg_answer},
	{HS_LEG_HANGUP, leg_hangup},       {HS_LEG_HOLD, leg_hold},         {HS_LEG_DIGITS, leg_digits},
	{HS_LEG_RECALL, leg_recall},       {HS_LINE_PORT, figures_port},    {HS_LINE_MESSAGES, figures_messages},
};
