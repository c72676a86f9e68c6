package main

import (
	"errors"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// urlScheme is what a URL begins with. A path that looks like one is meant by ./ in front of it.
var urlScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// localPath is the path that an argument means: the argument itself, or what a file URL names, with its
// escapes undone. It is the one place that decides, for whatever is read or written. A # or ? in a file URL
// is refused: to a URL they end the path, to whoever put file:// before a path they are part of it. An error
// does not repeat the argument, which may be a token in the wrong place.
func localPath(arg string) (string, error) {
	scheme := urlScheme.FindString(arg)
	file := strings.EqualFold(scheme, "file:")
	if scheme == "" || !file && !strings.HasPrefix(arg[len(scheme):], "//") {
		return arg, nil
	}
	if !file {
		return "", errors.New("only local paths and file:// URLs are supported")
	}
	if strings.ContainsAny(arg, "#?") {
		return "", errors.New("a file URL cannot hold # or ?; write %23 or %3F, or give the path without file://")
	}
	u, err := url.Parse(arg)
	switch {
	case err != nil || strings.Contains(u.Path, "\x00"):
		return "", errors.New("not a file URL; write a % that is part of the path as %25, or give the path without file://")
	case u.User != nil || u.Host != "" && !strings.EqualFold(u.Host, "localhost"):
		return "", errors.New("a file URL cannot name another host; an absolute path follows three slashes, as in file:///data/lake")
	case !strings.HasPrefix(u.Path, "/"):
		return "", errors.New("a file URL needs an absolute path, as in file:///data/lake; without file: a path may be relative")
	}
	return filepath.FromSlash(u.Path), nil
}
