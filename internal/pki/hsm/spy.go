//go:build pkcs11

package hsm

// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
// #include "spy.h"
import "C"

import (
	"errors"
	"runtime/cgo"
	"strings"
	"time"
	"unsafe"

	"github.com/miekg/pkcs11"
)

// spy puts functions that report to t in front of a library's. crypto11 loads libraries
// by itself, so it is done in the table of functions that the library gives to all.
func spy(module string, t *Trace) (stop func(), err error) {
	path := C.CString(module)
	defer C.free(unsafe.Pointer(path))
	handle := cgo.NewHandle(t)
	if why := C.spy_on(path, C.uintptr_t(handle)); why != nil {
		handle.Delete()
		return nil, errors.New(C.GoString(why))
	}
	return func() {
		C.spy_off()
		handle.Delete()
	}, nil
}

//export crossringCalled
func crossringCalled(trace C.uintptr_t, name, arguments *C.char, code C.ulong, nanoseconds C.longlong) {
	t, ok := cgo.Handle(trace).Value().(*Trace)
	if !ok {
		return
	}
	t.called(C.GoString(name), C.GoString(arguments), codeName(uint(code)), time.Duration(nanoseconds))
}

// codeName is what PKCS#11 calls a return code; a vendor's own has no name but its number.
func codeName(code uint) string {
	text := pkcs11.Error(code).Error() // "pkcs11: 0xA0: CKR_PIN_INCORRECT"
	if name := text[strings.LastIndex(text, " ")+1:]; name != "" {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(text, "pkcs11: "), ": ")
}
