//go:build pkcs11

/* The functions that crypto11 calls in a PKCS#11 library, with a report of each call. What
   is secret is not looked at: a PIN not at all, of attributes only the values of those
   kinds that are named here, and of what is signed the length. Types are those of PKCS#11
   2.40 on Unix, where structures are not packed. */

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "_cgo_export.h"
#include "spy.h"

typedef unsigned long ulong_t; /* CK_ULONG, CK_RV and all handles */
typedef unsigned char byte_t;

typedef struct {
	ulong_t type;
	void *value;
	ulong_t len;
} attribute;

typedef struct {
	ulong_t kind;
	void *param;
	ulong_t len;
} mechanism;

/* Of a token's description the label is read. */
typedef struct {
	char label[32];
} token_info;

enum { functions = 68 };

/* CK_FUNCTION_LIST: its version, and then the functions in the order of the standard. */
typedef struct {
	byte_t version[2];
	void *f[functions];
} list;

static struct {
	void *library;
	list *patched;
	list real;
	uintptr_t trace;
} spied;

typedef struct {
	char text[4096];
	size_t len;
	struct timespec since;
} call;

static void put(call *c, const char *format, ...) {
	va_list args;
	va_start(args, format);
	int n = vsnprintf(c->text + c->len, sizeof c->text - c->len, format, args);
	va_end(args);
	if (n > 0)
		c->len = c->len + (size_t)n < sizeof c->text ? c->len + (size_t)n : sizeof c->text - 1;
}

static void start(call *c) { clock_gettime(CLOCK_MONOTONIC, &c->since); }

static long long since(const call *c) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - c->since.tv_sec) * 1000000000LL + (now.tv_nsec - c->since.tv_nsec);
}

static void report(call *c, const char *name, ulong_t rv, long long took) {
	crossringCalled(spied.trace, (char *)name, c->text, rv, took);
}

/* CALL makes the call of index with a type and arguments, and takes its time. */
#define CALL(index, type, ...)                                       \
	long long took;                                              \
	ulong_t rv;                                                  \
	start(&c);                                                   \
	rv = ((ulong_t(*) type)spied.real.f[index])(__VA_ARGS__);    \
	took = since(&c);

#define DONE(name)                    \
	report(&c, name, rv, took);   \
	return rv;

static void put_text(call *c, const void *value, ulong_t len) {
	const byte_t *at = value;
	put(c, "\"");
	for (ulong_t i = 0; i < len && i < 64; i++)
		put(c, "%c", at[i] >= ' ' && at[i] <= '~' && at[i] != '"' ? at[i] : '?');
	put(c, "\"");
}

static const char *class_name(ulong_t class) {
	switch (class) {
	case 1: return "CKO_CERTIFICATE";
	case 2: return "CKO_PUBLIC_KEY";
	case 3: return "CKO_PRIVATE_KEY";
	case 4: return "CKO_SECRET_KEY";
	}
	return NULL;
}

static const char *key_name(ulong_t kind) {
	switch (kind) {
	case 0: return "CKK_RSA";
	case 1: return "CKK_DSA";
	case 3: return "CKK_EC";
	}
	return NULL;
}

static void put_number(call *c, const char *name, ulong_t n) {
	if (name != NULL)
		put(c, "%s", name);
	else
		put(c, "%lu", n);
}

/* How the value of an attribute is shown. */
enum { LENGTH, TEXT, HEX, BOOL, NUMBER, CLASS, KEY };

