package settings

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Units of cassandra.yaml, smallest first, and what each has of the smallest.
type unit struct {
	name string
	has  int64
}

var (
	durations = []unit{{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}
	sizes     = []unit{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}
	rates     = []unit{{"B/s", 1}, {"KiB/s", 1 << 10}, {"MiB/s", 1 << 20}}
)

// smallest are the units that a kind begins with, by the last word of its name.
var smallest = map[string]string{
	"Nanoseconds": "ns", "Microseconds": "us", "Milliseconds": "ms", "Seconds": "s", "Minutes": "m",
	"Bytes": "B", "Kibibytes": "KiB", "Mebibytes": "MiB", "BytesPerSecond": "B/s",
}

var measured = regexp.MustCompile(`^(\d+)(\D+)$`)

// fits says whether a value is one of a kind, and what would be.
func fits(kind string, v any) (want string, ok bool) {
	name, of, _ := strings.Cut(kind, ":")
	text, scalar := written(v)
	switch name {
	case "int", "long", "short", "byte":
		most := map[string]int64{"int": math.MaxInt32, "long": math.MaxInt64, "short": math.MaxInt16, "byte": math.MaxInt8}[name]
		n, err := strconv.ParseInt(text, 10, 64)
		return fmt.Sprintf("a whole number up to %d", most), scalar && err == nil && n <= most && n >= -most-1
	case "double", "float":
		_, err := strconv.ParseFloat(strings.TrimRight(text, "dDfF"), 64) // Java writes 5d for 5.0
		return "a number", scalar && err == nil
	case "boolean":
		return "true or false", scalar && slices.Contains([]string{"true", "false", "yes", "no", "on", "off"}, strings.ToLower(text))
	case "text":
		return "text", scalar
	case "class":
		_, isMapping := v.(map[string]any)
		return "the name of a class, or a mapping with class_name", scalar || isMapping
	case "one":
		return "one of " + strings.ReplaceAll(of, ",", ", "), scalar && slices.Contains(strings.Split(of, ","), text)
	case "several", "names":
		return "a list of " + strings.ReplaceAll(of, ",", ", "), allOf(v, strings.Split(of, ","), name == "names")
	case "list":
		_, isList := v.([]any)
		return "a list", isList
	case "mapping":
		_, isMapping := v.(map[string]any)
		return "a mapping", isMapping
	}
	if what, bound, isMeasure := strings.Cut(name, "."); isMeasure {
		units := map[string][]unit{"Duration": durations, "DataStorage": sizes, "DataRate": rates}[what]
		size := strings.TrimPrefix(strings.TrimPrefix(bound, "Int"), "Long")
		from := slices.IndexFunc(units, func(u unit) bool { return u.name == smallest[size] })
		if from < 0 {
			return "", true // a kind that is not known here
		}
		units = units[from:]
		most := int64(math.MaxInt64)
		if strings.HasPrefix(bound, "Int") {
			most = math.MaxInt32
		}
		_, err := amount(text, units, most)
		return fmt.Sprintf("a whole number with its unit, %s", unitNames(units)), scalar && err == nil
	}
	return "", true
}

// amount reads a number with its unit, as one of the first unit.
func amount(text string, units []unit, most int64) (int64, error) {
	m := measured.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q has no unit", text)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, err
	}
	for _, u := range units {
		if u.name == m[2] {
			per := u.has / units[0].has
			if n > (most-1)/per { // the largest one is refused as well
				return 0, fmt.Errorf("%q is too large", text)
			}
			return n * per, nil
		}
	}
	return 0, fmt.Errorf("%q is no unit here", m[2])
}

func unitNames(units []unit) string {
	var names []string
	for _, u := range units {
		if u.name != "µs" {
			names = append(names, u.name)
		}
	}
	return strings.Join(names, ", ")
}

// written is a scalar as it stands in the file.
func written(v any) (text string, scalar bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	}
	return "", false
}

func allOf(v any, names []string, anyCase bool) bool {
	list, ok := v.([]any)
	return ok && !slices.ContainsFunc(list, func(item any) bool {
		text, scalar := written(item)
		if anyCase {
			text = strings.ToLower(text)
		}
		return !scalar || !slices.Contains(names, text)
	})
}
