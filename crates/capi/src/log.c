/*
 * The part of logging that only C can say: a function with `...`. `_lws_log` and
 * `_lws_logv` in log.rs jump here.
 */

#include <stdarg.h>
#include <stdio.h>

int sockeye_log_wants(int filter);
void sockeye_log_line(int filter, const char *line);
void sockeye_log_format(int filter, const char *format, ...);
void sockeye_log_list(int filter, const char *format, va_list arguments);

void sockeye_log_list(int filter, const char *format, va_list arguments)
{
	char line[256];

	if (!format || !sockeye_log_wants(filter))
		return;
	if (vsnprintf(line, sizeof(line), format, arguments) >= 0)
		sockeye_log_line(filter, line);
}

void sockeye_log_format(int filter, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	sockeye_log_list(filter, format, arguments);
	va_end(arguments);
}