static const struct {
	ulong_t type;
	const char *name;
	int how;
} attributes[] = {
	{0x000, "CKA_CLASS", CLASS},       {0x001, "CKA_TOKEN", BOOL},         {0x002, "CKA_PRIVATE", BOOL},
	{0x003, "CKA_LABEL", TEXT},        {0x011, "CKA_VALUE", LENGTH},       {0x100, "CKA_KEY_TYPE", KEY},
	{0x102, "CKA_ID", HEX},            {0x103, "CKA_SENSITIVE", BOOL},     {0x104, "CKA_ENCRYPT", BOOL},
	{0x105, "CKA_DECRYPT", BOOL},      {0x106, "CKA_WRAP", BOOL},          {0x107, "CKA_UNWRAP", BOOL},
	{0x108, "CKA_SIGN", BOOL},         {0x10A, "CKA_VERIFY", BOOL},        {0x10C, "CKA_DERIVE", BOOL},
	{0x120, "CKA_MODULUS", LENGTH},    {0x121, "CKA_MODULUS_BITS", NUMBER}, {0x122, "CKA_PUBLIC_EXPONENT", LENGTH},
	{0x123, "CKA_PRIVATE_EXPONENT", LENGTH}, {0x162, "CKA_EXTRACTABLE", BOOL}, {0x163, "CKA_LOCAL", BOOL},
	{0x170, "CKA_MODIFIABLE", BOOL},   {0x180, "CKA_EC_PARAMS", HEX},      {0x181, "CKA_EC_POINT", LENGTH},
};

static void put_attribute(call *c, const attribute *a, int with_value) {
	int how = LENGTH;
	const char *name = NULL;
	for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
		if (attributes[i].type == a->type)
			name = attributes[i].name, how = attributes[i].how;
	if (name != NULL)
		put(c, "%s", name);
	else
		put(c, "0x%lX", a->type);
	if (!with_value)
		return;
	put(c, "=");
	ulong_t n = 0;
	if (a->len == (ulong_t)-1)
		put(c, "unavailable");
	else if (a->value == NULL || how == LENGTH)
		put(c, "(%lu bytes)", a->len);
	else if (how == TEXT)
		put_text(c, a->value, a->len);
	else if (how == HEX)
		for (ulong_t i = 0; i < a->len && i < 32; i++)
			put(c, "%02x", ((const byte_t *)a->value)[i]);
	else if (how == BOOL && a->len == 1)
		put(c, *(const byte_t *)a->value ? "true" : "false");
	else if (a->len == sizeof n) {
		memcpy(&n, a->value, sizeof n);
		put_number(c, how == CLASS ? class_name(n) : how == KEY ? key_name(n) : NULL, n);
	} else
		put(c, "(%lu bytes)", a->len);
}

static void put_attributes(call *c, const char *what, const attribute *a, ulong_t n, int with_value) {
	put(c, "%s={", what);
	for (ulong_t i = 0; i < n; i++) {
		if (i > 0)
			put(c, ", ");
		put_attribute(c, &a[i], with_value);
	}
	put(c, "}");
}

static void put_mechanism(call *c, const mechanism *m) {
	switch (m->kind) {
	case 0x0000: put(c, "mechanism=CKM_RSA_PKCS_KEY_PAIR_GEN"); break;
	case 0x0001: put(c, "mechanism=CKM_RSA_PKCS"); break;
	case 0x000D: put(c, "mechanism=CKM_RSA_PKCS_PSS"); break;
	case 0x1040: put(c, "mechanism=CKM_EC_KEY_PAIR_GEN"); break;
	case 0x1041: put(c, "mechanism=CKM_ECDSA"); break;
	default: put(c, "mechanism=0x%lX", m->kind);
	}
}

static ulong_t initialize(void *args) {
	call c = {0};
	CALL(0, (void *), args)
	DONE("C_Initialize")
}

static ulong_t finalize(void *reserved) {
	call c = {0};
	CALL(1, (void *), reserved)
	DONE("C_Finalize")
}

static ulong_t get_slot_list(byte_t with_token, ulong_t *slots, ulong_t *count) {
	call c = {0};
	put(&c, "tokenPresent=%s", with_token ? "true" : "false");
	CALL(4, (byte_t, ulong_t *, ulong_t *), with_token, slots, count)
	if (rv == 0)
		put(&c, "; count=%lu", *count);
	for (ulong_t i = 0; rv == 0 && slots != NULL && i < *count && i < 16; i++)
		put(&c, "%s0x%lX", i == 0 ? ", slots=" : " ", slots[i]);
	DONE("C_GetSlotList")
}

