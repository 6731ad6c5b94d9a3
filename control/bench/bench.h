/* bench - the sub-commands of `weir bench`.
 *
 *     load (generator) ---> lab ---> receiver (weir capture, or nothing)
 *            \______________________________/
 *                        trial                  one run of one cell
 *                          |  repeated, interleaved, by series
 *                        result                 every raw sample, and the conditions
 *                          |
 *          result.json, report.html, plots, text files
 *
 * Adding one: a file with its function, a line below, a row in control/weir/bench.c.
 *
 * Each takes the arguments behind its name; --help writes help on standard output. Returns: the
 * exit status, as in control/weir/command.h: 1 means that a gate fails, or that something is worse.
 */
#ifndef CONTROL_BENCH_BENCH_H
#define CONTROL_BENCH_BENCH_H

int bench_backends(int argc, char **argv);
int bench_compare(int argc, char **argv);
int bench_gates(int argc, char **argv);
int bench_load(int argc, char **argv);
int bench_micro(int argc, char **argv);
int bench_modes(int argc, char **argv);
int bench_plot(int argc, char **argv);

#endif
