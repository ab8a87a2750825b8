package scripts

import (
	"strings"
	"testing"
)

// TestTests has every part of the tests fail, and the tree be littered, with go and git
// replaced: the list of what was skipped always ends it, and nothing passes for success.
func TestTests(t *testing.T) {
	// A go whose tally notes what it is called with, and fails for what $fails names.
	const fakeGo = `case $1 in
env) echo -buildvcs=false ;;
build) printf '#!/bin/sh\nshift\necho "tally $*" >>"$log"\ncase "${*:-list}" in $fails) exit 1;; esac\n' >"$3"; chmod +x "$3" ;;
list) printf 'crossring/stress\ncrossring/test\ncrossring/test/awslab\ncrossring/scripts\n' ;;
run) [ "$fails" != ready ] ;;
esac`
	const all = "tally go test -vet=off -race -short -timeout 30m crossring/stress crossring/scripts\n" +
		"tally go test -vet=off -tags pkcs11 -run TestToken ./internal/pki\n" +
		"tally go test -vet=off -count 1 -p 2 -parallel 64 -timeout 40m crossring/stress crossring/test crossring/scripts\n" +
		"tally go test -vet=off -count 1 -timeout 20m ./test/awslab\n" +
		"tally \n"
	calls := func(log string) (only string) {
		for line := range strings.Lines(log) {
			if strings.HasPrefix(line, "tally") {
				only += line
			}
		}
		return only
	}
	for _, c := range []struct {
		name, fails, git string
		args             []string
		status           int
		says, does       string
	}{
		{name: "all well", does: all, says: "go test -vet=off -count 1 -p 2"},
		{name: "units fail", fails: "go test -vet=off -race *", status: 1, does: strings.SplitAfter(all, "\n")[0] + "tally \n"},
		{name: "servers fail", fails: "go test -vet=off -count 1 -p*", status: 1, does: all},
		{name: "the lab fails", fails: "*awslab", status: 1, does: all},
		{name: "skips fail", fails: "list", status: 1, does: all},
		{name: "nothing made ready", fails: "ready", status: 1, does: "tally \n"},
		{name: "litter", git: `[ ! -e "$bin/seen" ] || echo '?? test/litter'; echo ' M mine.go'; touch "$bin/seen"`, status: 1, does: all,
			says: "changed in the source tree while the tests ran:\n?? test/litter\n"},
		{name: "something gone", git: `[ -e "$bin/seen" ] || echo '?? notes'; touch "$bin/seen"`, status: 1, does: all, says: "something was removed"},
		{name: "no git", git: "exit 127", does: all},
		{name: "benchmarks", args: []string{"bench"}, does: "tally go test -v -run ^$ -bench . -benchmem crossring/stress crossring/scripts\n" +
			"tally go test -p 1 -count 1 -v -run ^TestBench -timeout 85m ./test\ntally \n"},
		{name: "usage", args: []string{"all"}, status: 2, says: "usage: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, out, log := run(t, fakes{"go": fakeGo, "make": "", "git": c.git}, []string{"fails=" + c.fails}, "test.sh", c.args...)
			if got := calls(log); status != c.status || got != c.does || !strings.Contains(out, c.says) {
				t.Errorf("exit %d\n%s\ncalled:\n%s", status, out, got)
			}
		})
	}
}