static ulong_t get_token_info(ulong_t slot, token_info *info) {
	call c = {0};
	put(&c, "slot=0x%lX", slot);
	CALL(6, (ulong_t, token_info *), slot, info)
	if (rv == 0) {
		size_t n = sizeof info->label;
		while (n > 0 && info->label[n - 1] == ' ')
			n--;
		put(&c, "; label=");
		put_text(&c, info->label, n);
	}
	DONE("C_GetTokenInfo")
}

static ulong_t open_session(ulong_t slot, ulong_t flags, void *application, void *notify, ulong_t *session) {
	call c = {0};
	put(&c, "slot=0x%lX, flags=%s%s", slot, flags & 4 ? "CKF_SERIAL_SESSION" : "0", flags & 2 ? "|CKF_RW_SESSION" : "");
	CALL(12, (ulong_t, ulong_t, void *, void *, ulong_t *), slot, flags, application, notify, session)
	if (rv == 0)
		put(&c, "; session=%lu", *session);
	DONE("C_OpenSession")
}

static ulong_t close_session(ulong_t session) {
	call c = {0};
	put(&c, "session=%lu", session);
	CALL(13, (ulong_t), session)
	DONE("C_CloseSession")
}

static ulong_t login(ulong_t session, ulong_t user, byte_t *pin, ulong_t len) {
	call c = {0};
	put(&c, "session=%lu, user=", session);
	put_number(&c, user == 0 ? "CKU_SO" : user == 1 ? "CKU_USER" : NULL, user);
	put(&c, ", pin=(left out)");
	CALL(18, (ulong_t, ulong_t, byte_t *, ulong_t), session, user, pin, len)
	DONE("C_Login")
}

static ulong_t logout(ulong_t session) {
	call c = {0};
	put(&c, "session=%lu", session);
	CALL(19, (ulong_t), session)
	DONE("C_Logout")
}

static ulong_t destroy_object(ulong_t session, ulong_t object) {
	call c = {0};
	put(&c, "session=%lu, object=%lu", session, object);
	CALL(22, (ulong_t, ulong_t), session, object)
	DONE("C_DestroyObject")
}

static ulong_t get_attribute_value(ulong_t session, ulong_t object, attribute *a, ulong_t n) {
	call c = {0};
	put(&c, "session=%lu, object=%lu, ", session, object);
	CALL(24, (ulong_t, ulong_t, attribute *, ulong_t), session, object, a, n)
	put_attributes(&c, "template", a, n, rv == 0);
	DONE("C_GetAttributeValue")
}

static ulong_t find_objects_init(ulong_t session, attribute *a, ulong_t n) {
	call c = {0};
	put(&c, "session=%lu, ", session);
	put_attributes(&c, "template", a, n, 1);
	CALL(26, (ulong_t, attribute *, ulong_t), session, a, n)
	DONE("C_FindObjectsInit")
}

static ulong_t find_objects(ulong_t session, ulong_t *objects, ulong_t most, ulong_t *count) {
	call c = {0};
	put(&c, "session=%lu, max=%lu", session, most);
	CALL(27, (ulong_t, ulong_t *, ulong_t, ulong_t *), session, objects, most, count)
	if (rv == 0)
		put(&c, "; count=%lu", *count);
	for (ulong_t i = 0; rv == 0 && i < *count && i < 16; i++)
		put(&c, "%s%lu", i == 0 ? ", objects=" : " ", objects[i]);
	DONE("C_FindObjects")
}

static ulong_t find_objects_final(ulong_t session) {
	call c = {0};
	put(&c, "session=%lu", session);
	CALL(28, (ulong_t), session)
	DONE("C_FindObjectsFinal")
}

