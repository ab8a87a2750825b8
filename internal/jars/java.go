package jars

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// javaTimeout is for a JVM that only prints its version.
const javaTimeout = 30 * time.Second

// FindJava returns a java command of a major version from least to most, where 0 is
// no bound: the one in JAVA_HOME, else the one in PATH. Errors to tell apart:
// *MissingToolError, *JavaError.
func FindJava(ctx context.Context, least, most int) (path string, version int, err error) {
	var candidates []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java := filepath.Join(home, "bin", "java")
		if _, err := exec.LookPath(java); err != nil {
			// Not passed over in silence: mvn stops at it too.
			return "", 0, &JavaError{Min: least, Max: most, BadHome: home}
		}
		candidates = append(candidates, java)
	}
	if java, err := exec.LookPath("java"); err == nil {
		candidates = append(candidates, java)
	}
	if len(candidates) == 0 {
		return "", 0, &MissingToolError{Tool: "java"}
	}
	unfit := &JavaError{Min: least, Max: most}
	for _, java := range candidates {
		version, err := javaVersion(ctx, java)
		if err != nil {
			return "", 0, err
		}
		if version < least || most != 0 && version > most {
			unfit.Found = append(unfit.Found, fmt.Sprintf("Java %d (%s)", version, java))
			continue
		}
		java, err = filepath.Abs(java)
		if err != nil {
			return "", 0, fmt.Errorf("finding java: %w", err)
		}
		return java, version, nil
	}
	return "", 0, unfit
}

func javaVersion(ctx context.Context, java string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, javaTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, java, "-XX:-UsePerfData", "-version").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("running %s -version: %w", java, err)
	}
	version, err := parseJavaVersion(string(out))
	if err != nil {
		return 0, fmt.Errorf("running %s -version: %w", java, err)
	}
	return version, nil
}

var versionPattern = regexp.MustCompile(`(?m)^\S+ version "(\d+)(?:\.(\d+))?`)

// parseJavaVersion finds the major version: 8 in "1.8.0_292", 17 in "17.0.15".
func parseJavaVersion(out string) (int, error) {
	m := versionPattern.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("no version in %.200q", out)
	}
	digits := m[1]
	if digits == "1" && m[2] != "" {
		digits = m[2]
	}
	return strconv.Atoi(digits)
}
