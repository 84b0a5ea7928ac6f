/* Numbers as texts: all that is needed of a C library. */
#include "program.h"

void say_number(long number)
{
    char text[24];
    char *digit = text + sizeof text - 1;
    unsigned long rest = number < 0 ? 0ul - (unsigned long)number : (unsigned long)number;
    *digit = '\0';
    do {
        *--digit = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0) {
        *--digit = '-';
    }
    say(digit);
}