static ulong_t sign_init(ulong_t session, mechanism *m, ulong_t key) {
	call c = {0};
	put(&c, "session=%lu, ", session);
	put_mechanism(&c, m);
	put(&c, ", key=%lu", key);
	CALL(42, (ulong_t, mechanism *, ulong_t), session, m, key)
	DONE("C_SignInit")
}

static ulong_t sign(ulong_t session, byte_t *data, ulong_t len, byte_t *signature, ulong_t *signature_len) {
	call c = {0};
	put(&c, "session=%lu, data=(%lu bytes)", session, len);
	if (signature == NULL)
		put(&c, ", signature=NULL"); /* the caller asks how long it will be */
	CALL(43, (ulong_t, byte_t *, ulong_t, byte_t *, ulong_t *), session, data, len, signature, signature_len)
	if (rv == 0)
		put(&c, "; signature=(%lu bytes)", *signature_len);
	DONE("C_Sign")
}

static ulong_t generate_key_pair(ulong_t session, mechanism *m, attribute *pub, ulong_t pub_n, attribute *priv, ulong_t priv_n,
				 ulong_t *pub_key, ulong_t *priv_key) {
	call c = {0};
	put(&c, "session=%lu, ", session);
	put_mechanism(&c, m);
	put_attributes(&c, ", public", pub, pub_n, 1);
	put_attributes(&c, ", private", priv, priv_n, 1);
	CALL(59, (ulong_t, mechanism *, attribute *, ulong_t, attribute *, ulong_t, ulong_t *, ulong_t *), session, m, pub, pub_n, priv, priv_n,
	     pub_key, priv_key)
	if (rv == 0)
		put(&c, "; publicKey=%lu, privateKey=%lu", *pub_key, *priv_key);
	DONE("C_GenerateKeyPair")
}

/* writable makes the pages of a list so: some libraries have it among their constants. */
static int writable(list *l) {
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = (uintptr_t)l & ~(page - 1);
	return mprotect((void *)from, (uintptr_t)(l + 1) - from, PROT_READ | PROT_WRITE) == 0;
}

const char *spy_on(const char *library, uintptr_t trace) {
	if (spied.patched != NULL)
		return "another trace is under way in this process";
	void *lib = dlopen(library, RTLD_LAZY);
	if (lib == NULL)
		return "it can't be loaded, or it is no PKCS#11 library";
	ulong_t (*get)(list **) = (ulong_t(*)(list **))dlsym(lib, "C_GetFunctionList");
	list *l = NULL, *again = NULL;
	const char *why = NULL;
	if (get == NULL || get(&l) != 0 || get(&again) != 0 || l == NULL)
		why = "it can't be loaded, or it is no PKCS#11 library";
	else if (l != again)
		why = "it gives each caller a table of functions of its own, which can't be followed";
	else if (l->version[0] != 2 && l->version[0] != 3) /* 3 begins as 2 does */
		why = "its table of functions is not that of PKCS#11 2 or 3";
	else if (!writable(l))
		why = "its table of functions can't be changed";
	if (why != NULL) {
		dlclose(lib);
		return why;
	}
	spied.library = lib, spied.patched = l, spied.real = *l, spied.trace = trace;
	l->f[0] = initialize;
	l->f[1] = finalize;
	l->f[4] = get_slot_list;
	l->f[6] = get_token_info;
	l->f[12] = open_session;
	l->f[13] = close_session;
	l->f[18] = login;
	l->f[19] = logout;
	l->f[22] = destroy_object;
	l->f[24] = get_attribute_value;
	l->f[26] = find_objects_init;
	l->f[27] = find_objects;
	l->f[28] = find_objects_final;
	l->f[42] = sign_init;
	l->f[43] = sign;
	l->f[59] = generate_key_pair;
	return NULL;
}

void spy_off(void) {
	*spied.patched = spied.real;
	dlclose(spied.library);
	memset(&spied, 0, sizeof spied);
}
