package line

import (
	"fmt"
	"slices"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/near"
	"crossring/internal/plain"
)

// Unknown is the error of a word that was typed after path, where a command's name is
// expected; given is the whole line, for the hint.
func Unknown(root, cmd Command, path, given []string, word string) error {
	l := line{root: root, cmd: cmd, path: path, given: given}
	return l.unknownCommand(word)
}

// unknownCommand says so, and which command is spelt nearly like it.
func (l *line) unknownCommand(arg string) error {
	var names []string
	for _, sub := range l.cmd.Subs {
		if !sub.Hidden {
			names = append(append(names, sub.Name), sub.Aliases...)
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
	defs := slices.Concat(l.root.Flags, Answered)
	if len(l.path) > 0 {
		defs = slices.Concat(l.cmd.Flags, defs)
	}
	where := strings.Join(l.path, " ")
	if where == "" {
		where = "before the command"
	} else {
		where = "for " + where
	}
	// Flags of a command are not known before the command is.
	if len(l.cmd.Subs) > 0 {
		if owner := owner(l.cmd, typed); owner != "" {
			return l.usage("flag %s stands before the command; put it after %s", typed, owner)
		}
	}
	// -ojson and -qv: one letter, and more behind it.
	if len(typed) > 2 && typed[1] != '-' {
		if d, ok := FindFlag(defs, typed[:2]); ok {
			if d.TakesValue {
				return l.usage("unknown flag %s; a value stands apart: %s %s", typed, typed[:2], typed[2:])
			}
			if _, ok := FindFlag(defs, "-"+typed[2:3]); ok {
				return l.usage("unknown flag %s; short flags stand apart: %s -%s", typed, typed[:2], strings.Join(strings.Split(typed[2:], ""), " -"))
			}
		}
	}
	var names []string
	for _, d := range defs {
		if !d.Hidden {
			names = append(append(names, d.Name), d.Aliases...)
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
func owner(c Command, typed string) string {
	for _, sub := range c.Subs {
		if sub.Hidden {
			continue
		}
		if _, ok := FindFlag(sub.Flags, typed); ok {
			return sub.Name
		}
		if name := owner(sub, typed); name != "" {
			return sub.Name + " " + name
		}
	}
	return ""
}

// retyped is the whole command line with one word mended, to be typed again.
func (l *line) retyped(wrong, right string) string {
	words := []string{l.root.Name}
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
