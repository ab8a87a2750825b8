package main

import (
	"github.com/kisielk/errcheck/errcheck"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/appends"
	"golang.org/x/tools/go/analysis/passes/asmdecl"
	"golang.org/x/tools/go/analysis/passes/assign"
	"golang.org/x/tools/go/analysis/passes/atomic"
	"golang.org/x/tools/go/analysis/passes/atomicalign"
	"golang.org/x/tools/go/analysis/passes/bools"
	"golang.org/x/tools/go/analysis/passes/buildtag"
	"golang.org/x/tools/go/analysis/passes/cgocall"
	"golang.org/x/tools/go/analysis/passes/composite"
	"golang.org/x/tools/go/analysis/passes/copylock"
	"golang.org/x/tools/go/analysis/passes/defers"
	"golang.org/x/tools/go/analysis/passes/directive"
	"golang.org/x/tools/go/analysis/passes/errorsas"
	"golang.org/x/tools/go/analysis/passes/framepointer"
	"golang.org/x/tools/go/analysis/passes/hostport"
	"golang.org/x/tools/go/analysis/passes/httpmux"
	"golang.org/x/tools/go/analysis/passes/httpresponse"
	"golang.org/x/tools/go/analysis/passes/ifaceassert"
	"golang.org/x/tools/go/analysis/passes/loopclosure"
	"golang.org/x/tools/go/analysis/passes/lostcancel"
	"golang.org/x/tools/go/analysis/passes/nilfunc"
	"golang.org/x/tools/go/analysis/passes/nilness"
	"golang.org/x/tools/go/analysis/passes/printf"
	"golang.org/x/tools/go/analysis/passes/reflectvaluecompare"
	"golang.org/x/tools/go/analysis/passes/scannererr"
	"golang.org/x/tools/go/analysis/passes/shift"
	"golang.org/x/tools/go/analysis/passes/sigchanyzer"
	"golang.org/x/tools/go/analysis/passes/slog"
	"golang.org/x/tools/go/analysis/passes/sortslice"
	"golang.org/x/tools/go/analysis/passes/stdmethods"
	"golang.org/x/tools/go/analysis/passes/stdversion"
	"golang.org/x/tools/go/analysis/passes/stringintconv"
	"golang.org/x/tools/go/analysis/passes/structtag"
	"golang.org/x/tools/go/analysis/passes/testinggoroutine"
	"golang.org/x/tools/go/analysis/passes/tests"
	"golang.org/x/tools/go/analysis/passes/timeformat"
	"golang.org/x/tools/go/analysis/passes/unmarshal"
	"golang.org/x/tools/go/analysis/passes/unreachable"
	"golang.org/x/tools/go/analysis/passes/unsafeptr"
	"golang.org/x/tools/go/analysis/passes/unusedresult"
	"golang.org/x/tools/go/analysis/passes/unusedwrite"
	"golang.org/x/tools/go/analysis/passes/waitgroup"
)

// vets are go vet's own: a test holds the list against what this Go has.
var vets = []*analysis.Analyzer{
	appends.Analyzer, asmdecl.Analyzer, assign.Analyzer, atomic.Analyzer, bools.Analyzer, buildtag.Analyzer, cgocall.Analyzer,
	composite.Analyzer, copylock.Analyzer, defers.Analyzer, directive.Analyzer, errorsas.Analyzer, framepointer.Analyzer,
	hostport.Analyzer, httpresponse.Analyzer, ifaceassert.Analyzer, loopclosure.Analyzer, lostcancel.Analyzer, nilfunc.Analyzer,
	printf.Analyzer, shift.Analyzer, sigchanyzer.Analyzer, slog.Analyzer, stdmethods.Analyzer, stdversion.Analyzer,
	stringintconv.Analyzer, structtag.Analyzer, testinggoroutine.Analyzer, tests.Analyzer, timeformat.Analyzer, unmarshal.Analyzer,
	unreachable.Analyzer, unsafeptr.Analyzer, unusedresult.Analyzer, waitgroup.Analyzer,
}

// more are those that go vet leaves out, each with what it is here for. Not here: shadow
// (366 reports, nearly all of err in an if, none a fault), modernize, which is a matter of
// taste that go fix settles, and deepequalerrors: one report, of a test that is right. What nobody uses is staticcheck's U1000.
var more = []struct {
	analyzer *analysis.Analyzer
	why      string
}{
	{errcheck.Analyzer, "a file that was not written, a lock that was not taken: what fails is said, or dropped on purpose with _ ="},
	{nilness.Analyzer, "a nil that is used on the one path that no test takes"},
	{unusedwrite.Analyzer, "a field set in a copy of a struct, which nobody sees"},
	{scannererr.Analyzer, "a log that breaks off in the middle passes for its end"},
	{reflectvaluecompare.Analyzer, "== of two reflect.Values compares the handles, not what they hold"},
	{sortslice.Analyzer, "sort.Slice of what is no slice panics"},
	{httpmux.Analyzer, "a pattern of http.ServeMux that an older language version reads in another way"},
	{atomicalign.Analyzer, "64-bit atomics that are not aligned panic on 32-bit machines"},
}

// excluded are functions whose error may be left unlooked at, each with the reason.
var excluded = map[string]string{
	// Closing is looked at where something was written, as errors.Join(err, f.Close()).
	"(*os.File).Close":                                  closes,
	"(io.Closer).Close":                                 closes,
	"(io.ReadCloser).Close":                             closes,
	"(*io.PipeReader).Close":                            closes,
	"(*io.PipeWriter).Close":                            closes,
	"(*io.PipeReader).CloseWithError":                   closes,
	"(*io.PipeWriter).CloseWithError":                   closes,
	"(net.Conn).Close":                                  closes,
	"(*net.conn).Close":                                 closes, // of TCP and of unix sockets
	"(golang.org/x/crypto/ssh.Conn).Close":              closes,
	"(net.Listener).Close":                              closes,
	"(net.PacketConn).Close":                            closes,
	"(*net.TCPConn).CloseWrite":                         closes,
	"(*net.UnixListener).Close":                         closes,
	"(*crypto/tls.Conn).Close":                          closes,
	"(*net/http.Server).Close":                          closes,
	"(*golang.org/x/crypto/ssh.Client).Close":           closes,
	"(*golang.org/x/crypto/ssh.Session).Close":          closes,
	"golang.org/x/sys/unix.Close":                       closes,
	"(*crossring/internal/deploy/sshhost.Client).Close": closes,
	"(*crossring/internal/journal.Journal).Close":       closes,
	"(*crossring/provision/ec2/ledger.Ledger).Close":    closes,
	"(*crossring/internal/pki.Authority).Close":         closes,
	"(crossring/internal/pki.Authority).Close":          closes,
	"(*crossring/provision/containers.Cluster).Close":   closes,

	"fmt.Fprint":   prints,
	"fmt.Fprintf":  prints,
	"fmt.Fprintln": prints,

	"(*bufio.Writer).Write":       buffers,
	"(*bufio.Writer).WriteByte":   buffers,
	"(*bufio.Writer).WriteString": buffers,

	"os.RemoveAll": removes,
	"os.Remove":    removes,
}

const (
	closes  = "after reading, or to end what somebody else waits in, there is nobody to tell; what was written is synced before"
	prints  = "to a terminal, or to a writer in memory or with a Flush that is looked at"
	buffers = "the first error stays until Flush, which is looked at"
	removes = "tidying after something that has its own error; what must be gone is looked for by whoever promises it"
)
