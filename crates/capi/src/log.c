/*
 * The part of logging that only C can say: a function with `...`. `_lws_log` in log.rs jumps here.
 */

#include <stdarg.h>
#include <stdio.h>

int sockeye_log_wants(int filter);
void sockeye_log_line(int filter, const char *line);
void sockeye_log_format(int filter, const char *format, ...);

void sockeye_log_format(int filter, const char *format, ...)
{
	char line[256];
	va_list arguments;
	int length;

	if (!format || !sockeye_log_wants(filter))
		return;
	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length >= 0)
		sockeye_log_line(filter, line);
}
