/* The sections of conform: each tells what one side of the driver does. They are run one after the other; each finds
 * the line at rest and closed, and leaves it so.
 */
#ifndef CONFORM_H
#define CONFORM_H

/* ---- conform_calls.c ---- */
void section_open(void);
void section_params(void);
void section_refusals(void);
void section_timer(void);

/* ---- conform_hook.c ---- */
void section_events(void);
void section_hook(void);
void section_flash(void);
void section_ring(void);
void section_drop(void);

/* ---- conform_audio.c ---- */
void section_read(void);
void section_write(void);
void section_buffers(void);
void section_tones(void);
void section_blocking(void);

/* ---- conform_card.c ---- */
void section_card(void);
void section_alarm(void);
void section_removal(void);
void section_fxo(void);

#endif
