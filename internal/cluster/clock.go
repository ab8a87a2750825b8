package cluster

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"crossring/internal/deploy/sshhost"
)

// ClockOffset is how far a machine's clock is ahead of this computer's, give or
// take margin: the best of several questions.
func ClockOffset(ctx context.Context, m *sshhost.Client, now func() time.Time) (offset, margin time.Duration, err error) {
	const questions = 8
	const deadline = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	ask, in := io.Pipe()
	answer, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := m.Run(ctx, sshhost.Command{Name: "ask for the time", Line: "while read -r x; do date +%s.%N; done", In: ask, Out: out})
		out.CloseWithError(cmp.Or(err, io.EOF))
		ask.Close()
		done <- err
	}()
	margin = math.MaxInt64
	r := bufio.NewReader(answer)
	for range questions {
		before := now()
		if _, err = io.WriteString(in, "x\n"); err != nil {
			break
		}
		var line string
		if line, err = r.ReadString('\n'); err != nil {
			break
		}
		half := now().Sub(before) / 2
		sec, frac, _ := strings.Cut(strings.TrimSpace(line), ".")
		s, err1 := strconv.ParseInt(sec, 10, 64)
		ns, err2 := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
		if err = errors.Join(err1, err2); err != nil {
			break
		}
		if half < margin {
			margin, offset = half, time.Unix(s, ns).Sub(before.Add(half))
		}
	}
	in.Close()
	answer.Close()
	if err = errors.Join(err, <-done); err != nil {
		return 0, 0, fmt.Errorf("comparing clocks with %s: %w", m, err)
	}
	return offset, margin, nil
}
