package line

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"crossring/internal/spec"

	"github.com/urfave/cli/v2"
)

// valueKind is what a flag's value is read as.
type valueKind int

const (
	textValue valueKind = iota
	wholeValue
	wholeValues // with commas between them
	numberValue
	durationValue
)

func valueKindOf(f cli.Flag) valueKind {
	switch f.(type) {
	case *cli.IntFlag, *cli.Int64Flag:
		return wholeValue
	case *cli.IntSliceFlag:
		return wholeValues
	case *cli.Float64Flag:
		return numberValue
	case *cli.DurationFlag:
		return durationValue
	}
	return textValue
}

// check holds a value that was given with a flag against what a spec takes in its place,
// and says what is wrong. Left to urfave, 010 would be eight, and an empty value, which
// is what an unset variable of a script leaves, would be no value.
func (k valueKind) check(typed, value string) error {
	if value == "" {
		return fmt.Errorf("%s is empty", typed)
	}
	switch k {
	case wholeValue:
		return checkWhole(typed, value)
	case wholeValues:
		for one := range strings.SplitSeq(value, ",") {
			if err := checkWhole(typed, one); err != nil {
				return err
			}
		}
	case numberValue:
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || strings.ContainsAny(value, "xX") || math.IsInf(f, 0) {
			return fmt.Errorf("%s is a number, not %s", typed, value)
		}
	case durationValue:
		if _, err := spec.ParseDuration(value); err != nil {
			return fmt.Errorf("%s: %w", typed, err)
		}
	}
	return nil
}

// checkWhole takes decimal digits, and _ between them as a spec does.
func checkWhole(typed, value string) error {
	digits := strings.TrimPrefix(value, "-")
	_, err := strconv.ParseInt(value, 0, 64)
	plain := strings.Trim(digits, "0123456789_") == "" && (digits == "0" || !strings.HasPrefix(digits, "0"))
	switch {
	case plain && err != nil && strings.Trim(digits, "0123456789") == "" && digits != "":
		return fmt.Errorf("%s: %s is too large a number", typed, value)
	case !plain || err != nil:
		return fmt.Errorf("%s is a whole number, not %s", typed, value)
	}
	return nil
}
