/* ini_text - values of an INI file that survive being written and read.
 *
 * A value is written as it is, unless it would come back different: then it
 * stands in double quotes, in which \" \\ \n \r and \t mean what they mean in C.
 */
#ifndef CONTROL_WEIR_INI_TEXT_H
#define CONTROL_WEIR_INI_TEXT_H

#include <stdio.h>

void ini_text_write(const char *value, FILE *to);

/* ini_text_read - undo the quoting in place.
 * Returns: 0; -EINVAL: a quotation that does not end, or goes on behind its end. */
int ini_text_read(char *value);

#endif
