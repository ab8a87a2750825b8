// Command lint is what go vet runs here: its own analyzers and the ones beside them in the
// table, in one pass that the build cache remembers.
//
//	go vet -vettool=$(go tool -n lint) ./...
package main

import (
	"slices"

	"github.com/kisielk/errcheck/errcheck"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	for symbol := range excluded {
		errcheck.DefaultExcludedSymbols = append(errcheck.DefaultExcludedSymbols, symbol)
	}
	unitchecker.Main(analyzers()...)
}

func analyzers() []*analysis.Analyzer {
	all := slices.Clone(vets)
	for _, m := range more {
		all = append(all, m.analyzer)
	}
	return all
}
