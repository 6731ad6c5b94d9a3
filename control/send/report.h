/* report - what was sent, for people and for programs. */
#ifndef CONTROL_SEND_REPORT_H
#define CONTROL_SEND_REPORT_H

#include <stdio.h>

#include "control/send/send.h"

/* report_line - one line:
 * weir send: 1000000 frames, 64000000 bytes, 2.00 s, 499980 packets/s (asked 500000), 0 dropped,
 * af_xdp on mirror0 queue 0 */
void report_line(const struct send_report *r, FILE *to);

/* report_json - one object on one line: frames bytes seconds rate asked dropped retries cut
 * unsendable tx mode iface queue first_number last_number. Null: does not apply. */
void report_json(const struct send_report *r, FILE *to);

/* report_fell_short - was the rate more than 1 % below the asked one? Not told of runs that were
 * late by less than a millisecond, which is what a timer can be late. */
bool report_fell_short(const struct send_report *r);

#endif
