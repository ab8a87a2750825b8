package cli

import (
	"fmt"
	"slices"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/near"
	"crossring/internal/plain"
)

// unknownCommand says so, and which command is spelt nearly like it.
func (l *line) unknownCommand(arg string) error {
	var names []string
	for _, sub := range l.cmd.subs {
		if !sub.hidden {
			names = append(append(names, sub.name), sub.aliases...)
		}
	}
	full := strings.Join(append(slices.Clone(l.path), arg), " ")
	if meant := nearest(arg, names); meant != "" {
		return fail.Usage("", fmt.Errorf("unknown command %q, did you mean %s?", full, meant), l.retyped(arg, meant))
	}
	return l.usage("unknown command %q", full)
}

// unknownFlag says so, and what was probably meant.
func (l *line) unknownFlag(typed string) error {
	defs := slices.Concat(l.root.flags, answeredFlags)
	if len(l.path) > 0 {
		defs = slices.Concat(l.cmd.flags, defs)
	}
	where := strings.Join(l.path, " ")
	if where == "" {
		where = "before the command"
	} else {
		where = "for " + where
	}
	// Flags of a command are not known before the command is.
	if len(l.cmd.subs) > 0 {
		if owner := owner(l.cmd, typed); owner != "" {
			return l.usage("flag %s stands before the command; put it after %s", typed, owner)
		}
	}
	// -ojson and -qv: one letter, and more behind it.
	if len(typed) > 2 && typed[1] != '-' {
		if d, ok := findFlag(defs, typed[:2]); ok {
			if d.takesValue {
				return l.usage("unknown flag %s; a value stands apart: %s %s", typed, typed[:2], typed[2:])
			}
			if _, ok := findFlag(defs, "-"+typed[2:3]); ok {
				return l.usage("unknown flag %s; short flags stand apart: %s -%s", typed, typed[:2], strings.Join(strings.Split(typed[2:], ""), " -"))
			}
		}
	}
	var names []string
	for _, d := range defs {
		if !d.hidden {
			names = append(append(names, d.name), d.aliases...)
		}
	}
	if near := nearest(strings.TrimLeft(typed, "-"), names); near != "" {
		if near = "--" + near; len(near) == 3 {
			near = near[1:]
		}
		return fail.Usage("", fmt.Errorf("unknown flag %s %s, did you mean %s?", typed, where, near), l.retyped(typed, near))
	}
	return l.usage("unknown flag %s %s", typed, where)
}

// owner is the first command below c that has the flag.
func owner(c command, typed string) string {
	for _, sub := range c.subs {
		if sub.hidden {
			continue
		}
		if _, ok := findFlag(sub.flags, typed); ok {
			return sub.name
		}
		if name := owner(sub, typed); name != "" {
			return sub.name + " " + name
		}
	}
	return ""
}

// retyped is the whole command line with one word mended, to be typed again.
func (l *line) retyped(wrong, right string) string {
	words := []string{l.root.name}
	mended := false
	for _, arg := range l.given {
		name, value, ok := strings.Cut(arg, "=")
		if !mended && name == wrong {
			mended, arg = true, right
			if ok {
				arg += "=" + value
			}
		}
		words = append(words, arg)
	}
	return plain.Command(words...)
}

// nearest is the candidate with the fewest edits to the word, "" when none is
// near: more than a third of the letters wrong is another word.
func nearest(word string, candidates []string) string {
	if len(word) > 64 {
		return "" // no command or flag is that long
	}
	best, at := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if c == word {
			return c
		}
		if len(c) == 1 || len(word) == 1 {
			continue
		}
		if d := near.Edits(word, c); d < at {
			best, at = c, d
		}
	}
	return best
}
