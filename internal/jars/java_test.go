package jars

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestParseJavaVersion(t *testing.T) {
	cases := map[string]int{
		"openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment\n":        17,
		"java version \"1.8.0_292\"\n":                                                 8,
		"openjdk version \"21\" 2023-09-19\n":                                          21,
		"openjdk version \"22-ea\" 2024-03-19\n":                                       22,
		"Picked up JAVA_TOOL_OPTIONS: -Dversion=\"3\"\nopenjdk version \"11.0.2\" x\n": 11,
		"Error: could not create the Java Virtual Machine.\n":                          0,
		"": 0,
	}
	for out, want := range cases {
		got, err := parseJavaVersion(out)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d, %v; want %d", out, got, err, want)
		}
	}
}

func TestFindJava(t *testing.T) {
	say := func(version string) string { return fmt.Sprintf(`echo 'openjdk version "%s"' >&2`, version) }
	cases := []struct {
		name           string
		home, path     string // body of the java there; "" for none
		badHome        bool
		version        int
		found          int // candidates named in a *JavaError
		missing, plain bool
	}{
		{name: "neither", missing: true},
		{name: "home", home: say("17.0.1"), version: 17},
		{name: "path", path: say("21"), version: 21},
		{name: "home before path", home: say("17.0.1"), path: say("21"), version: 17},
		{name: "home too old, path good", home: say("1.8.0_1"), path: say("17.0.9"), version: 17},
		{name: "both too old", home: say("1.8.0_1"), path: say("11.0.9"), found: 2},
		{name: "home too new, path good", home: say("25"), path: say("17.0.9"), version: 17},
		{name: "one too old, one too new", home: say("11"), path: say("24.0.1"), found: 2},
		{name: "home is nothing", badHome: true, path: say("17"), found: 0},
		{name: "broken", path: "exit 3", plain: true},
		{name: "not java", path: "echo hello", plain: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			home := filepath.Join(dir, "home")
			t.Setenv("PATH", filepath.Join(dir, "path"))
			t.Setenv("JAVA_HOME", "")
			want := filepath.Join(dir, "path", "java")
			if c.home != "" {
				script(t, filepath.Join(home, "bin", "java"), c.home)
			}
			if c.home != "" || c.badHome {
				t.Setenv("JAVA_HOME", home)
			}
			if c.home == say("17.0.1") {
				want = filepath.Join(home, "bin", "java")
			}
			if c.path != "" {
				script(t, filepath.Join(dir, "path", "java"), c.path)
			}
			path, version, err := FindJava(context.Background(), 17, 21)
			var missing *MissingToolError
			var bad *JavaError
			switch {
			case c.version > 0:
				if err != nil || version != c.version || path != want {
					t.Errorf("got %s, %d, %v; want %s, %d", path, version, err, want, c.version)
				}
			case c.missing:
				if !errors.As(err, &missing) || missing.Tool != "java" {
					t.Errorf("got %v", err)
				}
			case c.plain:
				if err == nil || errors.As(err, &missing) || errors.As(err, &bad) {
					t.Errorf("got %v", err)
				}
			case !errors.As(err, &bad) || len(bad.Found) != c.found || (bad.BadHome == home) != c.badHome || bad.Hint() == "":
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFromHome(t *testing.T) {
	home := t.TempDir()
	files := []string{"apache-cassandra-5.0.2.jar", "guava-1.jar", "jamm-0.4.0.jar", "jolokia-agent-jvm-2.2.9-javaagent.jar"}
	unpack := func(t *testing.T, names ...string) {
		if err := os.RemoveAll(filepath.Join(home, "lib")); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			script(t, filepath.Join(home, "lib", name), "")
		}
	}
	req := request(t.TempDir())
	req.Home, req.Version = home, "5.0"

	unpack(t, files...)
	jars, err := Ensure(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	if jars.Version != "5.0.2" || len(jars.ClassPath) != 3 || filepath.Base(jars.Jamm) != files[2] || filepath.Base(jars.Jolokia) != files[3] {
		t.Errorf("got %+v", jars)
	}

	var bad *HomeError
	for name, list := range map[string][]string{"no jamm": files[:2], "not cassandra": files[1:], "two": append([]string{"apache-cassandra-5.0.3.jar"}, files...)} {
		unpack(t, list...)
		if _, err := Ensure(context.Background(), req); !errors.As(err, &bad) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	unpack(t, files...)
	req.Version = "4.1"
	if _, err := Ensure(context.Background(), req); !errors.As(err, &bad) {
		t.Errorf("another series: got %v", err)
	}
}
