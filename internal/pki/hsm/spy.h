#include <stdint.h>

/* spy_on has each call to a library reported to crossringCalled, with trace. NULL is
   success, else it says what is wrong. */
const char *spy_on(const char *library, uintptr_t trace);

/* spy_off puts the library's functions back. */
void spy_off(void);
