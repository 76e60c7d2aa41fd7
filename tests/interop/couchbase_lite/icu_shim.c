/* Provides ICU functions under the names in version WANTED, as Couchbase Lite's native library requires them.
 *
 * ICU puts its version into the name of each symbol, so renaming the library file of a different version is not
 * sufficient. If HAVE is defined, each function calls the function of version HAVE. Otherwise each function returns
 * an error, because replication needs none of them: only queries that compare strings or change their case do.
 */
#include <stddef.h>
#include <stdint.h>

#define JOIN_(name, version) name##_##version
#define JOIN(name, version) JOIN_(name, version)
#define UNSUPPORTED 16 /* U_UNSUPPORTED_ERROR */

#ifdef HAVE
#define FORWARD(type, name, parameters, arguments, instead) \
    extern type JOIN(name, HAVE) parameters;                \
    type JOIN(name, WANTED) parameters { return JOIN(name, HAVE) arguments; }
#else
#define FORWARD(type, name, parameters, arguments, instead) \
    type JOIN(name, WANTED) parameters { instead; }
#endif

FORWARD(void *, ucol_open, (const char *locale, int *status), (locale, status),
        (void)locale; *status = UNSUPPORTED; return NULL)
FORWARD(void, ucol_close, (void *collator), (collator), (void)collator)
FORWARD(void, ucol_setAttribute, (void *collator, int attribute, int value, int *status),
        (collator, attribute, value, status),
        (void)collator; (void)attribute; (void)value; *status = UNSUPPORTED)
FORWARD(int, ucol_strcollUTF8,
        (const void *collator, const char *a, int32_t a_size, const char *b, int32_t b_size, int *status),
        (collator, a, a_size, b, b_size, status),
        (void)collator; (void)a; (void)a_size; (void)b; (void)b_size; *status = UNSUPPORTED; return 0)
FORWARD(void *, ucasemap_open, (const char *locale, uint32_t options, int *status),
        (locale, options, status),
        (void)locale; (void)options; *status = UNSUPPORTED; return NULL)
FORWARD(void, ucasemap_close, (void *map), (map), (void)map)
FORWARD(int32_t, ucasemap_utf8ToLower,
        (const void *map, char *out, int32_t room, const char *in, int32_t size, int *status),
        (map, out, room, in, size, status),
        (void)map; (void)out; (void)room; (void)in; (void)size; *status = UNSUPPORTED; return 0)
FORWARD(int32_t, ucasemap_utf8ToUpper,
        (const void *map, char *out, int32_t room, const char *in, int32_t size, int *status),
        (map, out, room, in, size, status),
        (void)map; (void)out; (void)room; (void)in; (void)size; *status = UNSUPPORTED; return 0)
