package line

import (
	"slices"
	"strings"
)

// Wanted is what may stand where a line ends.
type Wanted struct {
	Words []string // commands or flags, in order
	// Arg is the argument that is asked for, as the help has it: "NAME", "NAME[:NODE]";
	// "" where none is.
	Arg string
	// Value is the flag whose value is asked for, without dashes; "" where none is.
	Value string
}

// Complete says what may stand in place of the last of the words, which may be empty or
// the beginning of one. What stands before it may be wrong: then what is known counts.
func Complete(root Command, words []string) Wanted {
	if len(words) == 0 {
		words = []string{""}
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	cmd, args, plainOnly := root, 0, false
	var value *Flag
	for _, word := range before {
		switch {
		case value != nil:
			value = nil
		case plainOnly:
			args++
		case word == "--":
			plainOnly = true
		case flagLike(word):
			name, _, given := strings.Cut(word, "=")
			if f, ok := findTyped(root, cmd, name); ok && f.TakesValue && !given {
				value = &f
			}
		default:
			if sub, ok := cmd.Find(word); ok {
				cmd = sub
			} else {
				args++
			}
		}
	}
	begins := func(all []string) []string {
		slices.Sort(all)
		return slices.DeleteFunc(slices.Compact(all), func(w string) bool { return !strings.HasPrefix(w, last) })
	}
	if value != nil {
		return Wanted{Value: value.Name}
	}
	if strings.HasPrefix(last, "-") && !plainOnly {
		var flags []string
		for _, f := range slices.Concat(cmd.Flags, root.Flags, Answered) {
			if !f.Hidden {
				flags = append(flags, "--"+f.Name)
			}
		}
		return Wanted{Words: begins(flags)}
	}
	if len(cmd.Subs) > 0 && args == 0 {
		var names []string
		for _, s := range cmd.Subs {
			if !s.Hidden {
				names = append(names, s.Name)
			}
		}
		return Wanted{Words: begins(names)}
	}
	return Wanted{Arg: argAt(cmd.Args, args)}
}

// findTyped finds a flag as it was typed, of the command or of all.
func findTyped(root, cmd Command, typed string) (Flag, bool) {
	if f, ok := FindFlag(cmd.Flags, typed); ok {
		return f, true
	}
	return FindFlag(root.Flags, typed)
}

// argAt is the argument at a place, of a usage such as "CLUSTER [NODE...]": the last one
// for all places beyond, where it may be repeated.
func argAt(usage string, place int) string {
	all := strings.Fields(usage)
	bare := func(s string) string {
		if strings.HasPrefix(s, "[") {
			s = strings.TrimSuffix(s[1:], "]")
		}
		return strings.TrimSuffix(s, "...")
	}
	switch {
	case place < len(all):
		return bare(all[place])
	case len(all) > 0 && strings.Contains(all[len(all)-1], "..."):
		return bare(all[len(all)-1])
	}
	return ""
}
